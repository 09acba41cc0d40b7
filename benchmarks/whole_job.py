"""A whole job from the command line against the obvious script followed by `benchmark_app` for 10 s on each model.

Promised: at most 0.5 times, with the speed ratio known to within 3 %.

    python -m benchmarks.whole_job [--rounds 3]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import clock, subjects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, dataset = subjects.write_model(folder / "model"), subjects.write_dataset(folder / "dataset.zip")
        reports: list[dict[str, dict[str, float]]] = []

        def peer() -> None:
            command = [sys.executable, "-m", "benchmarks.peer", str(model), str(dataset), str(folder / "int8.xml")]
            subprocess.run(command, check=True, capture_output=True)
            for path in (model, folder / "int8.xml"):
                clock.benchmark_app(path)

        def ours() -> None:
            command = [sys.executable, "-m", "otx_web", "optimize", "--model", str(model), "--model"]
            command = [*command[:-1], str(model.with_suffix(".bin")), "--dataset", str(dataset), "--json"]
            command += ["--task", "classification", "--method", "pot_default", "--set", "stat_subset_size=500"]
            # An empty history each time: nothing measured earlier helps.
            fresh = tempfile.mkdtemp(dir=folder)
            told = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OTX_WEB_DATA": fresh})
            reports.append(json.loads(told.stdout))

        took = clock.in_turns({"the script": peer, "otx-web": ours}, rounds)
    ratio = clock.ratio(took["otx-web"], took["the script"])
    clock.say(f"otx-web / the script: {ratio:.2f} times (promised: at most 0.5), {rounds} rounds in turns")
    for report in reports:
        speed = report["speed"]
        width = (speed["ratio_high"] - speed["ratio_low"]) / 2 / speed["ratio"]
        clock.say(f"  speed ratio {speed['ratio']:.3f} known within {width:.1%} (promised: 3 %); {report['seconds']}")


if __name__ == "__main__":
    main()
