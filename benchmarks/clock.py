"""Timing whole processes, in turns, so that a machine that grows slower favours nobody."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

BENCHMARK_APP = Path(sys.executable).with_name("benchmark_app")
Run = Callable[[], None]


def seconds(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turns(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, ABBA."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in list(runs) if number % 2 == 0 else list(runs)[::-1]:
            found[name].append(seconds(runs[name]))
            sys.stderr.write(f"  {name}: {found[name][-1]:.1f} s\n")
    return found


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median of the pairs' ratios."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def benchmark_app(model: Path, *, hint: str = "throughput", run_seconds: int = 10) -> tuple[float, float]:
    """Images a second and median milliseconds, as OpenVINO's own tool finds them."""
    command = [str(BENCHMARK_APP), "-m", str(model), "-d", "CPU", "-hint", hint, "-t", str(run_seconds)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    fps = re.search(r"Throughput:\s+([\d.]+)", told)
    median = re.search(r"Median:\s+([\d.]+) (ms|us)", told)
    assert fps and median, told
    return float(fps[1]), float(median[1]) / (1000 if median[2] == "us" else 1)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
