"""The library: what an owner brought, what used it, and what may go."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from otx_web import services
from otx_web.services import Services
from otx_web.store import State
from otx_web.ui import library
from tests.otx_web.test_store import spec
from tests.otx_web.ui.conftest import BROKEN, DATASET, MODEL, Shelf, Visit

pytestmark = pytest.mark.anyio
EVIL = "<img src=x onerror=alert(1)>"


def click(digest: object) -> gr.EventData:
    return SimpleNamespace(digest=digest)  # type: ignore[return-value]


def use(house: Services, digest: str, name: str = "job", *, owner: str = "local", done: bool = True) -> str:
    job = house.store.add_job(spec(digest), owner=owner, name=name)
    if done:
        house.store.change_state(job.id, State.CANCELLED)
    return job.id


def test_empty_library_says_what_it_is_for(house: Services, visit: Visit) -> None:
    shown = library.open_page(house, visit())
    assert "so that you can use them again" in shown and 'href="./"' in shown


async def test_models_and_datasets_are_shown_with_what_is_in_them(house: Services, shelf: Shelf, visit: Visit) -> None:
    model, dataset = await shelf.put("model", MODEL), await shelf.put("dataset", DATASET)
    shown = library.open_page(house, visit())
    for text in (
        "Models",
        "resnet20.onnx",
        "Datasets",
        "digits.zip",
        "ONNX",
        "One folder a class",
        "No job has used it yet",
    ):
        assert text in shown
    assert f"./?model={model.digest}" in shown and f"./?dataset={dataset.digest}" in shown
    assert "Kept until you delete it." in shown and shown.index("Models") < shown.index("Datasets")


async def test_shelf_without_anything_says_so(house: Services, shelf: Shelf, visit: Visit) -> None:
    await shelf.put("model", MODEL)
    assert "No datasets yet." in library.open_page(house, visit())


async def test_what_is_wrong_is_marked(house: Services, shelf: Shelf, visit: Visit) -> None:
    await shelf.put("model", BROKEN)
    await shelf.put("dataset", None)
    shown = library.open_page(house, visit())
    assert "Cannot be used" in shown and "The model is damaged." in shown and "Not checked yet" in shown


async def test_jobs_that_used_it_are_linked(house: Services, shelf: Shelf, visit: Visit) -> None:
    model = await shelf.put("model", MODEL)
    ids = [use(house, model.digest, f"run {number}") for number in range(7)]
    use(house, model.digest, "a stranger's", owner="stranger")
    shown = library.open_page(house, visit())
    assert "Used by 7\xa0jobs" in shown and "2 more" in shown and f"job?id={ids[-1]}" in shown
    assert "stranger" not in shown and "cannot be run again" in shown


async def test_names_are_never_markup(house: Services, shelf: Shelf, visit: Visit) -> None:
    model = await shelf.put("model", MODEL, name="a<b>.onnx")
    house.store.add_upload(model.model_copy(update={"name": EVIL}))
    use(house, model.digest, EVIL)
    shown = library.open_page(house, visit())
    assert EVIL not in shown and "&lt;img" in shown
    message, _ = library.delete(house, visit(), click(model.digest))
    assert EVIL not in message and "&lt;img" in message


async def test_others_uploads_are_not_shown(house: Services, shelf: Shelf, visit: Visit) -> None:
    await shelf.put("model", MODEL)
    assert "resnet20.onnx" not in library.open_page(house, visit(visitor="stranger"))


async def test_when_it_goes_is_said(house: Services, shelf: Shelf, visit: Visit) -> None:
    settings = house.settings.model_copy(update={"keep_days": 7.0})
    kept = services.build(settings)
    model = await shelf.put("model", MODEL)
    shown = library.open_page(kept, visit())
    assert "7 days after it was last used" in shown and "deleted" in shown
    use(house, model.digest, done=False)
    upload = kept.store.upload(model.digest, "local")
    assert upload is not None and library._expires(upload, kept.uploads.uses(upload), 7.0) == []
    later = datetime.now(UTC) + timedelta(days=7)
    assert str(later.year) in library._expires(upload, (), 7.0)[0]


# --- delete


async def test_upload_is_deleted_with_its_files(house: Services, shelf: Shelf, visit: Visit) -> None:
    model = await shelf.put("model", MODEL)
    message, shown = library.delete(house, visit(), click(model.digest))
    assert "resnet20.onnx and its files are deleted." in message and "resnet20.onnx" not in shown
    assert not house.uploads.folder(model.digest).exists()
    message, _ = library.delete(house, visit(), click(model.digest))
    assert "not there any more" in message


async def test_upload_a_job_needs_is_not_deleted(house: Services, shelf: Shelf, visit: Visit) -> None:
    model = await shelf.put("model", MODEL)
    job_id = use(house, model.digest, "busy", done=False)
    message, shown = library.delete(house, visit(), click(model.digest))
    assert "was not deleted" in message and "needs this upload" in message
    assert "Cannot be deleted now" in shown and f"job?id={job_id}" in shown and "Delete for good" not in shown
    assert house.uploads.folder(model.digest).exists()


@pytest.mark.parametrize("digest", [None, "", "../..", 5, "'; DROP TABLE upload; --"])
async def test_click_that_names_nothing_of_ones_own_does_nothing(
    house: Services, shelf: Shelf, visit: Visit, digest: Any
) -> None:
    model = await shelf.put("model", MODEL)
    for event in (click(digest), SimpleNamespace()):
        message, _ = library.delete(house, visit(), event)  # type: ignore[arg-type]
        assert "not there any more" in message
    message, _ = library.delete(house, visit(visitor="stranger"), click(model.digest))
    assert "not there any more" in message and house.uploads.folder(model.digest).exists()
