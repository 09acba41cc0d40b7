"""Jobs in the history and reports in their directories, as workers leave them."""

from typing import Any

from jobs import report as reports
from jobs import spec as specs
from jobs.report import (
    Artifact,
    Hardware,
    Images,
    Layer,
    Measure,
    NextStep,
    Picture,
    Rate,
    Report,
    Shape,
    Speed,
    Verdict,
    View,
)
from jobs.spec import JobSpec, PotDefault, Source
from otx_web.services import Services
from otx_web.store import Job, State

OWNER = "local"
EVIL = "<img src=x onerror=alert(1)>"
HARDWARE = Hardware(
    cpu="AMD EPYC 9R14", instruction_sets=("avx512_vnni",), cores=2, memory_bytes=1 << 34, device="CPU", load=0.4,
    int8_fast=True,
)  # fmt: skip
STEP = NextStep(title="Use the mixed preset", reason="Fewer steps are wasted.", seconds=42, method="pot_default",
                set={"preset": "mixed"})  # fmt: skip


def rate(fps: float, precision: str = "FP32", within: float = 0.01) -> Rate:
    return Rate(
        throughput_fps=fps,
        throughput_low=fps * (1 - within),
        throughput_high=fps * (1 + within),
        latency_ms=1000 / fps,
        latency_low=1000 / fps * (1 - within),
        latency_high=1000 / fps * (1 + within),
        precision=precision,
    )


def speed(before: float = 3604, after: float = 5043, **changed: Any) -> Speed:
    ratio = after / before
    known: dict[str, Any] = {
        "before": rate(before, "BF16"),
        "after": rate(after, "INT8"),
        "ratio": ratio,
        "ratio_low": ratio * 0.98,
        "ratio_high": ratio * 1.02,
        "latency_ratio": ratio,
        "latency_ratio_low": ratio * 0.98,
        "latency_ratio_high": ratio * 1.02,
        "reference": "the original as it runs here by default, in BF16",
    }
    return Speed.model_validate(known | changed)


def verdict(accuracy: str = "held", drop: float = 0.001, within: float = 0.005, **changed: Any) -> Verdict:
    known = {
        "accuracy": accuracy,
        "drop": drop,
        "drop_low": drop - within,
        "drop_high": drop + within,
        "limit": 0.01,
        "message": "The verdict in a sentence.",
    }
    return Verdict.model_validate(known | changed)


def report(before: float = 0.805, after: float = 0.804, fps: float = 5043, **changed: Any) -> Report:
    """A job that succeeded. What `changed` names is otherwise."""
    drop = before - after
    known: dict[str, Any] = {
        "status": "succeeded",
        "task": "classification",
        "template": "generic",
        "method": "pot_default",
        "metric": "accuracy",
        "before": Measure(
            metrics={"accuracy": before, "f1_macro": 0.8},
            per_class={"cat": {"accuracy": 0.9}, "dog": {"accuracy": 0.7}},
            size_bytes=1_074_000,
            parameters=272_474,
            precision="FP32",
        ),
        "after": Measure(
            metrics={"accuracy": after, "f1_macro": 0.79},
            per_class={"cat": {"accuracy": 0.9}, "dog": {"accuracy": 0.65}},
            size_bytes=283_000,
            parameters=272_474,
            precision="INT8",
        ),
        "speed": speed(after=fps),
        "verdict": verdict("held" if drop < 0.005 else "lost", drop),
        "applied": {"preset": "performance", "stat_subset_size": "300"},
        "seconds": {"read": 1.0, "quantize": 9.0, "total": 27.4},
        "hardware": HARDWARE,
        "packages": {"openvino": "2026.4.1"},
        "images": Images(calibration=300, validation=2000, validation_names=("a.png", "b.png")),
        "artifacts": (
            Artifact(name="Optimised model (zip)", path="artifacts/model.zip", size_bytes=283_000, sha256="0" * 64),
            Artifact(name="Report", path="artifacts/report.html", size_bytes=48_000, sha256="0" * 64),
            Artifact(name="Settings", path="artifacts/config.json", size_bytes=900, sha256="0" * 64),
        ),
        "pictures": (
            Picture(
                file="artifacts/pictures/00.png", name="val/dog/1.png", truth="dog", before="dog", after="cat",
                score_before=0.61, score_after=0.55, differs=True,
            ),
        ),
        "layers": (Layer(name="conv1", type="Convolution", precision="INT8"),),
    }  # fmt: skip
    return Report.model_validate(known | changed)


def pruned(*, zeros: float | None = None, **changed: Any) -> Report:
    """A job that removed three filters in ten; or made so many weights 0."""
    known = report(method="nncf_pruning", **changed)
    assert known.before and known.after
    less = {"parameters": 190_700, "flops": 56_700_000} if zeros is None else {"flops": 81_000_000}
    after = known.after.model_copy(update={"zeros": zeros or 0.02, **less})
    before = known.before.model_copy(update={"zeros": 0.0, "flops": 81_000_000})
    return known.model_copy(update={"before": before, "after": after})


def drawn_on(**changed: Any) -> Picture:
    """A picture with boxes of both models and of the annotation, and a layer after."""
    sure = Shape(label=EVIL, score=0.9, box=(0.1, 0.1, 0.5, 0.4))
    unsure = Shape(label=EVIL, score=0.2, box=(0.1, 0.5, 0.5, 0.9))
    known: dict[str, Any] = {
        "file": "artifacts/pictures/00.png",
        "name": "val/1.png",
        "truth": "1 dog",
        "before": "2 dogs",
        "after": "1 dog",
        "score_before": 0.9,
        "score_after": 0.9,
        "differs": True,
        "before_view": View(shapes=(sure, unsure)),
        "after_view": View(shapes=(sure,), layer="artifacts/pictures/00-after.png"),
        "truth_view": View(shapes=(Shape(label="dog", box=(0.1, 0.1, 0.5, 0.5)),)),
        "threshold": 0.35,
    }
    return Picture.model_validate(known | changed)


def spec(parts: Services, **changed: Any) -> JobSpec:
    known: dict[str, Any] = {
        "task": "classification",
        "template": "generic",
        "options": PotDefault(),
        "model": Source(name="resnet20.onnx", digest="aa", path="../../uploads/aa/files"),
        "dataset": Source(name="digits.zip", digest="bb", path="../../uploads/bb/files"),
        "limits": parts.settings.limits,
    }
    return JobSpec.model_validate(known | changed)


def job(
    parts: Services,
    state: State = State.SUCCEEDED,
    *,
    name: str = "resnet20",
    owner: str = OWNER,
    made: Report | None = None,
    **of_spec: Any,
) -> Job:
    """A job in this state, in the history and on the disk."""
    wanted = spec(parts, **of_spec)
    added = parts.store.add_job(wanted, owner=owner, name=name)
    directory = parts.runner.directory(added.id)
    directory.mkdir(parents=True)
    specs.write(directory, wanted)
    if state is not State.QUEUED:
        parts.store.claim(added.id)
    if state.done:
        result = made or (report() if state is State.SUCCEEDED else None)
        if result is not None:
            reports.write(directory, result)
        parts.store.change_state(added.id, state, report=result)
    found = parts.store.job(added.id)
    assert found is not None
    return found
