"""Models of every format in, by their content; everything else refused with words that help."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
from onnx import TensorProto, helper, numpy_helper
from openvino import opset13 as ops

from jobs import formats
from jobs.errors import (
    AlreadyQuantized,
    BadArchive,
    BrokenModel,
    CodeInFile,
    JobError,
    UnknownFormat,
    UnsupportedModel,
)
from jobs.formats import Imported
from tests.jobs import foreign, tiny

PADDLE = dict(zip(("inference.pdmodel", "inference.pdiparams"), foreign.paddle(), strict=True))
RED = np.zeros((1, 3, 8, 8), np.float32)
RED[:, 0] = 200


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    """An upload of these files."""
    for name, data in files.items():
        path = folder / "upload" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "upload"


def read(folder: Path, files: Mapping[str, bytes], *, allow_code: bool = False) -> Imported:
    return formats.read(put(folder, files), scratch=folder / "scratch", allow_code=allow_code)


def refused(kind: type[JobError], folder: Path, files: Mapping[str, bytes], match: str) -> JobError:
    with pytest.raises(kind, match=match) as caught:
        read(folder, files)
    assert caught.value.hint, "every refusal says what to do"
    return caught.value


def packed(folder: Path, files: Mapping[str, bytes], name: str = "model.zip") -> dict[str, bytes]:
    with zipfile.ZipFile(folder / name, "w") as archive:
        for inner, data in files.items():
            archive.writestr(inner, data)
    return {name: (folder / name).read_bytes()}


def ir(folder: Path, model: ov.Model | None = None, name: str = "model") -> dict[str, bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(model or tiny.classifier(), folder / f"{name}.xml", compress_to_fp16=False)
    return {f"{name}{ending}": (folder / f"{name}{ending}").read_bytes() for ending in (".xml", ".bin")}


def onnx_bytes(folder: Path, model: onnx.ModelProto | None = None) -> bytes:
    return foreign.save_onnx(folder / "made" / "model.onnx", model).read_bytes()


# --- every format, read to the same answers


@pytest.mark.parametrize("name", ["model.onnx", "model.bin", "no suffix", "модель.pb"])
def test_onnx_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, {name: onnx_bytes(tmp_path)})
    assert (found.format, found.name) == ("ONNX", name)
    assert answer(found) == "red"


@pytest.mark.parametrize(
    ("files", "format_"),
    [
        ({"graph.pb": foreign.frozen_graph()}, "TensorFlow frozen graph"),
        ({"graph": foreign.frozen_graph()}, "TensorFlow frozen graph"),
        ({"m/saved_model.pb": foreign.saved_model(), "m/variables/": b""}, "TensorFlow SavedModel"),
        ({"saved_model.pb": foreign.saved_model()}, "TensorFlow SavedModel"),
        ({"renamed.onnx": foreign.saved_model()}, "TensorFlow SavedModel"),
        ({"net.tflite": foreign.tflite()}, "TensorFlow Lite"),
        ({"net.bin": foreign.tflite()}, "TensorFlow Lite"),
        (PADDLE, "PaddlePaddle"),
        ({"a.pdmodel": PADDLE["inference.pdmodel"], "b.pdiparams": PADDLE["inference.pdiparams"]}, "PaddlePaddle"),
    ],
)
def test_data_format_is_read(tmp_path: Path, files: dict[str, bytes], format_: str) -> None:
    found = read(tmp_path, {name: data for name, data in files.items() if data})
    assert found.format == format_ and found.size_bytes == sum(map(len, files.values()))
    assert answer(found) == "red"


def answer(found: Imported) -> str:
    """What it says to a red image, in whichever layout it wants it."""
    model = found.model
    image = RED if model.inputs[0].partial_shape[1] == ov.Dimension(3) else RED.transpose(0, 2, 3, 1)
    scores = ov.compile_model(model, "CPU")(image)[0]
    return ("red", "green", "blue")[int(scores.argmax()) % 3]


def test_ir_is_read(tmp_path: Path) -> None:
    files = ir(tmp_path / "made")
    found = read(tmp_path, files)
    assert (found.format, found.name, found.size_bytes) == ("OpenVINO IR", "model.xml", sum(map(len, files.values())))


def test_ir_pair_under_other_names(tmp_path: Path) -> None:
    files = ir(tmp_path / "made")
    found = read(tmp_path, {"graph (1).XML": files["model.xml"], "weights.bin": files["model.bin"]})
    assert found.format == "OpenVINO IR" and found.model.inputs[0].any_name == "image"


def test_ir_of_the_same_name_is_taken_among_weights(tmp_path: Path) -> None:
    files = ir(tmp_path / "made")
    assert read(tmp_path, {**files, "other.bin": b"junk"}).format == "OpenVINO IR"


def test_ir_without_constants_needs_no_weights(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3], np.float32)
    files = ir(tmp_path / "made", ov.Model([ops.relu(entry)], [entry]))
    assert read(tmp_path, {"model.xml": files["model.xml"]}).format == "OpenVINO IR"


def test_zip_is_opened_folders_and_all(tmp_path: Path) -> None:
    files = packed(tmp_path, {"export/v1/модель 1.onnx": onnx_bytes(tmp_path), "export/README.md": b"# Hello"})
    found = read(tmp_path, files)
    assert (found.format, found.name) == ("ONNX", "модель 1.onnx")


def test_saved_model_zip_with_variables_folder(tmp_path: Path) -> None:
    files = packed(tmp_path, {"kws/saved_model.pb": foreign.saved_model(), "kws/keras_metadata.pb": b"\x0a\x00"})
    assert read(tmp_path, files).format == "TensorFlow SavedModel"


def test_saved_model_in_loose_files_is_put_together(tmp_path: Path) -> None:
    """As a browser sends the files of a folder. The upload itself stays as it is."""
    folder = put(tmp_path, {"saved_model.pb": foreign.saved_model(), "variables.note": b"x"})
    assert formats.read(folder, scratch=tmp_path / "scratch").format == "TensorFlow SavedModel"
    assert sorted(path.name for path in folder.iterdir()) == ["saved_model.pb", "variables.note"]


@pytest.mark.parametrize("name", ["model.onnx", "model"])
def test_onnx_with_weights_beside_it(tmp_path: Path, name: str) -> None:
    made = foreign.save_onnx(tmp_path / "made" / name, external="weights.data").parent
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    assert set(files) == {name, "weights.data"}
    found = read(tmp_path, packed(tmp_path, {f"in/{inner}": data for inner, data in files.items()}))
    assert found.size_bytes == sum(map(len, files.values())) and answer(found) == "red"


def test_onnx_without_producer_and_with_model_version(tmp_path: Path) -> None:
    model = foreign.onnx_model()
    model.producer_name, model.model_version = "", 7
    assert read(tmp_path, {"a.onnx": onnx_bytes(tmp_path, model)}).format == "ONNX"


# --- what can run code


@pytest.fixture(scope="module")
def torch_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of file that PyTorch writes."""
    import torch

    class Colours(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean((2, 3)) @ torch.eye(3)

    folder = tmp_path_factory.mktemp("torch")
    state = {"weight": torch.zeros(100)}
    torch.save(state, folder / "weights.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.jit.trace(Colours(), torch.zeros(1, 3, 8, 8)).save(folder / "script.pt")
    torch.export.save(torch.export.export(Colours(), (torch.zeros(1, 3, 8, 8),)), folder / "program.pt2")
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
class TestCode:
    """Formats that can run code when they are loaded."""

    @pytest.mark.parametrize("name", ["model.pt2", "model.onnx", "model.zip"])
    def test_exported_program_is_refused_by_default(self, tmp_path: Path, torch_files: Path, name: str) -> None:
        data = (torch_files / "program.pt2").read_bytes()
        error = refused(CodeInFile, tmp_path, {name: data}, "exported program, which can run code")
        assert "torch.onnx.export" in error.hint

    @pytest.mark.parametrize("files", [{}, {"README.md": b"# Hello"}])
    def test_exported_program_in_a_zip_is_found(
        self, tmp_path: Path, torch_files: Path, files: dict[str, bytes]
    ) -> None:
        data = (torch_files / "program.pt2").read_bytes()
        refused(CodeInFile, tmp_path, packed(tmp_path, {"model.pt2": data, **files}), "exported program")

    def test_exported_program_keeps_its_shape(self, tmp_path: Path, torch_files: Path) -> None:
        data = (torch_files / "program.pt2").read_bytes()
        found = read(tmp_path, {"program.pt2": data}, allow_code=True)
        assert found.format == "PyTorch exported program" and answer(found) == "red"
        assert list(found.model.inputs[0].shape) == [1, 3, 8, 8]

    def test_damaged_exported_program_is_a_message(self, tmp_path: Path, torch_files: Path) -> None:
        with zipfile.ZipFile(torch_files / "program.pt2") as whole:
            names = whole.namelist()
        files = packed(tmp_path, dict.fromkeys(names, b"{}"), "program.pt2")
        with pytest.raises(BrokenModel, match="cannot be loaded"):
            read(tmp_path, files, allow_code=True)

    def test_exported_program_may_not_be_a_bomb(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "m.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("m/models/model.json", b"{}")
            archive.writestr("m/archive_format", b"pt2")
            archive.writestr("m/data/weights/weight_0", bytes(30 << 20))
        with pytest.raises(BadArchive, match="zip bomb"):
            read(tmp_path, {"m.pt2": (tmp_path / "m.pt2").read_bytes()}, allow_code=True)

    @pytest.mark.parametrize("file", ["weights.pth", "old.pth", "script.pt"])
    @pytest.mark.parametrize("name", ["model.pt", "model.onnx"])
    def test_pickle_is_refused_always(self, tmp_path: Path, torch_files: Path, file: str, name: str) -> None:
        with pytest.raises(CodeInFile, match="pickle or TorchScript") as caught:
            read(tmp_path, {name: (torch_files / file).read_bytes()}, allow_code=True)
        assert "torch.onnx.export" in caught.value.hint

    def test_hostile_pickle_never_runs(self, tmp_path: Path) -> None:
        marker = tmp_path / "marker"
        pickle = b"\x80\x02cposix\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
        refused(CodeInFile, tmp_path, {"model.onnx": pickle}, "runs whatever code")
        refused(CodeInFile, tmp_path, {"model.onnx": packed(tmp_path, {"a/data.pkl": pickle})["model.zip"]}, "PyTorch")
        assert not marker.exists()

    def test_compiled_package_is_refused_always(self, tmp_path: Path) -> None:
        package = packed(tmp_path, {"m/archive_format": b"pt2", "m/data/aotinductor/model/a.so": b"\x7fELF"}, "m.pt2")
        with pytest.raises(CodeInFile, match="machine code"):
            read(tmp_path, package, allow_code=True)


# --- what is no model, or not all of it


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({}, "no file"),
        ({"a.onnx": b""}, "“a.onnx” is empty"),
        ({"a.onnx": b"version https://git-lfs.github.com/spec/v1\noid sha256:0"}, "Git LFS pointer"),
        ({"a.onnx": b"\n<!DOCTYPE html><html>404"}, "is a web page"),
        ({"a.onnx": b"\x89PNG\r\n\x1a\n" + bytes(200)}, "not a model in a format"),
        ({"a.onnx": b"hello"}, "not a model in a format"),
        ({"a.xml": b"<?xml version='1.0'?><annotation/>"}, "not a model in a format"),
        ({"a.onnx": b"\x08\x05\x12\x03abc\xa2\x1f\x01a"}, "not a model in a format"),  # a Core ML model begins so
        ({"a.h5": b"\x89HDF\r\n\x1a\n" + bytes(100)}, "Keras file"),
        ({"a.safetensors": (50).to_bytes(8, "little") + b'{"w":{}}' + bytes(50)}, "safetensors"),
        ({"inference.json": b'{"base_code": {"magic": "pir", "version": 1}}'}, "PIR"),
        ({"a.txt": b"a", "b.png": b"b", "c.csv": b"c"}, "None of the 3 files is a model.*a.txt, b.png, c.csv"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, files: dict[str, bytes], match: str) -> None:
    (tmp_path / "upload").mkdir()
    refused(UnknownFormat, tmp_path, files, match)


def test_keras_zip_is_named(tmp_path: Path) -> None:
    files = packed(tmp_path, {"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b""}, "a.keras")
    assert "model.export" in refused(UnknownFormat, tmp_path, files, "Keras file").hint


def test_zip_in_a_zip_is_not_unpacked(tmp_path: Path) -> None:
    inner = packed(tmp_path, {"model.onnx": onnx_bytes(tmp_path), "labels.json": b"{}"}, "inner.zip")
    refused(UnknownFormat, tmp_path, packed(tmp_path, inner), "zip inside the zip")


def test_damaged_zip_is_refused(tmp_path: Path) -> None:
    files = packed(tmp_path, {"model.onnx": onnx_bytes(tmp_path)})
    refused(BadArchive, tmp_path, {"model.zip": files["model.zip"][:-40]}, "its end is missing")


def test_two_models_are_one_too_many(tmp_path: Path) -> None:
    data = onnx_bytes(tmp_path)
    refused(UnknownFormat, tmp_path, {"a.onnx": data, "b.onnx": data}, r"2 ONNX models \(a.onnx, b.onnx\)")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
def test_link_or_pipe_in_place_of_weights_is_refused(tmp_path: Path, make: object) -> None:
    folder = put(tmp_path, {"model.xml": ir(tmp_path / "made")["model.xml"]})
    make(folder / "model.bin")  # type: ignore[operator]
    with pytest.raises(UnknownFormat, match="link or a device"):
        formats.read(folder, scratch=tmp_path / "scratch")


def test_hidden_files_do_not_count(tmp_path: Path) -> None:
    data = onnx_bytes(tmp_path)
    assert read(tmp_path, {"a.onnx": data, ".git/b.onnx": data, "__MACOSX/._a.onnx": b"x"}).name == "a.onnx"


def test_xml_without_bin(tmp_path: Path) -> None:
    files = ir(tmp_path / "made")
    error = refused(BrokenModel, tmp_path, {"net.xml": files["model.xml"]}, "without its weights")
    assert "net.xml and net.bin together" in error.hint


@pytest.mark.parametrize("other", [{}, {"model.xml": b"<html></html>"}])
def test_bin_without_xml(tmp_path: Path, other: dict[str, bytes]) -> None:
    files = {"model.bin": ir(tmp_path / "made")["model.bin"], **other}
    refused(BrokenModel, tmp_path, files, r"holds weights; the \.xml")


def test_bin_of_another_model_is_refused(tmp_path: Path) -> None:
    """Shorter or longer: whoever writes IR ends the file where the last constant ends."""
    files = ir(tmp_path / "made")
    for number, weights in enumerate((files["model.bin"][:-4], files["model.bin"] + bytes(4), b"")):
        wrong = {"model.xml": files["model.xml"], "model.bin": weights}
        error = refused(BrokenModel, tmp_path / str(number), wrong, "is not the weights file of “model.xml”")
        assert "exported together" in error.hint


def test_bin_of_another_model_of_the_same_size_is_refused_when_it_holds_no_numbers(tmp_path: Path) -> None:
    files = ir(tmp_path / "made")
    weights = np.frombuffer(files["model.bin"], np.float32).copy()
    weights[5] = np.nan
    refused(BrokenModel, tmp_path, {**files, "model.bin": weights.tobytes()}, "weights of “mix” are not numbers")


def test_several_bins_and_none_of_the_name(tmp_path: Path) -> None:
    files = ir(tmp_path / "made")
    wrong = {"model.xml": files["model.xml"], "a.bin": files["model.bin"], "b.bin": files["model.bin"]}
    refused(BrokenModel, tmp_path, wrong, "came with 2 .bin files")


def test_cut_off_files_say_so(tmp_path: Path) -> None:
    data, files = onnx_bytes(tmp_path), ir(tmp_path / "made")
    for number, kept in enumerate((40, len(data) // 2, len(data) - 3)):
        refused(BrokenModel, tmp_path / str(number), {"a.onnx": data[:kept]}, "incomplete: its end is missing")
    refused(
        BrokenModel, tmp_path / "ir", {**files, "model.xml": files["model.xml"][:900]}, "incomplete: its end is missing"
    )


@pytest.mark.parametrize("data", [foreign.frozen_graph(), foreign.tflite(), PADDLE["inference.pdmodel"]])
def test_damage_is_a_sentence_without_paths(tmp_path: Path, data: bytes) -> None:
    files = {"model.any": data[: len(data) * 2 // 3], "model.pdiparams": PADDLE["inference.pdiparams"]}
    error = refused(BrokenModel, tmp_path, files, "“model.any” cannot be read: ")
    assert str(tmp_path) not in error.message and len(error.message) < 300


def test_paddle_without_its_parameters(tmp_path: Path) -> None:
    refused(BrokenModel, tmp_path, {"a.pdmodel": PADDLE["inference.pdmodel"]}, "without its weights")
    refused(BrokenModel, tmp_path / "b", {"a.pdiparams": PADDLE["inference.pdiparams"]}, "holds weights")


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "missing.bin"])
def test_onnx_weights_elsewhere_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(36))
    model = foreign.onnx_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", "36")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    refused(BrokenModel, tmp_path, {"a.onnx": model.SerializeToString()}, "cannot be read")


def test_unknown_operation_is_named(tmp_path: Path) -> None:
    model = foreign.onnx_model()
    model.graph.node[0].op_type = "NoSuchPool"
    refused(UnsupportedModel, tmp_path, {"a.onnx": onnx_bytes(tmp_path, model)}, "does not know: NoSuchPool")


def test_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    data = onnx_bytes(tmp_path).replace(b"pooled", b"po\xff\xfeed")
    refused(BrokenModel, tmp_path, {"a.onnx": data}, "no text")


def test_model_without_layers_or_input_is_refused(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3], np.float32)
    refused(BrokenModel, tmp_path / "a", ir(tmp_path / "made", ov.Model([entry], [entry])), "no layers")
    constant = ops.relu(ops.constant(np.ones((1, 3), np.float32)))
    refused(UnsupportedModel, tmp_path / "b", ir(tmp_path / "made", ov.Model([constant], [])), "takes no input")


def test_upload_is_left_as_it_came(tmp_path: Path) -> None:
    for number, files in enumerate(({"net.bin": foreign.tflite()}, {"renamed.pb": foreign.saved_model()}, PADDLE)):
        folder = put(tmp_path / str(number), files)
        formats.read(folder, scratch=tmp_path / str(number) / "scratch")
        assert {path.name: path.read_bytes() for path in folder.rglob("*")} == files


# --- quantized already


def fake_quantized() -> ov.Model:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    ends = [ops.constant(np.float32(value)) for value in (0, 255, 0, 255)]
    return ov.Model([ops.relu(ops.fake_quantize(entry, *ends, 256))], [entry])


def weight_only(kind: ov.Type) -> ov.Model:
    entry = ops.parameter([1, 16], np.float32)
    weights = ops.convert(ops.constant(np.ones((16, 16), np.int8), kind), np.float32)
    return ov.Model([ops.matmul(entry, ops.multiply(weights, ops.constant(np.float32(0.1))), False, False)], [entry])


def qdq() -> onnx.ModelProto:
    """As quantization tools for ONNX write it."""
    model = foreign.onnx_model()
    for name, array in (("scale", np.float32(0.1)), ("zero", np.uint8(0))):
        model.graph.initializer.append(numpy_helper.from_array(np.array(array), name))
    model.graph.node[0].input[0] = "dequantized"
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["quantized", "scale", "zero"], ["dequantized"]))
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["quantized"]))
    return model


def test_quantized_models_are_refused(tmp_path: Path) -> None:
    made = tmp_path / "made"
    for number, files in enumerate(
        (
            ir(made, fake_quantized()),
            ir(made, weight_only(ov.Type.i8)),
            ir(made, weight_only(ov.Type.u4)),
            {"a.onnx": onnx_bytes(tmp_path, qdq())},
            {"a.tflite": foreign.tflite(int8=True)},
        )
    ):
        error = refused(AlreadyQuantized, tmp_path / str(number), files, "already quantized: it holds")
        assert "float model" in error.hint


def test_half_precision_is_not_quantized(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    ov.save_model(tiny.classifier(), tmp_path / "made" / "m.xml", compress_to_fp16=True)
    found = formats.describe(read(tmp_path, {p.name: p.read_bytes() for p in (tmp_path / "made").iterdir()}))
    assert found.precision == "FP16" and found.parameters == 81 + 9
    half = foreign.onnx_model(weights=np.eye(3, dtype=np.float16))
    half.graph.node.insert(2, helper.make_node("Cast", ["weights"], ["full"], to=TensorProto.FLOAT))
    half.graph.node[3].input[1] = "full"
    assert formats.describe(read(tmp_path / "o", {"a.onnx": onnx_bytes(tmp_path, half)})).precision == "FP16"


def test_small_table_of_bytes_is_no_quantized_weight(tmp_path: Path) -> None:
    entry = ops.parameter([1, 8], np.float32)
    table = ops.convert(ops.constant(np.ones(8, np.uint8)), np.float32)
    assert read(tmp_path, ir(tmp_path / "made", ov.Model([ops.multiply(entry, table)], [entry])))


def test_mask_of_bytes_is_no_quantized_weight(tmp_path: Path) -> None:
    entry = ops.parameter([1, 16, 16], np.float32)
    mask = ops.convert(ops.constant(np.tri(16, dtype=np.uint8)[None]), np.float32)
    assert read(tmp_path, ir(tmp_path / "made", ov.Model([ops.softmax(ops.multiply(entry, mask), 2)], [entry])))


# --- described


def described(folder: Path, model: ov.Model) -> formats.ModelFindings:
    return formats.describe(read(folder, ir(folder / "made", model)))


def test_description(tmp_path: Path) -> None:
    found = described(tmp_path, tiny.classifier())
    assert [(port.name, port.shape, port.type) for port in found.inputs] == [("image", (1, 3, 16, 16), "f32")]
    assert [(port.name, port.shape) for port in found.outputs] == [("scores", (1, 3))]
    assert found.labels == tuple(tiny.COLOURS) and found.precision == "FP32" and found.parameters == 90
    # 16 × 16 places, 3 outputs of 27 multiply-adds, and a 3 × 3 product
    assert found.gflops == pytest.approx(2 * (16 * 16 * 3 * 27 + 9) / 1e9)
    assert {node.type for node in found.nodes} >= {"Convolution", "MatMul", "Relu"}
    assert not {"Parameter", "Constant", "Result"} & {node.type for node in found.nodes}


def test_operations_of_every_heavy_kind_are_counted(tmp_path: Path) -> None:
    entry = ops.parameter([1, 4, 8, 8], np.float32)
    depthwise = ops.group_convolution(
        entry, np.ones((4, 1, 1, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1]
    )  # 8·8·4·9
    up = ops.convolution_backprop_data(
        depthwise, ops.constant(np.ones((4, 2, 2, 2), np.float32)), [2, 2]
    )  # 8·8·4·2·4, a filter for each pixel of the input
    found = described(tmp_path, ov.Model([up], [entry]))
    assert found.gflops == pytest.approx(2 * (8 * 8 * 4 * 9 + 8 * 8 * 4 * 2 * 4) / 1e9)


def test_dynamic_model_is_counted_for_one_image(tmp_path: Path) -> None:
    found = described(tmp_path, dynamic())
    assert found.inputs[0].shape == (-1, 3, -1, -1) and found.gflops == pytest.approx(2 * 224 * 224 * 3 * 27 / 1e9)


def dynamic() -> ov.Model:
    entry = ops.parameter([-1, 3, -1, -1], np.float32)
    mixed = ops.convolution(entry, np.ones((3, 3, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    return ov.Model([ops.reduce_mean(mixed, ops.constant([2, 3]), keep_dims=False)], [entry])


def test_declared_layout_is_told(tmp_path: Path) -> None:
    model = tiny.classifier()
    model.get_parameters()[0].layout = ov.Layout("NCHW")
    assert described(tmp_path, model).inputs[0].layout == "NCHW"


def test_input_without_a_name_is_called_after_its_operation() -> None:
    entry = ops.parameter([1, 4], np.float32, name="entry")
    found = formats.describe(Imported(ov.Model([ops.relu(entry)], [entry]), "ONNX", "a.onnx", 1))
    assert found.inputs[0].name == "entry"


def test_model_info_of_any_shape_is_read(tmp_path: Path) -> None:
    """Numbers, lists and trees become text; what is no tree at all is nothing."""
    model = tiny.classifier()
    model.set_rt_info([123.5, 116.25], ["model_info", "mean_values"])
    model.set_rt_info(True, ["model_info", "reverse_input_channels"])
    model.set_rt_info("1", ["model_info", "deep", "inner"])
    info = described(tmp_path, model).model_info
    assert info["mean_values"] == "123.5 116.25" and info["deep"] == "inner=1"
    assert info["reverse_input_channels"] == "YES"
    odd = tiny.classifier()
    odd.set_rt_info("just text", ["model_info"])
    assert described(tmp_path / "b", odd).model_info == {}


@pytest.mark.parametrize(
    ("info", "labels"),
    [
        ({"labels": "cat dog"}, ("cat", "dog")),
        ({"labels": "cat,red dog"}, ("cat", "red dog")),
        ({"labels": "cat\nred dog\n"}, ("cat", "red dog")),
        ({"labels": "cat red^dog"}, ("cat", "red dog")),
        ({"labels": "cat", "label_info": json.dumps({"label_names": ["кот", "red dog"]})}, ("кот", "red dog")),
        ({"labels": "cat", "label_info": "no json"}, ("cat",)),
        ({"label_info": "[" * 100_000}, ()),
        ({}, ()),
    ],
)
def test_labels_of_a_model(info: dict[str, str], labels: tuple[str, ...]) -> None:
    assert formats.labels(info) == labels


def test_recipe_is_read_key_by_key(tmp_path: Path) -> None:
    model = tiny.classifier()
    model.set_rt_info('{"preset": "mixed", "ignored_scope": {"names": ["a"]}}', ["model_info", "optimization_config"])
    found = described(tmp_path, model)
    assert found.recipe == {"preset": '"mixed"', "ignored_scope": '{"names": ["a"]}'}
    for text in ("no json", "[1]", "null"):
        model.set_rt_info(text, ["model_info", "optimization_config"])
        assert formats.recipe(model) == {}


@pytest.mark.parametrize(
    ("kinds", "precision"),
    [((np.float32,) * 4, "FP32"), ((np.float32, np.float32, np.float16), "mostly FP32"), ((), "none")],
)
def test_precision_is_that_of_most_weights(kinds: tuple[type, ...], precision: str) -> None:
    entry = ops.parameter([1, 4], np.float32)
    chain: ov.Node = ops.relu(entry)
    for kind in kinds:
        chain = ops.multiply(chain, ops.convert(ops.constant(np.ones((1, 4), kind)), np.float32))
    assert formats.precision(ov.Model([chain], [entry])) == precision


# --- out


def test_saved_model_is_whole(tmp_path: Path) -> None:
    formats.save(tiny.classifier(), tmp_path / "model.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    again = formats.read(tmp_path, scratch=tmp_path / "scratch").model
    assert formats.precision(again) == "FP32" and formats.model_info(again)["model_type"] == "Classification"


def test_saved_model_can_be_half_as_large(tmp_path: Path) -> None:
    formats.save(tiny.classifier(), tmp_path / "model.xml", half=True)
    assert formats.precision(ov.Core().read_model(tmp_path / "model.xml")) == "FP16"


# --- errors of engines, told


def test_memory_errors_are_not_taken_for_broken_files() -> None:
    for error in (MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("Failed to allocate 10 bytes")):
        assert formats.is_out_of_memory(error)
    assert not formats.is_out_of_memory(ValueError("bad shape"))


def test_sentence_keeps_what_tells() -> None:
    error = RuntimeError(
        "Exception from src/inference/src/cpp/core.cpp:128:\n"
        "Check 'false' failed at src/frontends/onnx/frontend.cpp:352:\n"
        "/home/jenkins/agent/workspace/model.cpp says \x00\x01 no\n"
    )
    assert formats.sentence(error) == "model.cpp says no"
    assert formats.sentence(ValueError()) == "ValueError"
    assert len(formats.sentence(ValueError("long " * 100))) == 240
