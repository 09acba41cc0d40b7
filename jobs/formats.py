"""Models in: any supported file to `ov.Model`, recognised by its content and never by its name. And out, as IR.

OpenVINO's own `convert_model(path)` is never given an upload: it sniffs content, and a PyTorch program renamed
`model.onnx` would run its code. Data formats go through `Core.read_model`, under a name that fits what was recognised.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from jobs import archive, complexity, optional_torch, sniff, ultralytics
from jobs.errors import AlreadyQuantized, BrokenModel, CodeInFile, UnknownFormat, UnsupportedModel
from jobs.findings import ModelFindings, Node, Port

_EXPORT = """\
import torch
model = ...  # your model, as you load it in Python
torch.onnx.export(model.eval(), (torch.zeros(1, 3, 224, 224),), "model.onnx", dynamo=True, external_data=False)"""
_KERAS_EXPORT = 'Load it with Keras and run model.export("saved_model"), then zip that folder and upload it.'
_UPLOAD_PAIR = "Upload the .xml and the .bin that were exported together."
_QUANTIZING = ("FakeQuantize", "FakeConvert")
_LOW_BITS = ("i8", "u8", "i4", "u4", "u2", "u3", "u6", "nf4", "f4e2m1", "f8e4m3", "f8e5m2")
_GENERIC = ("Parameter", "Result", "Constant")
_MAKES_WEIGHTS = ("Convert", "Subtract", "Multiply", "Reshape", "Transpose", "Unsqueeze")
_HEAVY = (
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
    "MatMul",
)


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
    _refuse_nameless(imported.model)
    _refuse_empty(imported.model)
    _refuse_quantized(imported.model)
    _refuse_not_numbers(imported.model)
    return imported


def _files(folder: Path) -> list[Path]:
    """Plain files below `folder`: a link or a pipe in place of a file is how others' files are read."""
    found = []
    for path in sorted(folder.rglob("*")):
        if any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UnknownFormat("A link or a device is no model file.", where=path.name)
        if path.is_file():
            found.append(path)
    return found


def _read(files: list[Path], scratch: Path, allow_code: bool) -> Imported:
    if not files:
        raise UnknownFormat("There is no file in the upload.")
    if len(files) == 1 and archive.is_zip(files[0]) and sniff.kind_of_zip(files[0]) == "archive":
        return _read_zip(files[0], scratch, allow_code)
    for format_ in _formats(allow_code):
        found = [path for path in files if format_.matches(path)]
        if len(found) > 1 and not format_.many:
            names = ", ".join(path.name for path in found[:5])
            raise UnknownFormat(
                f"There are {len(found)} {format_.title} models ({names}).", hint="Upload one at a time."
            )
        if found:
            return format_.read(found[0], files, scratch)
    raise _unknown(files)


def _unknown(files: list[Path]) -> UnknownFormat:
    if len(files) > 1:
        names = ", ".join(path.name for path in files[:5]) + (" and more" if len(files) > 5 else "")
        return UnknownFormat(f"None of the {len(files)} files is a model that can be read here: {names}.")
    (path,) = files
    if path.stat().st_size == 0:
        return UnknownFormat(f"“{path.name}” is empty.", hint="Upload it again.", where=path.name)
    head = sniff.head(path).lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        return UnknownFormat(
            f"“{path.name}” is a Git LFS pointer, not the file itself.", hint="Run git lfs pull first.", where=path.name
        )
    if head.startswith((b"<!doctype html", b"<html")):
        return UnknownFormat(
            f"“{path.name}” is a web page, not a model.",
            hint="Most likely the download gave an error page. Download the model again and upload it.",
            where=path.name,
        )
    return UnknownFormat(f"“{path.name}” is not a model in a format that can be read here.", where=path.name)


def _read_zip(path: Path, scratch: Path, allow_code: bool) -> Imported:
    into = scratch / "model"
    archive.unpack(path, into)
    inside = _files(into)
    if len(inside) == 1 and archive.is_zip(inside[0]) and sniff.kind_of_zip(inside[0]) == "archive":
        raise UnknownFormat("There is a zip inside the zip.", hint="Upload the inner one.", where=inside[0].name)
    return _read(inside, scratch, allow_code)


def _refuse_torch(path: Path) -> CodeInFile:
    return CodeInFile(
        f"“{path.name}” is a PyTorch pickle or TorchScript file. Loading it runs whatever code is in it.",
        hint=f"Export it to ONNX where you trained it, and upload that:\n{_EXPORT}",
        where=path.name,
    )


def _refuse_compiled(path: Path) -> CodeInFile:
    return CodeInFile(
        f"“{path.name}” holds machine code that PyTorch compiled (AOTInductor). It is never loaded here.",
        hint=f"Export the model to ONNX instead:\n{_EXPORT}",
        where=path.name,
    )


def _refuse_exported(path: Path) -> CodeInFile:
    return CodeInFile(
        f"“{path.name}” is a PyTorch exported program, which can run code when it is loaded; this server does not"
        " allow that.",
        hint=f"Export it to ONNX instead:\n{_EXPORT}",
        where=path.name,
    )


def _read_exported(path: Path, files: list[Path], scratch: Path) -> Imported:
    archive.check(path)
    optional_torch.want()
    import torch

    try:
        program = torch.export.load(path)
        model = ov.convert_model(program)
        model.reshape(dict(enumerate(_exported_shapes(program))))
    except Exception as error:  # torch raises anything on a damaged program
        if is_out_of_memory(error):
            raise
        raise BrokenModel(f"The exported program cannot be loaded: {sentence(error)}", where=path.name) from error
    return Imported(model, "PyTorch exported program", path.name, path.stat().st_size)


def _exported_shapes(program: Any) -> list[ov.PartialShape]:
    """Of the inputs, as they were exported: the conversion makes all sides dynamic."""
    wanted = set(program.graph_signature.user_inputs)
    values = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in wanted]
    return [ov.PartialShape([side if isinstance(side, int) else -1 for side in value.shape]) for value in values]


# --- the data formats


def _named(path: Path, scratch: Path, suffix: str, beside: Mapping[str, Path] | None = None) -> Path:
    """The file under a name with the suffix its reader asks for, copied only when it has another."""
    if path.suffix == suffix and not beside:
        return path
    folder = scratch / "named"
    folder.mkdir(parents=True, exist_ok=True)
    for name, other in (beside or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(other, folder / name)
    return Path(shutil.copyfile(path, folder / f"model{suffix}"))


def _one_beside(path: Path, files: list[Path], suffix: str) -> Path | None:
    """The file with this suffix that goes with `path`: of the same name, else the only one."""
    found = [other for other in files if other.suffix.lower() == suffix]
    same = [other for other in found if other.stem == path.stem and other.parent == path.parent]
    if len(found) > 1 and not same:
        raise BrokenModel(
            f"“{path.name}” came with {len(found)} {suffix} files, none of the same name.",
            hint=f"Upload {path.name} with its own {suffix} file only.",
            where=path.name,
        )
    return next(iter(same or found), None)


def _read_ir(path: Path, files: list[Path], scratch: Path) -> Imported:
    xml = path.read_bytes()
    if b"</net>" not in xml[-1024:]:
        raise _cut_off(path)
    needed = _described_bytes(xml)
    weights = _one_beside(path, files, ".bin")
    if needed and weights is None:
        raise BrokenModel(
            f"“{path.name}” came without its weights.",
            hint=f"Upload {path.stem}.xml and {path.stem}.bin together.",
            where=path.name,
        )
    size = weights.stat().st_size if weights else 0
    if weights and size != needed and needed:
        raise BrokenModel(
            f"“{weights.name}” is not the weights file of “{path.name}”: it has {size:,} bytes, the .xml describes"
            f" {needed:,}.",
            hint=_UPLOAD_PAIR,
            where=weights.name,
        )
    paired = path.suffix == ".xml" and weights in (None, path.with_suffix(".bin"))
    source = path if paired else _named(path, scratch, ".xml", {"model.bin": weights} if weights else None)
    with _reading(path, _UPLOAD_PAIR if weights else ""):
        model = ov.Core().read_model(source)
    return Imported(model, "OpenVINO IR", path.name, path.stat().st_size + size)


def _described_bytes(xml: bytes) -> int:
    """Where the last constant ends, which is where the weights file does, whoever wrote it; 0 without constants."""
    ends = [0]
    for element in re.findall(rb"<(?:data|blob|weights|biases)\b[^>]*>", xml):
        offset, size = re.search(rb'\boffset="(\d{1,18})"', element), re.search(rb'\bsize="(\d{1,18})"', element)
        if offset and size:
            ends.append(int(offset[1]) + int(size[1]))
    return max(ends)


def _cut_off(path: Path) -> BrokenModel:
    return BrokenModel(
        f"“{path.name}” is incomplete: its end is missing.",
        hint="Upload it again. When that does not help, export the model again.",
        where=path.name,
    )


def _read_onnx(path: Path, files: list[Path], scratch: Path) -> Imported:
    if sniff.is_cut_off(path):
        raise _cut_off(path)
    # Weights in files of their own are named by the model, and looked for beside it.
    if path.suffix == ".onnx":
        source = path
    else:
        others = {other.relative_to(path.parent).as_posix(): other for other in files if path.parent in other.parents}
        source = _named(path, scratch, ".onnx", others if len(files) > 1 else None)
    with _reading(path):
        model = ov.Core().read_model(source)
    used = [path, *(other for other in files if other != path and other.suffix.lower() not in _NOT_WEIGHTS)]
    return Imported(model, "ONNX", path.name, sum(file.stat().st_size for file in used))


_NOT_WEIGHTS = (".txt", ".md", ".json", ".yaml", ".yml", ".py", ".png", ".jpg", ".jpeg", ".pdf")


def _read_saved_model(path: Path, files: list[Path], scratch: Path) -> Imported:
    folder = path.parent
    loose = [other for other in files if other.name.startswith("variables.") and other.parent == path.parent]
    if path.name != "saved_model.pb" or loose:  # a browser gives the files of a folder without their folders
        folder = scratch / "saved_model"
        (folder / "variables").mkdir(parents=True)
        shutil.copyfile(path, folder / "saved_model.pb")
        for other in loose:
            shutil.copyfile(other, folder / "variables" / other.name)
    with _reading(path, "Zip the whole SavedModel folder, variables and all, and upload the zip."):
        model = ov.Core().read_model(folder)
    size = sum(file.stat().st_size for file in files if file.is_relative_to(path.parent))
    return Imported(model, "TensorFlow SavedModel", path.name, size)


def _read_frozen(path: Path, files: list[Path], scratch: Path) -> Imported:
    with _reading(path):
        model = ov.Core().read_model(_named(path, scratch, ".pb"))
    return Imported(model, "TensorFlow frozen graph", path.name, path.stat().st_size)


def _read_tflite(path: Path, files: list[Path], scratch: Path) -> Imported:
    with _reading(path):
        model = ov.Core().read_model(_named(path, scratch, ".tflite"))
    return Imported(model, "TensorFlow Lite", path.name, path.stat().st_size)


def _read_paddle(path: Path, files: list[Path], scratch: Path) -> Imported:
    weights = _one_beside(path, files, ".pdiparams")
    if weights is None:
        raise BrokenModel(
            f"“{path.name}” came without its weights.",
            hint="Upload the .pdmodel and the .pdiparams together.",
            where=path.name,
        )
    with _reading(path, "Upload the .pdmodel and the .pdiparams that were saved together."):
        model = ov.Core().read_model(_named(path, scratch, ".pdmodel", {"model.pdiparams": weights}))
    return Imported(model, "PaddlePaddle", path.name, path.stat().st_size + weights.stat().st_size)


@contextlib.contextmanager
def _reading(path: Path, hint: str = "") -> Iterator[None]:
    """OpenVINO's long errors in one sentence."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, UnicodeDecodeError) as error:
        if is_out_of_memory(error):
            raise
        if isinstance(error, UnicodeDecodeError):
            raise BrokenModel(f"“{path.name}” cannot be read: a name in it is no text.", where=path.name) from error
        text = str(error)
        missing = re.search(r"No conversion rule found for operations?:? *([^\n]{1,200})", text)
        if missing:
            raise UnsupportedModel(
                f"“{path.name}” uses an operation OpenVINO does not know: {missing[1]}", where=path.name
            ) from error
        if "not supported" in text or "unsupported" in text.lower():
            raise UnsupportedModel(
                f"“{path.name}” uses something OpenVINO does not support: {sentence(error)}", where=path.name
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


def _formats(allow_code: bool) -> tuple[_Format, ...]:
    """In the order in which they are looked for."""
    exported = _read_exported if allow_code else _refuser(_refuse_exported)
    return (*_DATA, _Format("PyTorch exported", sniff.is_zip_of("exported"), exported), *_REFUSED)


_DATA = (
    _Format("OpenVINO", sniff.is_ir, _read_ir),
    _Format("TensorFlow SavedModel", sniff.is_saved_model, _read_saved_model),
    _Format("TensorFlow Lite", sniff.is_tflite, _read_tflite),
    _Format("ONNX", sniff.is_onnx, _read_onnx),
    _Format("PaddlePaddle", sniff.is_paddle, _read_paddle),
    _Format("TensorFlow", sniff.is_frozen_graph, _read_frozen),
)
_REFUSED = (
    _Format("PyTorch compiled", sniff.is_zip_of("compiled"), _refuser(_refuse_compiled), many=True),
    _Format(
        "PyTorch",
        lambda path: sniff.is_pickle(path) or sniff.is_zip_of("torch")(path),
        _refuser(_refuse_torch),
        many=True,
    ),
    _Format(
        "Keras",
        lambda path: sniff.is_hdf5(path) or sniff.is_zip_of("keras")(path),
        _refuser(
            lambda path: UnknownFormat(
                f"“{path.name}” is a Keras file, which OpenVINO does not read.", hint=_KERAS_EXPORT, where=path.name
            )
        ),
        many=True,
    ),
    _Format(
        "safetensors",
        sniff.is_safetensors,
        _refuser(
            lambda path: UnknownFormat(
                f"“{path.name}” holds weights (safetensors) without the network they belong to.",
                hint=f"Load them into your model and export that to ONNX:\n{_EXPORT}",
                where=path.name,
            )
        ),
        many=True,
    ),
    _Format(
        "PaddlePaddle 3",
        sniff.is_new_paddle,
        _refuser(
            lambda path: UnknownFormat(
                f"“{path.name}” is in PaddlePaddle's new program format (PIR), which OpenVINO does not read.",
                hint="Save it with FLAGS_enable_pir_api=0, which writes .pdmodel and .pdiparams, or export it to ONNX.",
                where=path.name,
            )
        ),
        many=True,
    ),
    _Format(
        "weights",
        lambda path: path.suffix.lower() in (".bin", ".pdiparams"),
        _refuser(lambda path: _no_network(path, ".pdmodel" if path.suffix == ".pdiparams" else ".xml")),
        many=True,
    ),
)


def _no_network(path: Path, suffix: str) -> BrokenModel:
    return BrokenModel(
        f"“{path.name}” holds weights; the {suffix} that describes the network is missing or none.",
        hint=f"Upload {path.stem}{suffix} and {path.name} together.",
        where=path.name,
    )


# --- what is refused whatever the format


def _refuse_nameless(model: ov.Model) -> None:
    """Names are bytes to OpenVINO, and text to everything after it."""
    try:
        for op in model.get_ops():
            for port in op.outputs():
                _ = op.friendly_name, port.names
    except UnicodeDecodeError as error:
        raise BrokenModel("A name in the model is no text: the file is damaged.") from error


def _refuse_empty(model: ov.Model) -> None:
    kinds = {op.get_type_name() for op in model.get_ops()}
    if not model.outputs or not kinds.difference(_GENERIC):
        raise BrokenModel("The model has no layers or no outputs.", hint="Export it again.")
    if not model.inputs:
        raise UnsupportedModel(
            "The model takes no input, so there is nothing to show it.", hint="Export it with an image as its input."
        )


def _refuse_quantized(model: ov.Model) -> None:
    quantizing = [op.friendly_name for op in model.get_ops() if op.get_type_name() in _QUANTIZING]
    low = [op.friendly_name for op in model.get_ops() if _is_low_weight(op)]
    if quantizing or low:
        what = f"{len(quantizing)} quantizers" if quantizing else "weights in 8 bits or fewer"
        raise AlreadyQuantized(f"This model is already quantized: it holds {what}.")


def _refuse_not_numbers(model: ov.Model) -> None:
    """Weights of another model, read at the wrong places, are often none; so are those of a training that failed."""
    for op in model.get_ops():
        if op.get_type_name() not in _HEAVY:
            continue
        weights = op.input_value(1).get_node()
        if weights.get_type_name() == "Convert":
            weights = weights.input_value(0).get_node()
        if weights.get_type_name() != "Constant" or weights.get_element_type().get_type_name() not in ("f32", "f16"):
            continue
        if not np.isfinite(weights.data).all():
            raise BrokenModel(
                f"The weights of “{op.friendly_name}” are not numbers (NaN or infinite).",
                hint="Export the model again from a checkpoint that works, the .xml and the .bin together.",
                where=op.friendly_name,
            )


def _is_low_weight(op: ov.Node) -> bool:
    """A constant of 8 bits or fewer that becomes the weights of a product; masks and tables are of such types too."""
    if op.get_type_name() != "Constant" or op.get_element_type().get_type_name() not in _LOW_BITS:
        return False
    return int(np.prod(list(op.shape))) >= 64 and _feeds_product(op)


def _feeds_product(op: ov.Node) -> bool:
    """Whether it goes into a product, through nothing but what makes weights of bytes."""
    for target in op.output(0).get_target_inputs():
        reader = target.get_node()
        if reader.get_type_name() in (*_HEAVY, "Gather"):
            return True
        sources = {reader.input_value(place).get_node().get_type_name() for place in range(reader.get_input_size())}
        if reader.get_type_name() in _MAKES_WEIGHTS and sources <= {"Constant", *_MAKES_WEIGHTS}:
            if _feeds_product(reader):
                return True
    return False


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
    names = {"f32": "FP32", "f16": "FP16", "bf16": "BF16", "f64": "FP64", "i8": "INT8", "u8": "INT8"}
    names |= {"i4": "INT4", "u4": "INT4"}
    sizes: dict[str, int] = {}
    for op in weights:
        kind = op.get_element_type().get_type_name()
        name = names.get(kind, kind.upper())
        sizes[name] = sizes.get(name, 0) + int(np.prod(list(op.shape)))
    if not sizes:
        return "none"
    main = max(sizes, key=lambda name: sizes[name])
    share = sizes[main] / sum(sizes.values())
    return main if share >= 0.9 else f"mostly {main}" if share >= 0.5 else "mixed"


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
    """Of convolutions and matrix products, for one image; 0 where it depends on what there is to see."""
    fixed = _static(model)
    return 0.0 if complexity.unknown(fixed) else complexity.total(fixed) / 1e9


def _static(model: ov.Model) -> ov.Model:
    """One image of the size the model is for; the model itself where that cannot be told."""
    from jobs import image_input

    try:
        return image_input.of(model, model_info(model)).fix_shape(model)
    except Exception:  # a count for display must not stop anything
        return model


def model_info(model: ov.Model) -> dict[str, str]:
    """`rt_info/model_info` as text; empty when the model carries none."""
    return ultralytics.understood(_rt_info(model, "model_info"), _rt_info(model, "framework"))


def _rt_info(model: ov.Model, name: str) -> dict[str, str]:
    found = _value(model.get_rt_info([name])) if model.has_rt_info([name]) else {}
    return {str(key): _text(value) for key, value in found.items()} if isinstance(found, dict) else {}


def recipe(model: ov.Model) -> dict[str, str]:
    """`optimization_config` as OTX 2.x writes it, key by key as JSON text."""
    text = model_info(model).get("optimization_config", "")
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
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


def labels(info: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the classes: exact ones from `label_info`, else `labels`, separated by commas or, as OTX does, spaces.

    Where spaces separate, ^ stands for a space.
    """
    try:
        return tuple(str(name) for name in json.loads(info.get("label_info", ""))["label_names"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    text = info.get("labels", "").strip()
    if "," in text or "\n" in text:
        return tuple(name.strip() for name in re.split(r"[,\n]", text) if name.strip())
    return tuple(name.replace("^", " ") for name in text.split())


# --- out


def save(model: ov.Model, path: Path, *, half: bool = False) -> None:
    """Write IR, `path` being the .xml. `half` keeps float weights as FP16, for models that came so."""
    part = path.with_name(f".part-{path.stem}.xml")
    ov.save_model(model, part, compress_to_fp16=half)
    part.with_suffix(".bin").replace(path.with_suffix(".bin"))
    part.replace(path)
