"""What the operator can set, each as an environment variable with OTX_WEB_ before its name."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from jobs import sandbox
from jobs.spec import Limits

GIB = 1 << 30
CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")
SPACE_DATA = Path("/data")
"""Where a Hugging Face Space has its persistent storage, when it has any."""


def _default_data() -> Path:
    """`/data` on a Space that has it, else the user's own data folder, so that history does not hang on the folder."""
    if "SPACE_ID" in os.environ and os.access(SPACE_DATA, os.W_OK):
        return SPACE_DATA
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "otx-web"


def _on_space() -> bool:
    return "SPACE_ID" in os.environ


def _default_memory() -> int:
    """Three quarters of the machine's memory, or of the container's where that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = CONTAINER_MEMORY.read_text(encoding="ascii").strip() if CONTAINER_MEMORY.exists() else "max"
    if limit.isdigit():
        memory = min(memory, int(limit))
    return max(memory * 3 // 4, GIB)


def _host(text: str) -> str:
    """The name of what may have been given as an address, port and all."""
    return text.rpartition("://")[2].partition("/")[0].partition(":")[0]


class Settings(BaseSettings):
    """All settings. Read once, by whoever starts the app."""

    model_config = SettingsConfigDict(env_prefix="OTX_WEB_", frozen=True, extra="ignore", env_ignore_empty=True)

    data: Path = Field(default_factory=_default_data, description="uploads, jobs and the history")
    database: str = Field(default="", description="SQLite URL of the history; empty: a file in the data folder")
    host: str = Field(default="127.0.0.1", description="0.0.0.0 to be reached from other machines")
    port: int = Field(default=7860, ge=0, le=65535)
    public: bool = Field(
        default_factory=_on_space, description="whether strangers use it: each visitor then owns only what they brought"
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="host names it may be reached by, comma separated, * before a dot for all below"
    )
    workers: int = Field(default=1, ge=1, description="jobs at once; more than one disturbs the speed measured")
    memory_bytes: int = Field(default_factory=_default_memory, ge=256 << 20, description="of one job")
    wall_seconds: float = Field(default=3600, gt=0, description="of one job")
    max_upload_bytes: int = Field(default=4 * GIB, gt=0, description="of one upload")
    owner_bytes: int = Field(default=20 * GIB, gt=0, description="of all uploads of one owner, in public")
    owner_jobs: int = Field(default=10, ge=1, description="queued and running jobs of one owner, in public")
    free_bytes: int = Field(default=GIB, ge=0, description="disk space that uploads must leave free")
    keep_days: float | None = Field(default=None, gt=0, description="files of older jobs are deleted; none: kept")
    allow_code: bool | None = Field(
        default=None,
        description="whether .pt2, which can run code, is opened; none: only when not public. In public never without"
        " the sandbox (python -m jobs.sandbox says whether there is one)",
    )

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (_host(part.strip()) for part in value.split(","))))

    @field_validator("database")
    @classmethod
    def _sqlite(cls, value: str) -> str:
        if value and not value.startswith("sqlite:///"):
            raise ValueError("a SQLite URL is needed, such as sqlite:////data/otx-web.sqlite3")
        return value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def database_url(self) -> str:
        """Where the history is."""
        return self.database or f"sqlite:///{self.data / 'otx-web.sqlite3'}"

    @property
    def jobs(self) -> Path:
        """One folder a job, named by its id."""
        return self.data / "jobs"

    @property
    def uploads(self) -> Path:
        """One folder an upload, named by its digest."""
        return self.data / "uploads"

    @property
    def cache(self) -> Path:
        """What may be thrown away at any time: baselines measured by earlier jobs, compiled extensions."""
        return self.data / "cache"

    @property
    def previews(self) -> Path:
        """Rehearsals of jobs on three images; swept by age."""
        return self.data / "previews"

    @property
    def temporary(self) -> Path:
        """Files on their way in; swept by age."""
        return self.data / "tmp"

    @property
    def code_allowed(self) -> bool:
        """Whether a .pt2 may be opened: for strangers, only where the operator says so and workers are shut in."""
        if not self.public:
            return self.allow_code is not False
        return bool(self.allow_code) and sandbox.available().confined

    @property
    def limits(self) -> Limits:
        """What one job may use."""
        return Limits(
            memory_bytes=self.memory_bytes,
            wall_seconds=self.wall_seconds,
            cpu_seconds=int(self.wall_seconds * (os.cpu_count() or 1)) + 1,
        )
