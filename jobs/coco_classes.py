"""The classes of COCO, which most detectors that do not name theirs were trained on."""

NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, , stop sign,"
    " parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, , backpack, umbrella, ,"
    " , handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,"
    " surfboard, tennis racket, bottle, , wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,"
    " broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, , dining table, , , toilet, , tv,"
    " laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, , book, clock, vase,"
    " scissors, teddy bear, hair drier, toothbrush"
).split(", ")
"""By category number, from 1 to 90; those that COCO never used are empty."""


def named(count: int) -> tuple[str, ...]:
    """Names of so many outputs, where that is a number that detectors for COCO have; else empty.

    80: the classes one after the other. 90: by category number less one. 91: by category number, 0 being background.
    """
    by_number = [name or f"unused {number}" for number, name in enumerate(NAMES, start=1)]
    return {
        80: tuple(name for name in NAMES if name),
        90: tuple(by_number),
        91: ("background", *by_number),
    }.get(count, ())
