"""The sample of instance segmentation: the spotter with its masks, exported as OTX exports MaskRCNN."""

from pathlib import Path

import openvino as ov

from otx_web.samples.build import network, spotter
from otx_web.samples.build.detection import SAME, Boxes, with_nms
from otx_web.samples.build.spotter import LABELS


def build(folder: Path) -> str:
    """Write the model; its dataset is that of detection, where each pebble has an outline too."""
    model = with_nms(Boxes(spotter.trained()), masks=True)
    network.tell(
        model,
        labels=("otx_empty_lbl", *LABELS),  # which the output `labels` does not count
        model_type="MaskRCNN",
        task_type="instance_segmentation",
        label_ids=" ".join(("None", *(str(number) for number in range(len(LABELS))))),
        confidence_threshold="0.3",
        iou_threshold=str(SAME),
    )
    ov.save_model(model, folder / "pebbles.xml", compress_to_fp16=False)
    return "the network of detection, with its masks"
