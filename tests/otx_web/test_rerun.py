"""A job once more is within what is allowed today, and a recommended step changes what it says and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from jobs.spec import Limits, PotDefault, Preset
from otx_web import rerun, services
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Job
from otx_web.uploads import UploadError
from tests.otx_web import made
from tests.otx_web.conftest import put_upload


@pytest.fixture
def house(tmp_path: Path) -> Services:
    built = services.build(Settings(data=tmp_path / "data", public=False))
    put_upload(built, "aa", "model")
    put_upload(built, "bb", "dataset")
    return built


def lost(house: Services, **of_spec: Any) -> Job:
    verdict = made.verdict("lost", 0.05, next=(made.STEP,))
    return made.job(house, made=made.report(after=0.75, verdict=verdict), **of_spec)


def test_again_takes_todays_limits(house: Services) -> None:
    job = made.job(house, limits=Limits(memory_bytes=1 << 40), allow_code=True, given={"preset": "mixed"})
    spec = rerun.again(house, job)
    assert spec.limits == house.settings.limits
    assert spec.allow_code is house.settings.code_allowed
    assert (spec.given, spec.model, spec.options) == (job.spec.given, job.spec.model, job.spec.options)


def test_step_changes_what_it_says(house: Services) -> None:
    job = lost(house, options=PotDefault(stat_subset_size=123), given={"stat_subset_size": "123", "max_drop": "0.02"},
               max_drop=0.02)  # fmt: skip
    spec, chosen = rerun.step(house, job, 0)
    assert chosen == made.STEP
    assert spec.options.preset is Preset.MIXED
    assert spec.options.stat_subset_size == 123 and spec.max_drop == 0.02
    assert spec.model.digest == "aa" and spec.dataset.digest == "bb"


@pytest.mark.parametrize("number", [-1, 1, 99])
def test_step_that_is_not_there_is_refused(house: Services, number: int) -> None:
    with pytest.raises(rerun.NoSuchStep):
        rerun.step(house, lost(house), number)


def test_step_of_a_deleted_upload_is_refused(house: Services) -> None:
    job = lost(house)
    house.store.delete_upload("bb", made.OWNER)
    with pytest.raises(UploadError, match="has been deleted"):
        rerun.step(house, job, 0)


@pytest.mark.parametrize("method", ["pot_accuracy_aware", "weights"])
def test_step_to_another_method_takes_over_what_both_have(house: Services, method: str) -> None:
    step = made.STEP.model_copy(update={"method": method, "set": {}})
    verdict = made.verdict("lost", 0.05, next=(step,))
    given = {"preset": "mixed", "stat_subset_size": "123", "max_drop": "0.02"}
    options = PotDefault(stat_subset_size=123, preset=Preset.MIXED)
    report = made.report(after=0.75, verdict=verdict)
    spec, _ = rerun.step(house, made.job(house, made=report, options=options, given=given, max_drop=0.02), 0)
    assert spec.method == method
    assert spec.options.stat_subset_size == 123 and spec.max_drop == 0.02
