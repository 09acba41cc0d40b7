"""Takes away what nobody needs any more: files left on their way in, and, where it is set, old jobs and uploads."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from otx_web import files
from otx_web.settings import Settings
from otx_web.store import Store

TEMPORARY_SECONDS = 3600.0
"""An upload still coming in is younger: each piece that arrives makes its file new again."""

PREVIEW_SECONDS = 24 * 3600.0
"""What a rehearsal told stays true as long as its files are there; asking again costs a few seconds."""

ORPHAN_SECONDS = 24 * 3600.0
"""So long a folder of an upload that is in no list may wait for whoever is putting it there."""


def sweep(settings: Settings, store: Store) -> None:
    """All of it."""
    temporary(settings.temporary, time.time() - TEMPORARY_SECONDS)
    temporary(settings.previews, time.time() - PREVIEW_SECONDS)
    orphans(settings, store, time.time() - ORPHAN_SECONDS)
    if settings.keep_days is not None:
        moment = datetime.now(UTC) - timedelta(days=settings.keep_days)
        jobs(settings, store, moment)
        uploads(settings, store, moment)


def temporary(folder: Path, before: float) -> None:
    """Files not touched since then, and the folders they leave empty. Aborted uploads leave both."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside comes before what it is in
        try:
            if path.lstat().st_mtime >= before:
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
        except OSError:  # not empty, or gone by itself
            continue


def orphans(settings: Settings, store: Store, before: float) -> None:
    """Folders of uploads, not touched since then, that no row tells of: the app ended between the two."""
    with files.alone(settings.uploads):
        known = {upload.digest for upload in store.uploads()}
        for folder in settings.uploads.iterdir():
            if folder.is_dir() and folder.name not in known and folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


def jobs(settings: Settings, store: Store, moment: datetime) -> None:
    """Files of jobs done before then. The row stays, so that the history does."""
    for job in store.finished_before(moment):
        shutil.rmtree(settings.jobs / job.id, ignore_errors=True)
        store.mark_files_deleted(job.id)


def uploads(settings: Settings, store: Store, moment: datetime) -> None:
    """Uploads that came, and were last used, before then."""
    for upload in store.uploads():
        used = store.using(upload.digest)
        if upload.created_at >= moment or any(job.finished_at is None or job.finished_at >= moment for job in used):
            continue
        with files.alone(settings.uploads):
            if store.delete_upload(upload.digest, upload.owner):
                shutil.rmtree(settings.uploads / upload.digest, ignore_errors=True)
