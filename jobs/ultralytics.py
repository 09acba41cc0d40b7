"""What Ultralytics writes into its exports, said in Model API's words."""

import ast
import re
from collections.abc import Mapping

_TASKS = ("detect", "segment", "classify", "pose", "obb")
_PREPARED = {"scale_values": "255", "pad_value": "114"}


def understood(info: Mapping[str, str], metadata: Mapping[str, str]) -> dict[str, str]:
    """`model_info` as it is meant. `metadata` is what an ONNX file carries in place of it."""
    if not info and metadata.get("task") in _TASKS and "stride" in metadata and "names" in metadata:
        return _of_metadata(metadata)
    if info.get("model_type", "").lower() != "yolo":
        return dict(info)
    # For them it turns OpenCV's BGR into RGB, for the rest of us RGB into BGR: the model wants RGB.
    found = {**info, "reverse_input_channels": "False"}
    if "labels" not in found and (names := _names(found.get("names", ""))):
        found["labels"] = names
    return {**_size(info.get("imgsz", "")), **found}


def _of_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    resize = "crop" if metadata["task"] == "classify" else "fit_to_window_letterbox"
    labels = {"labels": names} if (names := _names(metadata["names"])) else {}
    size = _size(metadata.get("imgsz", ""))
    return {"model_type": "YOLO", "task": metadata["task"], "resize_type": resize, **_PREPARED, **size, **labels}


def _size(text: str) -> dict[str, str]:
    """[480, 640] to height and width of images, for a model that takes any size."""
    found = re.findall(r"\d+", text)
    return {"orig_height": found[0], "orig_width": found[1]} if len(found) == 2 else {}


def _names(text: str) -> str:
    """{0: 'person', 1: 'traffic light'} to person, traffic light; empty when it is no such thing."""
    try:
        names = ast.literal_eval(text)
        found = [str(names[number]) for number in range(len(names))]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        return ""
    return ", ".join(found) + ("," if len(found) == 1 else "")
