"""Hostile and broken uploads of every kind, as a person would send them: each ends in words, none in a bug."""

import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
from onnx import TensorProto, helper, numpy_helper

from jobs import check, findings
from jobs.findings import CheckRequest, Findings
from jobs.spec import Source
from tests.jobs import datasets, foreign, tiny

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning", "ignore:Corrupt EXIF:UserWarning")
Build = Callable[[Path], object]
"""Puts files into the folder of an upload."""


def ask(tmp_path: Path, kind: str, build: Build) -> Findings:
    """What the check says; told twice by the file and by the function."""
    folder = tmp_path / "upload" / "files"
    folder.mkdir(parents=True)
    build(folder)
    directory = tmp_path / "check"
    directory.mkdir()
    source = Source(name="upload", digest="aa", path=str(folder))
    request = CheckRequest.model_validate({"kind": kind, "source": source})
    (directory / findings.REQUEST_NAME).write_text(request.model_dump_json())
    return check.check(directory)


def in_words(found: Findings, tmp_path: Path) -> None:
    """Refused, with what is wrong, what to do, and nothing of ours in it."""
    errors = [problem for problem in found.problems if problem.level == "error"]
    assert errors
    for problem in errors:
        assert problem.kind not in ("bug", ""), problem.message
        assert problem.hint and 10 < len(problem.message) < 600
        assert str(tmp_path) not in problem.message and "Traceback" not in problem.message
        assert problem.message.isprintable() or "\n" in problem.message


# --- models


def onnx_graph(*nodes: onnx.NodeProto, outputs: tuple[str, ...] = ("y",), weights: np.ndarray | None = None) -> bytes:
    shape = [1, 3, 8, 8]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(weights, "w")] if weights is not None else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def lying_tensor(sides: list[int]) -> bytes:
    """It says that it is larger than it is."""
    model = onnx.load_from_string(
        onnx_graph(helper.make_node("Add", ["x", "w"], ["y"]), weights=np.ones(3, np.float32))
    )
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(sides)
    return model.SerializeToString()


def cycle() -> bytes:
    return onnx_graph(
        helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"]), outputs=("b",)
    )


def xml(text: str) -> Build:
    return lambda folder: (folder / "model.xml").write_text(text)


def file(name: str, data: bytes) -> Build:
    return lambda folder: (folder / name).write_bytes(data)


def changed_ir(old: bytes, new: bytes) -> Build:
    def build(folder: Path) -> None:
        tiny.save(tiny.classifier(), folder)
        graph = folder / "colours.xml"
        assert old in graph.read_bytes()
        graph.write_bytes(graph.read_bytes().replace(old, new, 1))

    return build


def link_to_secret(folder: Path) -> None:
    tiny.save(tiny.classifier(), folder)
    (folder / "colours.bin").unlink()
    (folder / "colours.bin").symlink_to("/etc/passwd")


ENTITIES = '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">{more}]>'
EMPTY_NET = '<net name="{name}" version="11"><layers/><edges/></net>'
MODELS: dict[str, Build] = {
    "nothing": lambda folder: None,
    "empty": file("a.onnx", b""),
    "random bytes": file("a.onnx", np.random.default_rng(0).bytes(4000)),
    "zeros": file("a.tflite", bytes(4000)),
    "git lfs pointer": file("a.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
    "error page": file("a.onnx", b"<!DOCTYPE html><html><body>404</body></html>"),
    "picture": file("a.onnx", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
    "cut off": file("a.onnx", onnx_graph(helper.make_node("Relu", ["x"], ["y"]))[:-20]),
    "cycle": file("a.onnx", cycle()),
    "no outputs": file("a.onnx", onnx_graph(helper.make_node("Relu", ["x"], ["y"]), outputs=())),
    "nothing comes out": file("a.onnx", onnx_graph(helper.make_node("Relu", ["x"], ["z"]))),
    "nothing goes in": file("a.onnx", onnx_graph(helper.make_node("Relu", ["no_such"], ["y"]))),
    "unknown operation": file("a.onnx", onnx_graph(helper.make_node("NoSuchOp", ["x"], ["y"]))),
    "operation of another domain": file("a.onnx", onnx_graph(helper.make_node("Add", ["x"], ["y"], domain="evil"))),
    "tensor of 16 TB": file("a.onnx", lying_tensor([1 << 42])),
    "negative side": file("a.onnx", lying_tensor([-3])),
    "overflowing sides": file("a.onnx", lying_tensor([1 << 33, 1 << 33])),
    "broken tflite": file("a.tflite", foreign.tflite()[:200]),
    "tflite that points outside": file("a.tflite", b"\xff\xff\xff\x7fTFL3" + bytes(500)),
    "broken graph": file("a.pb", foreign.frozen_graph()[:100]),
    "broken saved model": file("saved_model.pb", foreign.saved_model()[:-150] + bytes(150)),
    "entities": xml(ENTITIES.format(more="") + EMPTY_NET.format(name="&b;&b;&b;")),
    "entity of a file": xml(ENTITIES.format(more='<!ENTITY f SYSTEM "/etc/passwd">') + EMPTY_NET.format(name="&f;")),
    "xml of something else": xml("<?xml version='1.0'?><annotation><object/></annotation>"),
    "deep xml": xml("<net>" + "<a>" * 20_000 + "</a>" * 20_000 + "</net>"),
    "weights missing": lambda folder: (tiny.save(tiny.classifier(), folder) / "colours.bin").unlink(),
    "weights cut off": lambda folder: os.truncate(tiny.save(tiny.classifier(), folder) / "colours.bin", 100),
    "weights of another": lambda folder: (tiny.save(tiny.classifier(), folder) / "colours.bin").write_bytes(
        bytes(9000)
    ),
    "weights beyond the file": changed_ir(b'offset="0"', b'offset="9999999999"'),
    "weights a link": link_to_secret,
    "shape that lies": changed_ir(b"<dim>3</dim>", b"<dim>-7</dim>"),
    "edges to nowhere": changed_ir(b'from-layer="0"', b'from-layer="77"'),
    "unknown layer": changed_ir(b'type="ReLU"', b'type="Rocket"'),
    "name that is no text": file(
        "a.onnx", onnx_graph(helper.make_node("Relu", ["x"], ["yyy"]), outputs=("yyy",)).replace(b"yyy", b"y\xff\xfe")
    ),
    "pickle": file("a.onnx", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94."),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS.keys())
def test_model(tmp_path: Path, build: Build) -> None:
    found = ask(tmp_path, "model", build)
    in_words(found, tmp_path)
    assert "root:" not in found.model_dump_json(), "nobody else's file is in it"


def test_model_for_another_task_is_told_so(tmp_path: Path) -> None:
    number = onnx_graph(helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0))
    found = ask(tmp_path, "model", file("a.onnx", number))
    in_words(found, tmp_path)
    assert [problem.kind for problem in found.problems if problem.level == "error"] == ["wrong_task"]


@pytest.mark.parametrize("seed", range(3))
def test_model_damaged_anywhere(tmp_path: Path, seed: int) -> None:
    """Read, or refused; nothing else."""
    rng = np.random.default_rng(seed)
    whole = foreign.save_onnx(tmp_path / "whole.onnx").read_bytes()
    for number in range(25):
        mutant = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            mutant[place] = rng.integers(0, 256)
        found = ask(tmp_path / str(number), "model", file("a.onnx", bytes(mutant)))
        if found.model is None:
            in_words(found, tmp_path)


# --- datasets


def packed(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> Build:
    def build(folder: Path) -> None:
        with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries:
                archive.writestr(name, data)

    return build


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("cat/1.png")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


def bomb_png(side: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


def only(data: bytes, ending: str = "png") -> Build:
    """Two classes, and every image is this."""

    def build(folder: Path) -> None:
        for name in ("cat/1", "dog/1"):
            path = folder / f"{name}.{ending}"
            path.parent.mkdir()
            path.write_bytes(data)

    return build


def annotated(text: str, name: str = "annotations/instances_train.json") -> Build:
    def build(folder: Path) -> None:
        datasets.image(folder / "images" / "train" / "a.png")
        datasets.text(folder / name, text)

    return build


DATASETS: dict[str, Build] = {
    "nothing": lambda folder: None,
    "no zip": file("a.zip", b"Rar!\x1a\x07\x00"),
    "cut off": lambda folder: (packed(("cat/1.png", b"x" * 500))(folder), os.truncate(folder / "a.zip", 60)),
    "empty zip": packed(),
    "path outside": packed(("../../evil.png", b"x")),
    "absolute path": packed(("/tmp/evil.png", b"x")),
    "link": packed((link(), b"/etc/passwd")),
    "same name twice": packed(("cat/A.png", b"x"), ("cat/a.png", b"y")),
    "bomb": packed(("cat/1.png", bytes(50 << 20))),
    "no images": packed(("readme.txt", b"hello"), ("notes/a.md", b"x")),
    "one class": lambda folder: datasets.folders(folder, {"train/cat": 3, "val/cat": 2}),
    "one image": lambda folder: datasets.folders(folder, {"": 1}),
    "the same image only": only(bytes((0x50, 0x35, 10)) + b"2 2\n255\n" + bytes(4), "pgm"),
    "decompression bombs": only(bomb_png(9000)),
    "giant promises": only(bomb_png(2**31 - 1)),
    "text as images": only(b"I am a picture.", "jpg"),
    "PostScript as images": only(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "png"),
    "empty images": only(b""),
    "coco that is no json": annotated('{"images": [], "annotations": [], "categories": [}'),
    "coco nested deeply": annotated('{"images": [], "annotations": [], "categories": ' + "[" * 200_000),
    "coco of one category": annotated(
        '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1}],'
        ' "categories": [{"id": 1, "name": "cat"}]}'
    ),
    "coco without its images": annotated(
        '{"images": [{"id": 1, "file_name": "gone.png"}], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}'
    ),
    "datumaro that is none": annotated('{"categories": {"label": 3}, "items": [{}, 4]}', "annotations/train.json"),
}  # fmt: skip


@pytest.mark.parametrize("build", DATASETS.values(), ids=DATASETS.keys())
def test_dataset(tmp_path: Path, build: Build) -> None:
    found = ask(tmp_path, "dataset", build)
    in_words(found, tmp_path)
    assert not (tmp_path / "evil.png").exists() and "root:" not in found.model_dump_json()


def test_good_ones_among_them_are_taken(tmp_path: Path) -> None:
    """So that the tests above do not pass because everything is refused."""
    assert not ask(tmp_path / "m", "model", lambda folder: tiny.save(tiny.classifier(), folder)).blocked
    found = ask(tmp_path / "d", "dataset", lambda folder: datasets.folders(folder, {"cat": 3, "dog": 3}))
    assert not found.blocked and found.dataset is not None and found.dataset.images == 6


def test_openvino_expands_no_entities(tmp_path: Path) -> None:
    """If it ever did, models could read files of the worker."""
    path = tmp_path / "model.xml"
    path.write_text(ENTITIES.format(more='<!ENTITY f SYSTEM "/etc/hostname">') + EMPTY_NET.format(name="n&f;"))
    assert (
        "hostname" not in ov.Core().read_model(path).friendly_name and len(ov.Core().read_model(path).friendly_name) < 9
    )
