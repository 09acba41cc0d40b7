"""Models in formats whose own libraries are not installed, written byte by byte: each tells three colours apart.

All take an image, average every channel, and multiply by a 3 × 3 matrix of ones on the diagonal.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.eye(3, dtype=np.float32)


# --- ONNX, which has its library


def onnx_model(*, weights: np.ndarray = WEIGHTS, side: int | str = 8, batch: int | str = 1) -> onnx.ModelProto:
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save_onnx(path: Path, model: onnx.ModelProto | None = None, *, external: str = "") -> Path:
    """With `external`, the weights lie in a file of that name beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if external:
        onnx.save_model(model or onnx_model(), path, save_as_external_data=True, location=external, size_threshold=0)
    else:
        onnx.save_model(model or onnx_model(), path)
    return path


# --- protobuf: TensorFlow and PaddlePaddle


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def message(*fields: tuple[int, int | float | str | bytes]) -> bytes:
    """Fields by number: whole numbers, floats of four bytes, texts, and messages as bytes."""
    out = b""
    for number, value in fields:
        if isinstance(value, float):
            out += _varint(number << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


_TF_FLOAT, _TF_INT32 = 1, 3


def _tf_shape(sides: Sequence[int]) -> bytes:
    return message(*((2, message((1, side))) for side in sides))


def _tf_node(name: str, kind: str, *inputs: str, **attributes: bytes) -> bytes:
    pairs = [(5, message((1, key), (2, value))) for key, value in attributes.items()]
    return message((1, name), (2, kind), *((3, source) for source in inputs), *pairs)


def _tf_constant(name: str, array: np.ndarray) -> bytes:
    kind = _TF_FLOAT if array.dtype == np.float32 else _TF_INT32
    tensor = message((1, kind), (2, _tf_shape(array.shape)), (4, array.tobytes()))
    return _tf_node(name, "Const", dtype=message((6, kind)), value=message((8, tensor)))


def frozen_graph() -> bytes:
    """A GraphDef that takes [n, 8, 8, 3]."""
    number, integer = message((6, _TF_FLOAT)), message((6, _TF_INT32))
    nodes = [
        _tf_node("image", "Placeholder", dtype=number, shape=message((7, _tf_shape((-1, 8, 8, 3))))),
        _tf_constant("axes", np.array([1, 2], np.int32)),
        _tf_node("mean", "Mean", "image", "axes", T=number, Tidx=integer, keep_dims=message((5, 0))),
        _tf_constant("weights", WEIGHTS),
        _tf_node(
            "scores", "MatMul", "mean", "weights", T=number, transpose_a=message((5, 0)), transpose_b=message((5, 0))
        ),
    ]
    return message(*((1, node) for node in nodes), (4, message((1, 1395))))


def saved_model() -> bytes:
    """`saved_model.pb` of a model without variables."""

    def info(name: str, sides: Sequence[int]) -> bytes:
        return message((1, f"{name}:0"), (2, _TF_FLOAT), (3, _tf_shape(sides)))

    signature = message(
        (1, message((1, "image"), (2, info("image", (-1, 8, 8, 3))))),
        (2, message((1, "scores"), (2, info("scores", (-1, 3))))),
        (3, "tensorflow/serving/predict"),
    )
    graph = message(
        (1, message((4, "serve"))),
        (2, frozen_graph()),
        (5, message((1, "serving_default"), (2, signature))),
    )
    return message((1, 1), (2, graph))


_PADDLE_FLOAT, _PADDLE_TENSOR, _PADDLE_FEED, _PADDLE_FETCH = 5, 7, 9, 10


def paddle() -> tuple[bytes, bytes]:
    """A ProgramDesc that takes [n, 3, 8, 8], and its parameters."""

    def tensor(sides: Sequence[int]) -> bytes:
        return message((1, _PADDLE_FLOAT), *((2, side) for side in sides))

    def variable(name: str, sides: Sequence[int], kept: int = 0) -> bytes:
        return message((1, name), (2, message((1, _PADDLE_TENSOR), (3, message((1, tensor(sides)))))), (3, kept))

    def operation(kind: str, inputs: Mapping[str, str], outputs: Mapping[str, str], *attributes: bytes) -> bytes:
        def ports(number: int, given: Mapping[str, str]) -> list[tuple[int, bytes]]:
            return [(number, message((1, port), (2, name))) for port, name in given.items()]

        return message(*ports(1, inputs), *ports(2, outputs), (3, kind), *((4, one) for one in attributes))

    def attribute(name: str, kind: int, number: int, *values: int) -> bytes:
        return message((1, name), (2, kind), *((number, value) for value in values))

    variables = [
        message((1, "feed"), (2, message((1, _PADDLE_FEED))), (3, 1)),
        message((1, "fetch"), (2, message((1, _PADDLE_FETCH))), (3, 1)),
        variable("image", (-1, 3, 8, 8)),
        variable("mean", (-1, 3)),
        variable("weights", WEIGHTS.shape, 1),
        variable("scores", (-1, 3)),
    ]
    operations = [
        operation("feed", {"X": "feed"}, {"Out": "image"}, attribute("col", 0, 3, 0)),
        operation(
            "reduce_mean",
            {"X": "image"},
            {"Out": "mean"},
            attribute("dim", 3, 6, 2, 3),
            attribute("keep_dim", 6, 10, 0),
            attribute("reduce_all", 6, 10, 0),
        ),
        operation(
            "matmul_v2",
            {"X": "mean", "Y": "weights"},
            {"Out": "scores"},
            attribute("trans_x", 6, 10, 0),
            attribute("trans_y", 6, 10, 0),
        ),
        operation("fetch", {"X": "scores"}, {"Out": "fetch"}, attribute("col", 0, 3, 0)),
    ]
    block = message((1, 0), (2, -1), *((3, one) for one in variables), *((4, one) for one in operations))
    description = tensor(WEIGHTS.shape)
    parameters = struct.pack("<IQIi", 0, 0, 0, len(description)) + description + WEIGHTS.tobytes()
    return message((1, block), (4, message((1, 2_000_000)))), parameters


# --- flatbuffers: TensorFlow Lite


Child = Callable[["_Flat"], int]


class _Flat:
    """A flatbuffer written from front to back, children after their parents."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0\0\0\0TFL3")

    def _room(self, count: int, align: int = 4) -> int:
        self.data += bytes(-len(self.data) % align)
        place = len(self.data)
        self.data += bytes(count)
        return place

    def table(self, **fields: int | Child) -> int:
        """Fields f0, f1, …: four bytes each, a number or what a child is written by."""
        numbers = {int(name[1:]): value for name, value in fields.items()}
        count = max(numbers, default=-1) + 1
        scheme = self._room(4 + 2 * count)
        table = self._room(4 + 4 * len(numbers))
        struct.pack_into("<HH", self.data, scheme, 4 + 2 * count, 4 + 4 * len(numbers))
        struct.pack_into("<i", self.data, table, table - scheme)
        for slot, (number, value) in enumerate(numbers.items()):
            place = table + 4 + 4 * slot
            struct.pack_into("<H", self.data, scheme + 4 + 2 * number, place - table)
            struct.pack_into("<i", self.data, place, value if isinstance(value, int) else value(self) - place)
        return table

    def tables(self, children: Sequence[Child]) -> int:
        place = self._room(4 + 4 * len(children))
        struct.pack_into("<I", self.data, place, len(children))
        for slot, child in enumerate(children):
            at = place + 4 + 4 * slot
            struct.pack_into("<I", self.data, at, child(self) - at)
        return place

    def array(self, values: np.ndarray) -> int:
        self._room(12, 16)  # so that the values after the count are aligned
        place = self._room(4 + values.nbytes)
        struct.pack_into("<I", self.data, place, len(values))
        self.data[place + 4 : place + 4 + values.nbytes] = values.tobytes()
        return place

    def text(self, text: str) -> int:
        place = self.array(np.frombuffer(text.encode(), np.uint8))
        self.data += b"\0"
        return place


def tflite(*, int8: bool = False) -> bytes:
    """Takes [1, 8, 8, 3]. With `int8` its weights are bytes with a scale, as dynamic-range quantization makes them."""

    def ints(*values: int) -> Child:
        return lambda flat: flat.array(np.array(values, np.int32))

    def tensor(name: str, sides: Sequence[int], kind: int, buffer: int, quantization: Child | None = None) -> Child:
        more = {"f4": quantization} if quantization else {}
        return lambda flat: flat.table(f0=ints(*sides), f1=kind, f2=buffer, f3=lambda f: f.text(name), **more)

    def operation(code: int, inputs: Child, outputs: Child, options: int, **given: int) -> Child:
        return lambda flat: flat.table(
            f0=code, f1=inputs, f2=outputs, f3=options, f4=lambda inner: inner.table(**given)
        )

    def scale(flat: _Flat) -> int:
        return flat.table(
            f2=lambda f: f.array(np.array([1 / 127], np.float32)), f3=lambda f: f.array(np.array([0], np.int64))
        )

    def buffer(array: np.ndarray) -> Child:
        return lambda flat: flat.table(f0=lambda f: f.array(np.frombuffer(array.tobytes(), np.uint8)))

    wide = np.tile(WEIGHTS, (8, 1))  # 24 rows, so that it counts as weights
    weights = (wide * 127).astype(np.int8) if int8 else wide
    tensors = [
        tensor("image", (1, 8, 8, 3), 0, 0),
        tensor("axes", (2,), 2, 1),
        tensor("mean", (1, 3), 0, 0),
        tensor("weights", weights.shape, 9 if int8 else 0, 2, scale if int8 else None),
        tensor("scores", (1, len(wide)), 0, 0),
    ]
    operations = [operation(0, ints(0, 1), ints(2), 27, f0=0), operation(1, ints(2, 3, -1), ints(4), 8, f0=0)]
    flat = _Flat()
    root = flat.table(
        f0=3,
        f1=lambda f: f.tables([lambda g, code=code: g.table(f0=code, f2=1, f3=code) for code in (40, 9)]),
        f2=lambda f: f.tables(
            [
                lambda g: g.table(
                    f0=lambda h: h.tables(tensors), f1=ints(0), f2=ints(4), f3=lambda h: h.tables(operations)
                )
            ]
        ),
        f4=lambda f: f.tables([lambda g: g.table(), buffer(np.array([1, 2], np.int32)), buffer(weights)]),
    )
    struct.pack_into("<I", flat.data, 0, root)
    return bytes(flat.data)
