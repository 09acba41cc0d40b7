"""Models in: any supported file to `ov.Model`, recognised by its content and never by its name. And out, as IR.

OpenVINO's own `convert_model(path)` is never given an upload: it sniffs content, and a PyTorch program renamed
`model.onnx` would run its code. Data formats go through `Core.read_model`, under a name that fits what was recognised.
"""

import contextlib
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from jobs import archive
from jobs.errors import AlreadyQuantized, BrokenModel, CodeInFile, UnknownFormat, UnsupportedModel
from jobs.findings import ModelFindings, Node, Port

_EXPORT = """\
import torch
model = ...  # your model, as you load it in Python
torch.onnx.export(model.eval(), (torch.zeros(1, 3, 224, 224),), "model.onnx", dynamo=True, external_data=False)"""
_KERAS_EXPORT = 'Load it with Keras and run model.export("saved_model"), then zip that folder and upload it.'
_QUANTIZING = ("FakeQuantize", "FakeConvert")
_LOW_BITS = ("i8", "u8", "i4", "u4")
_GENERIC = ("Parameter", "Result", "Constant")


@dataclass(frozen=True)
class Imported:
    """A model as it was read."""

    model: ov.Model
    format: str
    name: str
    size_bytes: int
    """Of the uploaded files that make up the model."""


def read(folder: Path, *, scratch: Path, allow_code: bool = False) -> Imported:
    """Read the model in `folder`: its files as they came, or one zip of them.

    `scratch` is a folder to write to. Raises UnknownFormat, BrokenModel, UnsupportedModel, CodeInFile, BadArchive and
    AlreadyQuantized.
    """
    imported = _read(_files(folder), scratch, allow_code)
    _refuse_empty(imported.model)
    _refuse_quantized(imported.model)
    return imported


def _files(folder: Path) -> list[Path]:
    """Plain files below `folder`: a link or a pipe in place of a file is how others' files are read."""
    found = sorted(path for path in folder.rglob("*") if not path.name.startswith("."))
    for path in found:
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UnknownFormat("A link or a device is no model file.", where=path.name)
    return [path for path in found if path.is_file()]


def _read(files: list[Path], scratch: Path, allow_code: bool) -> Imported:
    if len(files) == 1 and archive.is_zip(files[0]):
        return _read_zip(files[0], scratch, allow_code)
    for format_ in _FORMATS:
        found = [path for path in files if format_.matches(path)]
        if len(found) > 1 and not format_.many:
            names = ", ".join(path.name for path in found[:5])
            raise UnknownFormat(
                f"There are {len(found)} {format_.title} models ({names}).", hint="Upload one at a time."
            )
        if found:
            return format_.read(found[0], files, scratch)
    if not files:
        raise UnknownFormat("There is no file in the upload.")
    raise _unknown(files[0])


def _unknown(path: Path) -> UnknownFormat:
    if path.stat().st_size == 0:
        return UnknownFormat(f"“{path.name}” is empty.", hint="Upload it again.", where=path.name)
    if _head(path).startswith(b"version https://git-lfs"):
        return UnknownFormat(
            f"“{path.name}” is a Git LFS pointer, not the file itself.", hint="Run git lfs pull first.", where=path.name
        )
    return UnknownFormat(f"“{path.name}” is not a model in a format that can be read here.", where=path.name)


def _read_zip(path: Path, scratch: Path, allow_code: bool) -> Imported:
    """PyTorch and Keras files are zips too; told apart by what they always hold, and not unpacked."""
    names = _zip_names(path)
    if any(name.endswith(("models/model.json", "serialized_exported_program.json")) for name in names):
        return _read_exported(path, allow_code)
    if any(name.endswith("data.pkl") for name in names):
        raise _refuse_torch(path)
    if "model.weights.h5" in names:
        raise UnknownFormat("This is a Keras file, which OpenVINO does not read.", hint=_KERAS_EXPORT, where=path.name)
    into = scratch / "model"
    archive.unpack(path, into)
    inside = _files(into)
    if len(inside) == 1 and archive.is_zip(inside[0]) and not _is_torch(inside[0]):
        raise UnknownFormat("There is a zip inside the zip.", hint="Upload the inner one.", where=inside[0].name)
    return _read(inside, scratch, allow_code)


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as opened:
            return opened.namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise BrokenModel(f"The archive is damaged: {error}.", where=path.name) from error


def _is_torch(path: Path) -> bool:
    return any(name.endswith(("data.pkl", "model.json", ".json")) for name in _zip_names(path))


def _refuse_torch(path: Path) -> CodeInFile:
    return CodeInFile(
        f"“{path.name}” is a PyTorch pickle or TorchScript file. Loading it runs whatever code is in it.",
        hint=f"Export it to ONNX where you trained it, and upload that:\n{_EXPORT}",
        where=path.name,
    )


def _read_exported(path: Path, allow_code: bool) -> Imported:
    if not allow_code:
        raise CodeInFile(
            f"“{path.name}” is a PyTorch exported program, which can run code when it is loaded; this server does not"
            " allow that.",
            hint=f"Export it to ONNX instead:\n{_EXPORT}",
            where=path.name,
        )
    import torch

    try:
        program = torch.export.load(path)
        model = ov.convert_model(program)
    except Exception as error:  # torch raises anything on a damaged program
        raise BrokenModel(f"The exported program cannot be loaded: {sentence(error)}", where=path.name) from error
    return Imported(model, "PyTorch exported program", path.name, path.stat().st_size)


# --- the data formats


def _head(path: Path, count: int = 64) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _after_length(head: bytes) -> int:
    """The byte after a protobuf field's tag and length: the tag inside; -1 when there is none."""
    place = 1
    while place < len(head) and head[place] & 0x80:
        place += 1
    return head[place + 1] if place + 1 < len(head) else -1


def _is_ir(path: Path) -> bool:
    start = _head(path, 4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith((b"<?xml", b"<net", b"<!--")) and b"<net" in start


def _is_saved_model(path: Path) -> bool:
    return path.name == "saved_model.pb" and _head(path, 1) in (b"\x08", b"\x12")


def _is_onnx(path: Path) -> bool:
    """ModelProto begins with its ir_version, a number from 1 on; a graph without one is read by OpenVINO too."""
    head = _head(path)
    return (
        len(head) > 4 and head[0] == 0x08 and 0 < head[1] < 64 and head[2] in (0x12, 0x1A, 0x22, 0x2A, 0x32, 0x3A, 0x42)
    )


def _is_tflite(path: Path) -> bool:
    return _head(path, 8)[4:] == b"TFL3"


def _is_paddle(path: Path) -> bool:
    """ProgramDesc: a block, which begins with its number."""
    head = _head(path)
    return head[:1] == b"\x0a" and _after_length(head) == 0x08


def _is_frozen_graph(path: Path) -> bool:
    """GraphDef: a node, which begins with its name."""
    head = _head(path)
    return head[:1] == b"\x0a" and _after_length(head) == 0x0A


def _is_pickle(path: Path) -> bool:
    head = _head(path, 2)
    return len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def _is_torch_zip(path: Path) -> bool:
    return archive.is_zip(path) and any(name.endswith("data.pkl") for name in _zip_names(path))


def _is_hdf5(path: Path) -> bool:
    return _head(path, 4) == b"\x89HDF"


def _is_safetensors(path: Path) -> bool:
    head = _head(path, 10)
    return len(head) == 10 and head[8:10] in (b'{"', b"{ ") and int.from_bytes(head[:8], "little") < 100 << 20


def _is_new_paddle(path: Path) -> bool:
    return _head(path, 1) == b"{" and b'"pir"' in _head(path, 4096).replace(b" ", b"")


def _named(path: Path, files: list[Path], scratch: Path, suffix: str, beside: dict[str, Path] | None = None) -> Path:
    """The file under a name with the suffix its reader asks for, copied only when it has another."""
    if path.suffix.lower() == suffix and not beside:
        return path
    folder = scratch / "named"
    folder.mkdir(parents=True, exist_ok=True)
    for ending, other in (beside or {}).items():
        shutil.copyfile(other, folder / f"model{ending}")
    return Path(shutil.copyfile(path, folder / f"model{suffix}"))


def _read_ir(path: Path, files: list[Path], scratch: Path) -> Imported:
    binaries = [other for other in files if other.suffix.lower() == ".bin"]
    same = [other for other in binaries if other.stem == path.stem] or binaries
    needs = b'type="Const"' in path.read_bytes()
    if needs and not same:
        raise BrokenModel(
            f"“{path.name}” came without its weights.",
            hint=f"Upload {path.stem}.xml and {path.stem}.bin together.",
            where=path.name,
        )
    weights = same[0] if same else None
    source = (
        _named(path, files, scratch, ".xml", {".bin": weights} if weights else None) if _differ(path, weights) else path
    )
    with _reading(path, "Upload the .xml and the .bin that were exported together." if weights else ""):
        model = ov.Core().read_model(source)
    return Imported(model, "OpenVINO IR", path.name, path.stat().st_size + (weights.stat().st_size if weights else 0))


def _differ(path: Path, weights: Path | None) -> bool:
    """Whether the reader would not find the pair by itself."""
    return path.suffix.lower() != ".xml" or (weights is not None and weights != path.with_suffix(".bin"))


def _read_onnx(path: Path, files: list[Path], scratch: Path) -> Imported:
    # Weights in files of their own are named by the model, so those stay where they are.
    source = path if path.suffix.lower() == ".onnx" or len(files) > 1 else _named(path, files, scratch, ".onnx")
    with _reading(path):
        model = ov.Core().read_model(source)
    return Imported(model, "ONNX", path.name, sum(file.stat().st_size for file in files))


def _read_saved_model(path: Path, files: list[Path], scratch: Path) -> Imported:
    with _reading(path):
        model = ov.Core().read_model(path.parent)
    size = sum(file.stat().st_size for file in files if file.is_relative_to(path.parent))
    return Imported(model, "TensorFlow SavedModel", path.parent.name, size)


def _read_frozen(path: Path, files: list[Path], scratch: Path) -> Imported:
    with _reading(path):
        model = ov.Core().read_model(_named(path, files, scratch, ".pb"))
    return Imported(model, "TensorFlow frozen graph", path.name, path.stat().st_size)


def _read_tflite(path: Path, files: list[Path], scratch: Path) -> Imported:
    with _reading(path):
        model = ov.Core().read_model(_named(path, files, scratch, ".tflite"))
    return Imported(model, "TensorFlow Lite", path.name, path.stat().st_size)


def _read_paddle(path: Path, files: list[Path], scratch: Path) -> Imported:
    weights = [other for other in files if other.suffix.lower() == ".pdiparams"]
    if not weights:
        raise BrokenModel(
            f"“{path.name}” came without its weights.",
            hint="Upload the .pdmodel and the .pdiparams together.",
            where=path.name,
        )
    with _reading(path):
        model = ov.Core().read_model(_named(path, files, scratch, ".pdmodel", {".pdiparams": weights[0]}))
    return Imported(model, "PaddlePaddle", path.name, path.stat().st_size + weights[0].stat().st_size)


@contextlib.contextmanager
def _reading(path: Path, hint: str = "") -> Iterator[None]:
    """OpenVINO's long errors in one sentence."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, UnicodeDecodeError) as error:
        if is_out_of_memory(error):
            raise
        text = str(error)
        missing = re.search(r"No conversion rule found for operations?:? *([^\n]{1,200})", text)
        if missing or "not supported" in text or "unsupported" in text.lower():
            raise UnsupportedModel(
                f"“{path.name}” uses an operation OpenVINO does not know: {missing[1] if missing else sentence(error)}",
                where=path.name,
            ) from error
        raise BrokenModel(
            f"“{path.name}” cannot be read: {sentence(error)}", hint=hint or None, where=path.name
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether what was raised means that memory ran out, in any of the ways it does."""
    return isinstance(error, MemoryError) or bool(
        re.search(r"bad_alloc|not enough memory|[Ff]ailed to allocate|can't allocate|out of memory", str(error))
    )


def sentence(error: BaseException) -> str:
    """The one line of an engine's error that says what is wrong: no paths of its sources, no bytes that are no text."""
    text = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in str(error))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = [
        re.sub(r"^(Check '.*?' failed at \S+:|Exception from \S+:|[\w./-]+\.[ch]pp:\d+:?)\s*", "", line)
        for line in lines
    ]
    telling = [line for line in lines if len(line) > 8 and not line.startswith(("Exception from", "Check '"))]
    chosen = telling[-1] if telling else " ".join(text.split()) or type(error).__name__
    chosen = re.sub(r"(?:/[\w.+-]+){2,}/", "", chosen).rstrip(":")
    return chosen if len(chosen) <= 240 else chosen[:239] + "…"


@dataclass(frozen=True)
class _Format:
    title: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, list[Path], Path], Imported]
    many: bool = False
    """Whether several such files may belong to one model."""


def _refuser(make: Callable[[Path], Exception]) -> Callable[[Path, list[Path], Path], Imported]:
    def refuse(path: Path, files: list[Path], scratch: Path) -> Imported:
        raise make(path)

    return refuse


_FORMATS = (
    _Format("OpenVINO", _is_ir, _read_ir),
    _Format("TensorFlow SavedModel", _is_saved_model, _read_saved_model),
    _Format("TensorFlow Lite", _is_tflite, _read_tflite),
    _Format("ONNX", _is_onnx, _read_onnx),
    _Format("PaddlePaddle", _is_paddle, _read_paddle),
    _Format("TensorFlow", _is_frozen_graph, _read_frozen),
    _Format("PyTorch", lambda path: _is_pickle(path) or _is_torch_zip(path), _refuser(_refuse_torch), many=True),
    _Format(
        "Keras",
        _is_hdf5,
        _refuser(
            lambda path: UnknownFormat("This is a Keras file (HDF5), which OpenVINO does not read.", hint=_KERAS_EXPORT)
        ),
        many=True,
    ),
    _Format(
        "safetensors",
        _is_safetensors,
        _refuser(
            lambda path: UnknownFormat(
                "This file holds weights without the network they belong to.",
                hint=f"Load them into your model and export that to ONNX:\n{_EXPORT}",
            )
        ),
        many=True,
    ),
    _Format(
        "PaddlePaddle 3",
        _is_new_paddle,
        _refuser(
            lambda path: UnknownFormat(
                "This is PaddlePaddle's new program format (PIR), which OpenVINO does not read.",
                hint="Save it with FLAGS_enable_pir_api=0, which writes .pdmodel and .pdiparams, or export it to ONNX.",
            )
        ),
        many=True,
    ),
    _Format(
        "weights",
        lambda path: path.suffix.lower() == ".bin",
        _refuser(
            lambda path: BrokenModel(
                f"“{path.name}” holds weights; the .xml that describes the network is missing.",
                hint=f"Upload {path.stem}.xml and {path.name} together.",
            )
        ),
        many=True,
    ),
)


# --- what is refused whatever the format


def _refuse_empty(model: ov.Model) -> None:
    kinds = {op.get_type_name() for op in model.get_ops()}
    if not model.outputs or not kinds.difference(_GENERIC):
        raise BrokenModel("The model has no layers or no outputs.", hint="Export it again.")
    if not model.inputs:
        raise UnsupportedModel("The model takes no input, so there is nothing to show it.")


def _refuse_quantized(model: ov.Model) -> None:
    quantizing = [op.friendly_name for op in model.get_ops() if op.get_type_name() in _QUANTIZING]
    low = [op.friendly_name for op in model.get_ops() if _is_low_weight(op)]
    if quantizing or low:
        count = len(quantizing) or len(low)
        what = "quantizers" if quantizing else "weights in 8 bits or fewer"
        raise AlreadyQuantized(f"This model is already quantized: it holds {count} {what}.")


def _is_low_weight(op: ov.Node) -> bool:
    """A constant of 8 bits or fewer that is turned to float, and big enough to be a weight."""
    if op.get_type_name() != "Constant" or op.get_element_type().get_type_name() not in _LOW_BITS:
        return False
    readers = {target.get_node().get_type_name() for target in op.output(0).get_target_inputs()}
    return "Convert" in readers and int(np.prod(list(op.shape))) >= 64


# --- describing


def describe(imported: Imported) -> ModelFindings:
    """What a person wants to know of a model before it is optimised."""
    model = imported.model
    ops = model.get_ordered_ops()
    weights = [op for op in ops if _is_weight(op)]
    info = model_info(model)
    return ModelFindings(
        format=imported.format,
        name=imported.name,
        size_bytes=imported.size_bytes,
        inputs=tuple(_port(port) for port in model.inputs),
        outputs=tuple(_port(port) for port in model.outputs),
        precision=_precision(weights),
        parameters=sum(int(np.prod(list(op.shape))) for op in weights),
        gflops=_gflops(model),
        model_info=info,
        labels=labels(info),
        nodes=tuple(
            Node(name=op.friendly_name, type=op.get_type_name()) for op in ops if op.get_type_name() not in _GENERIC
        ),
        recipe=recipe(model),
    )


def parameters(model: ov.Model) -> int:
    """Number of weights."""
    return sum(int(np.prod(list(op.shape))) for op in model.get_ops() if _is_weight(op))


def _is_weight(op: ov.Node) -> bool:
    """Float constants, and the low-bit ones of a quantized model; shapes and axes are integers."""
    if op.get_type_name() != "Constant":
        return False
    return bool(op.get_element_type().is_real()) or _is_low_weight(op)


def _precision(weights: list[ov.Node]) -> str:
    sizes: dict[str, int] = {}
    for op in weights:
        kind = op.get_element_type().get_type_name()
        sizes[kind] = sizes.get(kind, 0) + int(np.prod(list(op.shape)))
    if not sizes:
        return "none"
    main = max(sizes, key=lambda kind: sizes[kind])
    names = {"f32": "FP32", "f16": "FP16", "bf16": "BF16", "f64": "FP64", "i8": "INT8", "u8": "INT8"}
    name, share = names.get(main, main.upper()), sizes[main] / sum(sizes.values())
    return name if share >= 0.9 else f"mostly {name}" if share >= 0.5 else "mixed"


def precision(model: ov.Model) -> str:
    """Of the weights, by how many there are of each kind."""
    return _precision([op for op in model.get_ops() if _is_weight(op)])


def _port(port: ov.Output) -> Port:
    shape = port.partial_shape
    sides = () if shape.rank.is_dynamic else tuple(-1 if side.is_dynamic else side.get_length() for side in shape)
    declared = getattr(port.node, "layout", None) if port.node.get_type_name() == "Parameter" else None
    layout = "" if declared is None or declared.empty else "".join(c for c in str(declared) if c.isalpha())
    name = port.any_name if port.names else port.node.friendly_name
    return Port(name=name, shape=sides, type=port.element_type.get_type_name(), layout=layout)


def _gflops(model: ov.Model) -> float:
    """Two operations a multiply-add, of convolutions and matrix products, for one image; 0 when shapes are unknown."""
    total = 0
    for op in _static(model).get_ops():
        kind = op.get_type_name()
        if kind not in (
            "Convolution",
            "GroupConvolution",
            "ConvolutionBackpropData",
            "GroupConvolutionBackpropData",
            "MatMul",
        ):
            continue
        shapes = [op.output(0).partial_shape, op.input(0).get_partial_shape(), op.input(1).get_partial_shape()]
        if any(shape.is_dynamic for shape in shapes):
            return 0.0
        out, inputs, weights = ([side.get_length() for side in shape] for shape in shapes)
        total += 2 * _multiplications(kind, op, out, inputs, weights)
    return total / 1e9


def _multiplications(kind: str, op: ov.Node, out: list[int], inputs: list[int], weights: list[int]) -> int:
    if kind == "MatMul":
        inner = inputs[-2] if op.get_attributes().get("transpose_a") and len(inputs) > 1 else inputs[-1]
        return int(np.prod(out)) * inner
    if kind == "Convolution":
        return int(np.prod(out)) * int(np.prod(weights[1:]))
    if kind == "GroupConvolution":
        return int(np.prod(out)) * int(np.prod(weights[2:]))
    per_input = weights[2:] if kind.startswith("Group") else weights[1:]
    return int(np.prod(inputs)) * int(np.prod(per_input))


def _static(model: ov.Model) -> ov.Model:
    """One image of the size the model is for; the model itself where that cannot be told."""
    from jobs import image_input

    try:
        return image_input.of(model, model_info(model)).fix_shape(model)
    except Exception:  # a count for display must not stop anything
        return model


def model_info(model: ov.Model) -> dict[str, str]:
    """`rt_info/model_info` as text; empty when the model carries none."""
    if not model.has_rt_info(["model_info"]):
        return {}
    return {str(key): _text(value) for key, value in _value(model.get_rt_info(["model_info"])).items()}


def recipe(model: ov.Model) -> dict[str, str]:
    """`optimization_config` as OTX 2.x writes it, key by key as JSON text."""
    import json

    text = model_info(model).get("optimization_config", "")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return {str(key): json.dumps(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _value(any_value: Any) -> Any:
    return any_value.value if hasattr(any_value, "value") else any_value


def _text(value: Any) -> str:
    value = _value(value)
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(_text(inner) for inner in value)
    return str(value)


def labels(info: dict[str, str]) -> tuple[str, ...]:
    """Names of the classes as the model carries them."""
    import json

    try:
        return tuple(str(name) for name in json.loads(info.get("label_info", ""))["label_names"])
    except (ValueError, KeyError, TypeError):
        return tuple(info.get("labels", "").split())


# --- out


def save(model: ov.Model, path: Path, *, half: bool = False) -> None:
    """Write IR, `path` being the .xml. `half` keeps float weights as FP16, for models that came so."""
    part = path.with_name(f".part-{path.stem}.xml")
    ov.save_model(model, part, compress_to_fp16=half)
    part.with_suffix(".bin").replace(path.with_suffix(".bin"))
    part.replace(path)
