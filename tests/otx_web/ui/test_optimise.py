"""From files to a queued job: what the page says at every step, and to whom."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import anyio
import gradio as gr
import pytest

from jobs.findings import Findings
from jobs.spec import TaskName
from otx_web import samples
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Kind, State
from otx_web.ui import brought, look, optimise, parts, trial
from otx_web.ui.draft import Draft
from tests.otx_web.conftest import serving, until, wire
from tests.otx_web.ui.conftest import BROKEN, DATASET, MODEL, Shelf, Visit

pytestmark = pytest.mark.anyio
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def house(tmp_path: Path) -> Services:
    """Everything a page gets, with a fake engine."""
    return wire(Settings(data=tmp_path / "data", public=False, free_bytes=0, memory_bytes=1 << 30))


@pytest.fixture
async def pair(shelf: Shelf) -> Mapping[Kind, str]:
    """Both, as they are after a check."""
    return {
        "model": (await shelf.put("model", MODEL)).digest,
        "dataset": (await shelf.put("dataset", DATASET)).digest,
    }


async def opening(house: Services, address: str, config: str, request: gr.Request) -> SimpleNamespace:
    """What the page says at once when it is opened."""
    remark, model, dataset, *cards, _hint, form, _note, button, kept, config = await optimise.open_page(
        house, address, config, request
    )
    return SimpleNamespace(
        remark=remark, digests=(model, dataset), cards=cards, form=form, ready=button["interactive"], kept=kept
    )


async def examined(house: Services, visit: Visit, address: str) -> SimpleNamespace:
    """What it says when it has looked into what is new."""
    model, dataset, hint, form, note, button = await optimise.examine(house, address, "", visit())
    return SimpleNamespace(cards=(model, dataset), hint=hint, form=form, note=note, button=button)


def plain(markup: str) -> str:
    return markup.replace(parts.SPACE, " ")


def settle(house: Services, visit: Visit, address: str = "", config: str = "", **uploads: str) -> SimpleNamespace:
    digests = [uploads.get(kind, "") for kind in ("model", "dataset")]
    *cards, hint, form, note, button, kept, config = optimise.settle(house, address, config, *digests, visit())
    return SimpleNamespace(
        cards=cards, hint=hint, form=form, note=plain(note), ready=button["interactive"], address=kept, config=config
    )


# --- uploads


async def test_upload_goes_into_the_store_and_is_looked_into(house: Services, visit: Visit, tmp_path: Path) -> None:
    received = tmp_path / "net.onnx"
    received.write_bytes(b"net")
    drop, digest, card = await optimise.take(house, "model", [str(received)], visit())
    assert drop is None
    assert "Starting the engine, once…" in card, "it will be looked into next"
    assert house.store.upload(digest, "local") is not None
    assert house.uploads.folder(digest).joinpath("net.onnx").read_bytes() == b"net"
    assert not received.exists()
    async with serving(house):
        seen = await examined(house, visit, f"model={digest}")
    assert "ONNX" in seen.cards[0]
    assert "✓" in seen.cards[0]


async def test_upload_that_is_refused_says_why(house: Services, visit: Visit, tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "net.onnx", tmp_path / "b" / "net.onnx"
    for path in (one, other):
        path.parent.mkdir()
        path.write_bytes(b"x")
    drop, digest, card = await optimise.take(house, "model", [str(one), str(other)], visit())
    assert (drop, digest) == (None, "")
    assert "Two files have the same name." in card
    assert not one.exists()


async def test_images_of_a_dataset_are_counted(house: Services, visit: Visit, tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.png" for number in range(3)]
    for image in images:
        image.write_bytes(b"x")
    _, _, card = await optimise.take(house, "dataset", [str(image) for image in images], visit())
    assert "3 images" in card


async def test_pick_takes_only_ones_own(house: Services, visit: Visit, shelf: Shelf) -> None:
    theirs = await shelf.put("model", MODEL, owner="someone")
    digest, card = optimise.pick(house, "model", visit(), gr.EventData(None, {"digest": theirs.digest}))
    assert digest == ""
    assert "not there any more" in card


async def test_pick_takes_something_uploaded_earlier(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    digest, card = optimise.pick(house, "model", visit(), gr.EventData(None, {"digest": pair["model"]}))
    assert digest == pair["model"]
    assert "ONNX" in card, "what is known is shown at once"


async def test_what_was_uploaded_earlier_can_be_chosen(house: Services, visit: Visit, shelf: Shelf) -> None:
    await shelf.put("model", MODEL, name=f"{EVIL.replace('/', '')}.onnx")
    await shelf.put("model", MODEL, owner="someone", name="theirs.onnx")
    card = brought.card(house, "local", "model", None)
    assert "Or take one you uploaded earlier" in card
    assert "theirs" not in card
    assert "<img" not in card


async def test_sample_brings_both(house: Services, visit: Visit) -> None:
    event = gr.EventData(None, {"task": "classification"})
    model, dataset, *cards = await optimise.take_sample(house, visit(), event)
    assert "digits.xml" in cards[0]
    assert "digits.zip" in cards[1]
    async with serving(house):
        seen = await examined(house, visit, f"task=classification&model={model}&dataset={dataset}")
        assert seen.button["interactive"]
    assert settle(house, visit, model=model, dataset=dataset).ready
    opened = await opening(house, "?sample=classification", "", visit())
    assert opened.digests == (model, dataset)
    assert "task=classification" in opened.kept


async def test_sample_of_no_task_is_refused(house: Services, visit: Visit) -> None:
    with pytest.raises(samples.NoSample):
        await optimise.take_sample(house, visit(), gr.EventData(None, {"task": EVIL}))


async def test_dataset_is_looked_into_again_for_another_task(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    """A COCO file is one thing for detection, and another for classification."""
    page = settle(house, visit, "task=detection", **pair)
    assert not page.ready
    assert "for detection" in page.cards[1] or "Starting the engine" in page.cards[1]
    assert "YOLO" in page.hint
    async with serving(house):
        seen = await examined(house, visit, page.address)
    assert "One folder a class" in seen.cards[1]
    dataset = house.store.upload(pair["dataset"], "local")
    assert dataset is not None
    assert dataset.findings is not None
    assert dataset.findings.task == "detection"


async def test_model_tells_for_which_task_its_dataset_is_read(
    house: Services, visit: Visit, shelf: Shelf, pair: Mapping[Kind, str]
) -> None:
    detector = await shelf.put("model", None, name="ssd.onnx")
    async with serving(house):
        seen = await examined(house, visit, f"model={detector.digest}&dataset={pair['dataset']}")
    assert "YOLO" in seen.hint
    assert seen.button["interactive"]
    assert look.upload(house, "dataset", pair["dataset"], "local").findings.task == "detection"  # type: ignore[union-attr]


async def test_task_chosen_wins_and_those_that_fit_come_first(
    house: Services, visit: Visit, shelf: Shelf, pair: Mapping[Kind, str]
) -> None:
    fits = MODEL.model_copy(update={"tasks": ("segmentation", "classification")})
    model = await shelf.put("model", fits, name="both.onnx")
    form = settle(house, visit, "task=anomaly_detection", model=model.digest).form
    order = ["Fit the model", 'value="segmentation"', 'value="classification"', "Others", 'value="detection"']
    places = [form.index(text) for text in order]
    assert places == sorted(places)
    assert 'value="anomaly_detection" data-default="anomaly_detection" checked' in form


async def test_settings_of_another_tasks_models_wait_until_it_is_chosen_again(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    address = "set=model_type%3DSSD"
    assert settle(house, visit, f"task=classification&{address}", **pair).ready
    detector = settle(house, visit, f"task=detection&{address}", **pair)
    assert 'id="ow-set-model_type"' in detector.form
    assert parse_qs(detector.address)["set"] == ["model_type=SSD"]


# --- settings


async def test_empty_page_says_what_to_do(house: Services, visit: Visit) -> None:
    empty = settle(house, visit)
    assert empty.note == '<p class="ow-muted">Choose a model and a sample dataset first.</p>'
    assert not empty.ready
    assert empty.address == ""


async def test_one_upload_asks_for_the_other(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    assert "Choose a sample dataset first." in settle(house, visit, model=pair["model"]).note


async def test_both_uploads_make_it_ready(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    both = settle(house, visit, **pair)
    assert both.ready
    assert "Trying it on three images" in both.note
    assert parse_qs(both.address) == {kind: [digest] for kind, digest in pair.items()}


async def test_broken_model_stops_it_and_says_so(house: Services, visit: Visit, shelf: Shelf) -> None:
    model, dataset = await shelf.put("model", BROKEN), await shelf.put("dataset", DATASET)
    page = settle(house, visit, model=model.digest, dataset=dataset.digest)
    assert not page.ready
    assert "The model is damaged." in page.note
    card = brought.card(house, "local", "model", model)
    assert "Cannot be used" in card
    assert "Export it." in card


async def test_mistake_stands_beside_its_field_and_stops_it(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    page = settle(house, visit, "set=stat_subset_size%3D0&set=preset%3Dmixed", **pair)
    assert not page.ready
    message = "Images used to calibrate must be a whole number of at least 1, not “0”."
    assert message in page.note
    assert f'id="ow-set-stat_subset_size-error">{message}' in page.form
    assert parse_qs(page.address)["set"] == ["stat_subset_size=0", "preset=mixed"]
    assert "preset Mixed · 300 images · limit 1 point" in page.form


async def test_address_with_what_does_not_exist_is_told(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    page = settle(house, visit, "template=efficientnet&task=tetris&method=magic&set=speed%3D1", **pair)
    assert not page.ready
    for sentence in ("Did you mean efficientnet_b0?", "no task “tetris”", "no method “magic”", "no setting “speed”"):
        assert sentence in page.note


async def test_model_that_says_nothing_is_asked_about(
    house: Services, visit: Visit, shelf: Shelf, pair: Mapping[Kind, str]
) -> None:
    asked = settle(house, visit, "template=efficientnet_b0", **pair).form
    assert 'id="ow-fold-model" open=""' in asked
    assert "resnet20.onnx does not say how images must be prepared for it." in asked
    assert 'value="123.675 116.28 103.53"' in asked
    assert MODEL.model is not None
    told = MODEL.model_copy(
        update={"model": MODEL.model.model_copy(update={"model_info": {"mean_values": "7 7 7", "labels": "a b"}})}
    )
    model = await shelf.put("model", told, name="told.onnx")
    form = settle(house, visit, "template=efficientnet_b0", model=model.digest).form
    assert 'id="ow-fold-model" open' not in form
    assert 'value="7 7 7"' in form


async def test_model_that_looks_like_a_kind_is_said_to(house: Services, visit: Visit, shelf: Shelf) -> None:
    assert MODEL.model is not None
    supposed = MODEL.model.model_copy(update={"supposed": {"detection": {"model_type": "FastestDet"}}})
    found = MODEL.model_copy(update={"model": supposed, "tasks": ("detection",)})
    model = await shelf.put("model", found, name="fast.onnx")
    form = settle(house, visit, model=model.digest).form
    assert "fast.onnx does not say what kind of model it is" in form
    assert "By its outputs it looks like FastestDet" in form
    assert 'id="ow-fold-model" open=""' in form


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("my_EfficientNet-B0_v3.onnx", "EfficientNet-B0"),
        ("mobilenet_v3_large_075x.xml", "MobileNet-V3-large-0.75x"),
        ("model.onnx", "Any model"),
    ],
)
async def test_template_is_guessed_from_the_name(
    house: Services, visit: Visit, shelf: Shelf, name: str, template: str
) -> None:
    model = await shelf.put("model", MODEL, name=name)
    assert f'selected="">{template}</option>' in settle(house, visit, model=model.digest).form


async def test_configuration_file_shows_what_becomes_of_its_keys(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    params = {"preset": "mixed", "use_layerwise_tuning": True}
    text = json.dumps({"compression": {"algorithms": [{"name": "DefaultQuantization", "params": params}]}})
    page = settle(house, visit, "config=pot.json", json.dumps({"name": "pot.json", "text": text}), **pair)
    assert page.ready
    assert "use_layerwise_tuning" in page.form
    assert "Refused" in page.form
    assert "preset Mixed" in page.form
    assert json.loads(page.config) == {"name": "pot.json", "text": text}
    broken = settle(house, visit, "config=pot.json", json.dumps({"name": "pot.json", "text": EVIL}), **pair)
    assert not broken.ready
    assert "<img" not in broken.form
    assert "pot.json is not with this browser any more" in settle(house, visit, "config=pot.json", "", **pair).form


async def test_training_takes_files_of_nncf(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    text = json.dumps({"compression": [{"algorithm": "quantization", "preset": "mixed"}, {"algorithm": "rb_sparsity"}]})
    config = json.dumps({"name": "nncf.json", "text": text})
    page = settle(house, visit, "config=nncf.json&method=nncf_qat", config, **pair)
    assert page.ready
    assert "A compression_config.json as OTX ships it, or NNCF&#39;s own JSON." in page.form
    assert "rb_sparsity" in page.form
    assert "preset Mixed" in page.form
    wrong = settle(house, visit, "config=nncf.json&method=pot_default", config, **pair)
    assert not wrong.ready
    assert "NNCF compression configuration" in wrong.form
    assert "A pot_optimization_config.json as OTX ships it" in wrong.form


async def test_pruning_shows_the_settings_of_what_is_removed(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    page = plain(settle(house, visit, "method=nncf_pruning", **pair).form)
    assert "Filters are removed for good" in page and "30 % fewer FLOPs · 20 epochs" in page
    assert "Share of FLOPs to remove" in page and "Share of zeros" not in page
    page = plain(settle(house, visit, "method=nncf_pruning&set=algorithm=rb_sparsity", **pair).form)
    assert "50 % zeros" in page and "Share of zeros" in page and "RB sparsity" in page
    assert "Share of FLOPs to remove" not in page and "fewer FLOPs" not in page
    page = plain(settle(house, visit, "method=nncf_pruning&set=filter_pruning.pruning_flops_target=", **pair).form)
    assert "30 % fewer filters · 20 epochs" in page
    asked = "method=nncf_pruning&set=adaptive_compression_level.enabled=true"
    assert "at most 30 % fewer FLOPs" in plain(settle(house, visit, asked, **pair).form)


# --- what it will cost


async def test_rehearsal_tells_time_and_memory(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    address = settle(house, visit, **pair).address
    async with serving(house):
        _, note, button = await optimise.rehearse(house, {}, address, "", visit())
    assert "About 30 s, 600 MB of memory, estimated from three images." in plain(note)
    assert button["interactive"]


async def test_model_is_looked_into_again_when_its_settings_changed(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    async with serving(house):
        for _ in range(2):
            await examined(house, visit, f"model={pair['model']}&set=layout%3DNHWC")
    checks = house.uploads.check_folder(pair["model"]).with_name("checks")
    assert checks.read_text() == "1"


async def test_rehearsal_shows_what_the_original_sees(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    address = settle(house, visit, "set=stat_subset_size%3D7", **pair).address
    spec = look.look(house, optimise.draft.read(address), "local").spec(house)
    async with serving(house):
        pictures, *_ = await optimise.rehearse(house, {}, address, "", visit())
    assert f'src="files/previews/{house.runner.rehearsal(spec).name}/pictures/00.png"' in pictures
    assert "2 dogs" in pictures
    assert "<img src=x" not in pictures


async def test_rehearsal_that_is_stopped_says_nothing(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    address = settle(house, visit, **pair).address
    trials: optimise.Trials = {}
    async with anyio.create_task_group() as group:  # no worker is there to answer

        async def wait() -> None:
            answer = await optimise.rehearse(house, trials, address, "", visit())
            assert all(value == gr.skip() for value in answer)

        group.start_soon(wait)
        await until(lambda: trials)
        optimise.stop(trials, visit())
    assert not trials


async def test_rehearsal_of_nothing_is_none(house: Services, visit: Visit) -> None:
    pictures, note, button = await optimise.rehearse(house, {}, "", "", visit())
    assert not pictures
    assert "Choose a model" in note
    assert not button["interactive"]


def test_rehearsal_that_failed_stops_the_start(house: Services) -> None:
    assert "It would fail" in trial.tried(house, BROKEN)
    assert "The model is damaged." in trial.tried(house, BROKEN)


def test_rehearsal_without_numbers_says_none(house: Services) -> None:
    assert "About" not in trial.tried(house, Findings())


# --- start


async def test_start_queues_one_job_however_often_it_is_pressed(
    house: Services, visit: Visit, pair: Mapping[Kind, str]
) -> None:
    address = "set=stat_subset_size%3D50&set=mean_values%3D1%2C2%2C3"
    ids: list[str] = []

    async def press() -> None:
        job_id, *_ = await optimise.start(house, address, "", pair["model"], pair["dataset"], visit())
        ids.append(job_id)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(press)
    first = ids[0]
    assert ids == [first] * 3
    job = house.store.job(first)
    assert job is not None
    assert (job.state, job.owner, job.name) == (State.QUEUED, "local", "resnet20.onnx")
    assert job.spec.options.stat_subset_size == 50
    assert job.spec.model_settings == {"mean_values": "1,2,3"}


async def test_start_with_a_mistake_starts_nothing(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    job_id, form, note, _ = await optimise.start(house, "set=max_drop%3D7", "", *pair.values(), visit())
    assert job_id == ""
    assert "Accepted loss must be from 0 to 100 points." in form
    assert "Change this first" in note
    assert "Accepted loss must be from 0 to 100 points." in note
    assert house.store.count_active() == (0, 0)


async def test_start_with_uploads_of_others_starts_nothing(house: Services, visit: Visit, shelf: Shelf) -> None:
    model, dataset = await shelf.put("model", MODEL, owner="x"), await shelf.put("dataset", DATASET, owner="x")
    job_id, _, note, _ = await optimise.start(house, "", "", model.digest, dataset.digest, visit())
    assert job_id == ""
    assert "Choose a model" in note


async def test_start_that_the_queue_refuses_says_why(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    for digest in pair.values():
        (house.uploads.folder(digest) / ("resnet20.onnx" if digest == pair["model"] else "digits.zip")).unlink()
        house.uploads.folder(digest).rmdir()
    job_id, _, note, button = await optimise.start(house, "", "", *pair.values(), visit())
    assert job_id == ""
    assert "has been deleted" in note
    assert button["interactive"]


# --- addresses


async def test_address_brings_everything_back(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    address = settle(house, visit, "template=efficientnet_b0&set=preset%3Dmixed", **pair).address
    opened = await opening(house, f"?{address}", "", visit())
    assert opened.remark == ""
    assert "resnet20.onnx" in opened.cards[0]
    assert "One folder a class" in opened.cards[1]
    assert opened.digests == tuple(pair.values())
    assert "&#34;preset&#34;: &#34;mixed&#34;" in opened.form
    assert opened.ready
    assert opened.kept == address


async def test_address_with_uploads_of_others_shows_nothing_of_them(
    house: Services, visit: Visit, shelf: Shelf
) -> None:
    theirs = await shelf.put("model", MODEL, owner="someone", name="secret.onnx")
    opened = await opening(house, f"?model={theirs.digest}", "", visit())
    assert "The model of this address is not among your uploads." in opened.remark
    assert "secret" not in str(opened.cards) + opened.form


async def test_unchecked_upload_of_an_address_is_looked_into(house: Services, visit: Visit, shelf: Shelf) -> None:
    upload = await shelf.put("model", None)
    opened = await opening(house, f"?model={upload.digest}", "", visit())
    assert "Starting the engine, once…" in opened.cards[0]
    async with serving(house):
        seen = await examined(house, visit, opened.kept)
    assert "ONNX" in seen.cards[0]


async def test_change_and_run_takes_over_a_job(house: Services, visit: Visit, pair: Mapping[Kind, str]) -> None:
    text = '{"algorithms": [{"name": "DefaultQuantization", "params": {"preset": "mixed"}}]}'
    config = json.dumps({"name": "pot.json", "text": text})
    address = "config=pot.json&template=generic&set=stat_subset_size%3D50&set=max_drop%3D0.02&set=layout%3DNCHW"
    job_id, *_ = await optimise.start(house, address, config, *pair.values(), visit())
    first = house.store.job(job_id)
    opened = await opening(house, f"?from={job_id}", "", visit())
    assert "Everything is as in" in opened.remark
    again_id, *_ = await optimise.start(house, opened.kept, "", *pair.values(), visit())
    again = house.store.job(again_id)
    assert first is not None
    assert again is not None
    assert again.spec.options == first.spec.options
    assert again.spec.model_settings == {"layout": "NCHW"}
    assert again.spec.max_drop == 0.02


async def test_change_and_run_of_anothers_job_shows_none_of_their_files(
    house: Services, visit: Visit, shelf: Shelf
) -> None:
    model, dataset = await shelf.put("model", MODEL, owner="x"), await shelf.put("dataset", DATASET, owner="x")
    theirs = look.look(house, Draft(model=model.digest, dataset=dataset.digest), "x")
    job = await house.runner.submit(theirs.spec(house), "x")
    opened = await opening(house, f"?from={job.id}", "", visit())
    assert "You have no resnet20.onnx and no digits.zip here: bring it first." in opened.remark
    assert (opened.cards, opened.digests) == (["", ""], ("", ""))


async def test_change_and_run_of_a_job_that_is_gone(house: Services, visit: Visit) -> None:
    assert "not there any more" in (await opening(house, "?from=none", "", visit())).remark


def test_formats_name_code_only_where_it_is_taken(house: Services) -> None:
    public = house.settings.model_copy(update={"public": True})
    assert ".pt2" in brought.taken("model", TaskName.DETECTION, house.settings)
    assert ".pt2" not in brought.taken("model", TaskName.DETECTION, public)


def test_every_task_says_how_its_datasets_may_be_laid_out(house: Services) -> None:
    said = {brought.taken("dataset", task, house.settings) for task in TaskName}
    assert len(said) >= len(TaskName) - 1
