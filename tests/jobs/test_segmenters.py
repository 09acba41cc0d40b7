"""Which kind of model finds objects with their masks, by what it says or by its outputs."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import image_input, segmenters
from jobs.segmenters import Segmenter
from tests.jobs import scenes

ANY = (-1, -1)
LOOKS = {
    "MaskRCNN": [
        [("boxes", (1, -1, 5)), ("labels", (1, -1)), ("masks", (1, -1, 28, 28))],
        [("boxes", (-1, 5)), ("labels", (-1,)), ("masks", (-1, 14, 14))],
        [("boxes", (-1, -1, 5)), ("labels", (-1, -1)), ("masks", (-1, -1, -1, -1))],
    ],
    "DETRInstSeg": [[("boxes", (1, 300, 5)), ("labels", (1, 300)), ("masks", (1, 300, 108, 108))]],
    "YOLO26-seg": [[("output0", (1, 300, 38)), ("output1", (1, 32, 160, 160))]],
    "YOLO-seg": [
        [("output0", (1, 116, 8400)), ("output1", (1, 32, 160, 160))],
        [("output0", (-1, 37, -1)), ("output1", (-1, 32, -1, -1))],
    ],
}
OTHERS = {
    "detector": [("boxes", (1, 100, 5)), ("labels", (1, 100))],
    "YOLO": [("output0", (1, 84, 8400))],
    "segmentation": [("map", (1, 19, 512, 512))],
    "raw maps": [("a", (1, 255, 80, 80)), ("b", (1, 255, 40, 40)), ("c", (1, 255, 20, 20))],
    "nothing": [],
}


@pytest.mark.parametrize(("name", "outputs"), [(name, each) for name, some in LOOKS.items() for each in some])
def test_kind_is_told_by_its_looks(name: str, outputs: segmenters.Outputs) -> None:
    found = segmenters.guess(outputs, ANY)
    assert found and found.name == name


@pytest.mark.parametrize("outputs", OTHERS.values(), ids=OTHERS)
def test_others_do_not_look_so(outputs: segmenters.Outputs) -> None:
    assert segmenters.guess(outputs, ANY) is None


def test_name_may_be_written_in_any_case() -> None:
    assert segmenters.kind_of(scenes.mask_rcnn(), {"model_type": "maskrcnn"})[0].name == "MaskRCNN"


def test_preparation_is_assumed_of_ultralytics_only() -> None:
    assert segmenters.prepared(scenes.yolo_seg(), {"pad_value": "7"})["pad_value"] == "7"
    assert segmenters.prepared(scenes.yolo_seg(), {"scale_values": ""})["scale_values"] == "255"
    assert not segmenters.prepared(scenes.mask_rcnn(), {})
    assert segmenters.prepared(scenes.ssd(), {"labels": "a"}) == {"labels": "a"}, "told when it is bound"


def with_explanations(model: ov.Model) -> ov.Model:
    """As OTX exports it on request; the first output is none of what matters."""
    entry = model.get_parameters()[0]
    vector = ops.reduce_mean(entry, ops.constant([2, 3]), False)
    vector.output(0).set_names({"feature_vector"})
    return ov.Model([vector, *(port.get_node().input_value(0).get_node() for port in model.outputs)], [entry])


def test_outputs_for_explanations_are_left_out() -> None:
    model = with_explanations(scenes.yolo_seg())
    settings = {"scale_values": "1"}
    segmenter = Segmenter(model, image_input.of(model, settings), settings, segmenters.kind_of(model, settings)[0])
    assert segmenter.outputs == (1, 2)


def test_boxes_that_overlap_are_suppressed() -> None:
    """In a class of YOLO's, at the model's own threshold; nothing is in MaskRCNN, which did it inside."""
    model = scenes.yolo_seg()
    outputs = [np.zeros((1, 9, 16), np.float32), np.ones((1, 2, 16, 16), np.float32)]
    outputs[0][0, :4, :3] = np.array([[32, 32, 20, 20], [33, 32, 20, 20], [32, 33, 20, 20]]).T
    outputs[0][0, 4, :2], outputs[0][0, 5, 2] = (0.9, 0.8), 0.7

    def scores(**settings: str) -> list[float]:
        said = {"scale_values": "1", **settings}
        segmenter = Segmenter(model, image_input.of(model, said), said, segmenters.kind_of(model, said)[0])
        found = segmenter([output.copy() for output in outputs], (64, 64))
        return [round(float(score), 3) for score in found.scores]

    assert scores() == [0.9, 0.7]
    assert scores(iou_threshold="0.95") == [0.9, 0.8, 0.7]
    assert scores(agnostic_nms="True") == [0.9]
