"""The history's schema, step by step. Each step is SQL that never changes again; a new one is added at the end."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from jobs.errors import JobError


class SchemaTooNew(JobError):
    """The history was written by a newer version of OTX Web."""

    hint = "Update OTX Web, or give it another data folder with OTX_WEB_DATA."


class DamagedHistory(JobError):
    """The history cannot be opened."""

    hint = "Put a copy in its place, or move it away to begin a new one."


def _first(connection: sqlite3.Connection) -> None:
    """Jobs and uploads. The large columns are last, so that a listing does not read over them."""
    connection.execute(
        """
        CREATE TABLE job (
            id VARCHAR NOT NULL PRIMARY KEY, owner VARCHAR NOT NULL, name VARCHAR NOT NULL, state VARCHAR NOT NULL,
            task VARCHAR NOT NULL, template VARCHAR NOT NULL, method VARCHAR NOT NULL,
            model_name VARCHAR NOT NULL, model_digest VARCHAR NOT NULL,
            dataset_name VARCHAR NOT NULL, dataset_digest VARCHAR NOT NULL,
            created_at FLOAT NOT NULL, started_at FLOAT, finished_at FLOAT, seconds FLOAT, attempt INTEGER NOT NULL,
            metric VARCHAR, before FLOAT, after FLOAT, verdict VARCHAR, speed_ratio FLOAT,
            throughput_before FLOAT, throughput_after FLOAT, size_ratio FLOAT, size_after INTEGER,
            failure VARCHAR, files_deleted BOOLEAN NOT NULL, spec VARCHAR NOT NULL, report VARCHAR
        )
        """
    )
    connection.execute(
        """
        CREATE TABLE upload (
            digest VARCHAR NOT NULL, owner VARCHAR NOT NULL, kind VARCHAR NOT NULL, name VARCHAR NOT NULL,
            size_bytes INTEGER NOT NULL, created_at FLOAT NOT NULL, findings VARCHAR, PRIMARY KEY (digest, owner)
        )
        """
    )
    for columns in ("state, created_at", "owner, created_at", "created_at", "model_digest", "dataset_digest"):
        connection.execute(f"CREATE INDEX job_by_{columns.replace(', ', '_')} ON job ({columns})")
    connection.execute("CREATE INDEX upload_by_owner ON upload (owner, kind)")


STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first,)


def migrate(engine: Engine) -> None:
    """Bring the schema up to date, with a copy of the file first when there is something to lose.

    Raises `SchemaTooNew`. Several processes may start at once: the first to get the lock does it.
    """
    path = Path(engine.url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _migrate(engine, path)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        raise DamagedHistory(
            f"The history cannot be opened: {getattr(error, 'orig', error)}.", where=str(path)
        ) from error


def _migrate(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        version = _version(driver)
        if version > len(STEPS):
            raise SchemaTooNew(where=str(path))
        if 0 < version < len(STEPS):
            _copy(driver, path, version)
        if version < len(STEPS):
            _upgrade(driver)


def _version(driver: sqlite3.Connection) -> int:
    return int(driver.execute("PRAGMA user_version").fetchone()[0])


def _copy(driver: sqlite3.Connection, path: Path, version: int) -> None:
    """A whole copy beside the file. One left by an upgrade that did not finish is as good, and is kept."""
    backup = path.with_name(f"{path.name}.version-{version}")
    if backup.exists():
        return
    part = path.with_name(f".{backup.name}-{os.getpid()}")  # another process may be at it too
    part.unlink(missing_ok=True)
    driver.execute("VACUUM INTO ?", (str(part),))
    part.replace(backup)


def _upgrade(driver: sqlite3.Connection) -> None:
    """All steps in one transaction: after a crash the old schema is there, never half of the new one."""
    driver.execute("BEGIN IMMEDIATE")
    try:
        for number, step in enumerate(STEPS[_version(driver) :], start=_version(driver) + 1):
            step(driver)
            driver.execute(f"PRAGMA user_version = {number}")
        driver.execute("COMMIT")
    except BaseException:
        driver.execute("ROLLBACK")
        raise
