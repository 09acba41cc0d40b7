"""The script people write: NNCF's documented post-training example, with its own loop over the images before and after.

    python -m benchmarks.peer MODEL.xml DATASET.zip OUT.xml

`benchmark_app` is then run on both models by whoever measures.
"""

import sys
import zipfile
from io import BytesIO

import nncf
import numpy as np
import openvino as ov
from PIL import Image
from sklearn.metrics import accuracy_score

from benchmarks.subjects import MEAN, SCALE


def images(archive: zipfile.ZipFile, split: str) -> list[tuple[np.ndarray, int]]:
    names = [name for name in archive.namelist() if name.startswith(split)]
    return [
        (np.asarray(Image.open(BytesIO(archive.read(n)))), int(n.split("/")[1].removeprefix("class"))) for n in names
    ]


def transform(item: tuple[np.ndarray, int]) -> np.ndarray:
    return ((item[0].astype(np.float32) - MEAN) / SCALE).transpose(2, 0, 1)[None].astype(np.float32)


def validate(model: ov.Model, items: list[tuple[np.ndarray, int]]) -> float:
    compiled = ov.compile_model(model, "CPU")
    output = compiled.output(0)
    predictions = [int(np.argmax(compiled(transform(item))[output], axis=1)[0]) for item in items]
    return float(accuracy_score([label for _, label in items], predictions))


def main() -> None:
    model_path, dataset_path, out = sys.argv[1:]
    with zipfile.ZipFile(dataset_path) as archive:
        train, val = images(archive, "train"), images(archive, "val")
    model = ov.Core().read_model(model_path)
    quantized = nncf.quantize(model, nncf.Dataset(train, transform), subset_size=500)
    ov.save_model(quantized, out, compress_to_fp16=False)
    sys.stdout.write(f"{validate(model, val):.4f} {validate(quantized, val):.4f}\n")


if __name__ == "__main__":
    main()
