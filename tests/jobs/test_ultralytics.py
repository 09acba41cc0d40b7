"""What Ultralytics writes, in Model API's words."""

from jobs import formats, ultralytics
from tests.jobs import scenes


def test_onnx_metadata_says_all() -> None:
    model = scenes.yolov8("", labels="")
    for key, value in {"task": "detect", "stride": "32", "names": "{0: 'person', 1: 'traffic light'}"}.items():
        model.set_rt_info(value, ["framework", key])
    info = formats.model_info(model)
    assert info["model_type"] == "YOLO" and info["resize_type"] == "fit_to_window_letterbox"
    assert formats.labels(info) == ("person", "traffic light") and info["scale_values"] == "255"


def test_size_is_of_images_where_any_may_come() -> None:
    info = ultralytics.understood({"model_type": "YOLO", "imgsz": "[480, 640]"}, {})
    assert (info["orig_height"], info["orig_width"]) == ("480", "640")
    assert "orig_height" not in ultralytics.understood({"model_type": "YOLO"}, {})


def test_single_name_with_a_space_is_one() -> None:
    info = ultralytics.understood({}, {"task": "detect", "stride": "32", "names": "{0: 'traffic light'}"})
    assert formats.labels(info) == ("traffic light",)


def test_names_that_are_none_are_left_out() -> None:
    for names in ("", "{1: 'a'}", "__import__('os')", "[" * 9999):
        assert "labels" not in ultralytics.understood({}, {"task": "detect", "stride": "32", "names": names})


def test_others_are_left_as_they_are() -> None:
    info = {"model_type": "ssd", "reverse_input_channels": "True"}
    assert ultralytics.understood(info, {"task": "detect"}) == info
    assert ultralytics.understood({}, {"producer": "pytorch"}) == {}
