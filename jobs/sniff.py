"""What a file is, told by its content and never by its name."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from jobs import archive


def kind_of_zip(path: Path) -> Literal["exported", "compiled", "torch", "keras", "archive"]:
    """PyTorch and Keras files are zips too, told apart by what they always hold. Raises BadArchive."""
    names = archive.names(path)
    if any("data/aotinductor/" in name for name in names):
        return "compiled"
    if any(name.endswith("serialized_exported_program.json") for name in names):
        return "exported"
    if any(name.endswith("/archive_format") for name in names) and any("/models/" in name for name in names):
        return "exported"
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    return "keras" if "model.weights.h5" in names else "archive"


def head(path: Path, count: int = 64) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _after_length(head: bytes) -> int:
    """The byte after a protobuf field's tag and length: the tag inside; -1 when there is none."""
    place = 1
    while place < len(head) and head[place] & 0x80:
        place += 1
    return head[place + 1] if place + 1 < len(head) else -1


_CUT_OFF = (-1, -1)


def is_cut_off(path: Path) -> bool:
    """Whether the last field of a protobuf message is longer than the file."""
    return _CUT_OFF in _protobuf_fields(path)


def _protobuf_fields(path: Path) -> Iterator[tuple[int, int]]:
    """(number, wire type) of the outermost fields of a message, as far as the file goes. Stops at what is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < size:
            tag = _varint(file)
            kind = tag & 7
            if tag < 8 or kind not in (0, 1, 2, 5):
                yield 0, kind
                return
            yield tag >> 3, kind
            length = _varint(file) if kind in (0, 2) else {1: 8, 5: 4}[kind]
            if kind != 0:
                file.seek(length, 1)
        if file.tell() > size:
            yield _CUT_OFF


def _varint(file: BinaryIO) -> int:
    """0 at the end of the file, and for a number too long to be one."""
    value = 0
    for place in range(10):
        byte = file.read(1)
        if not byte:
            return 0
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    return 0


def is_ir(path: Path) -> bool:
    start = head(path, 4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith((b"<?xml", b"<net", b"<!--")) and b"<net" in start


def is_saved_model(path: Path) -> bool:
    """SavedModel: the number of its schema, and graphs."""
    if head(path, 2) != b"\x08\x01":
        return False
    fields = set(itertools.islice(_protobuf_fields(path), 9))
    return (2, 2) in fields and fields <= {(1, 0), (2, 2)}


_ONNX_STRINGS = {(number, 2) for number in (2, 3, 4, 6, 7, 8, 14, 20, 25, 26)}
_ONNX_NUMBERS = {(1, 0), (5, 0)}


def is_onnx(path: Path) -> bool:
    """ModelProto: fields of its own and no others, a graph (7) among them. Also when the end of the file is missing."""
    if head(path, 1) not in (b"\x08", b"\x3a", b"\x42", b"\x12"):
        return False
    fields = list(itertools.islice(_protobuf_fields(path), 64))
    return (7, 2) in fields and set(fields) <= _ONNX_STRINGS | _ONNX_NUMBERS | {_CUT_OFF}


def is_tflite(path: Path) -> bool:
    return head(path, 8)[4:] == b"TFL3"


def is_paddle(path: Path) -> bool:
    """ProgramDesc: a block, which begins with its number."""
    start = head(path)
    return start[:1] == b"\x0a" and _after_length(start) == 0x08


def is_frozen_graph(path: Path) -> bool:
    """GraphDef: a node, which begins with its name."""
    start = head(path)
    return start[:1] == b"\x0a" and _after_length(start) == 0x0A


def is_pickle(path: Path) -> bool:
    start = head(path, 2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def is_zip_of(*kinds: str) -> Callable[[Path], bool]:
    """A check for these kinds of zip."""
    return lambda path: archive.is_zip(path) and kind_of_zip(path) in kinds


def is_hdf5(path: Path) -> bool:
    return head(path, 4) == b"\x89HDF"


def is_safetensors(path: Path) -> bool:
    start = head(path, 10)
    return len(start) == 10 and start[8:10] in (b'{"', b"{ ") and int.from_bytes(start[:8], "little") < 100 << 20


def is_new_paddle(path: Path) -> bool:
    return head(path, 1) == b"{" and b'"pir"' in head(path, 4096).replace(b" ", b"")
