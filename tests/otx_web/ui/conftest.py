"""Real services on a folder of the test, and uploads as they are after a check."""

from pathlib import Path
from urllib.parse import urlencode

import gradio as gr
import pytest
from starlette.requests import Request

from jobs.findings import DatasetFindings, Findings, ModelFindings, Node, Port, Problem, Split
from otx_web import services
from otx_web.guard import OWNER_HEADER
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Kind, Upload

MODEL = Findings(
    model=ModelFindings(
        format="ONNX",
        name="resnet20",
        size_bytes=9,
        inputs=(Port(name="x", shape=(1, 3, 32, 32), type="f32"),),
        outputs=(Port(name="y", shape=(1, 2), type="f32"),),
        precision="FP32",
        parameters=272_474,
        gflops=0.04,
        nodes=(Node(name="conv1", type="Convolution"),),
    ),
    tasks=("classification",),
    seconds_estimate=48,
)
DATASET = Findings(
    dataset=DatasetFindings(
        format="One folder a class",
        name="digits",
        size_bytes=9,
        labels=("cat", "dog"),
        images=20,
        splits=(Split(name="", images=20, per_class={"cat": 10, "dog": 10}),),
        calibration=10,
        validation=10,
    ),
    tasks=("classification",),
    task="classification",
)
BROKEN = Findings(problems=(Problem(level="error", where="model", message="The model is damaged.", hint="Export it."),))


@pytest.fixture
def house(tmp_path: Path) -> Services:
    """Everything a page gets, with nothing running."""
    return services.build(Settings(data=tmp_path / "data", public=False))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def visit() -> "Visit":
    return Visit()


class Visit:
    """Requests as pages get them, from the one local owner or from another visitor."""

    def __call__(self, *, visitor: str = "", **query: str) -> gr.Request:
        headers = [(OWNER_HEADER.encode(), visitor.encode())] if visitor else []
        asked = urlencode(query).encode()
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": asked, "headers": headers}
        return gr.Request(Request(scope | {"state": {}}))


class Shelf:
    """Puts uploads into the store that have been checked already."""

    def __init__(self, house: Services, folder: Path) -> None:
        self._house, self._folder = house, folder

    async def put(self, kind: Kind, findings: Findings | None, *, name: str = "", owner: str = "local") -> Upload:
        path = self._folder / (name or ("resnet20.onnx" if kind == "model" else "digits.zip"))
        path.write_bytes(b"PK\x03\x04 " + path.name.encode())
        upload = await self._house.uploads.add([path], owner, kind)
        self._house.store.set_findings(upload.digest, findings)
        found = self._house.store.upload(upload.digest, owner)
        assert found is not None
        return found


@pytest.fixture
def shelf(house: Services, tmp_path: Path) -> Shelf:
    return Shelf(house, tmp_path)
