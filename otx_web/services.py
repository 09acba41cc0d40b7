"""What every page gets."""

from dataclasses import dataclass

from otx_web.runner import Runner
from otx_web.settings import Settings
from otx_web.store import Store
from otx_web.uploads import Uploads
from otx_web.workers import Workers


@dataclass(frozen=True)
class Services:
    """The parts of the app, wired together once."""

    settings: Settings
    store: Store
    uploads: Uploads
    workers: Workers
    runner: Runner


def build(settings: Settings, workers: Workers | None = None) -> Services:
    """Wire them. Makes the data folder and brings the history's schema up to date."""
    store = Store(settings.database_url)
    workers = workers or Workers(settings)
    uploads = Uploads(settings, store)
    return Services(settings, store, uploads, workers, Runner(settings, store, uploads, workers))
