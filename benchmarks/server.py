"""The server: how soon it serves, what it holds in memory at rest, how soon a job starts, how long 10,000 jobs take.

Promised: serves in under 5 s, under 400 MB at rest, a job's first event within 0.25 s, the history under half a second.

    python -m benchmarks.server
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright
from sqlmodel import Session

from benchmarks import clock
from jobs.spec import JobSpec, PotDefault, Source
from otx_web.store import Job, State, Store

ROOT = Path(__file__).parents[1]
_JOBS = 10_000
_REST_SECONDS = 15


def main() -> None:
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (url, process, took):
        clock.say(f"serves after {took:.1f} s (promised: under 5 s)")
        time.sleep(_REST_SECONDS)
        clock.say(f"at rest: {memory(process.pid)} (promised: under 400 MB)")
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name))
        with serving(Path(name)) as (url, _, _):
            clock.say(f"history of {_JOBS:,} jobs: {history(url):.2f} s from click to table (promised: under 0.5 s)")


@contextmanager
def serving(data: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]", float]]:
    """The server on an empty port; with the seconds until it answered."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    env = {**os.environ, "OTX_WEB_DATA": str(data), "OTX_WEB_PORT": str(port)}
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                urllib.request.urlopen(f"{url}/healthz", timeout=2).close()
                break
            except OSError:
                time.sleep(0.02)
        yield url, process, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(timeout=20)


def memory(pid: int) -> str:
    """Of the server and all below it, shared pages counted once."""
    sizes = {}
    for one in [pid, *children(pid)]:
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        name = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode()[-60:].strip()
        sizes[f"{one} {name}"] = pss / 1000
    details = "; ".join(f"{name}: {size:.0f} MB" for name, size in sizes.items())
    return f"{sum(sizes.values()):.0f} MB ({details})"


def children(pid: int) -> list[int]:
    below = [int(p) for task in Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]
    return [*below, *(lower for one in below for lower in children(one))]


def fill(data: Path) -> None:
    """So many jobs that are done."""
    store = Store(f"sqlite:///{data / 'otx-web.sqlite3'}")
    source = Source(name="resnet20.onnx", digest="aa", path="../../uploads/aa/files")
    spec = JobSpec(task="classification", template="generic", options=PotDefault(), model=source, dataset=source)
    now = datetime.now(UTC)
    with Session(store._engine.execution_options(write=True)) as session, session.begin():
        for number in range(_JOBS):
            at = now - timedelta(minutes=number)
            session.add(
                Job(
                    owner="local",
                    name=f"run {number}",
                    state=State.SUCCEEDED,
                    task="classification",
                    template="generic",
                    method="pot_default",
                    model_name=source.name,
                    model_digest="aa",
                    dataset_name="digits.zip",
                    dataset_digest="bb",
                    created_at=at,
                    started_at=at,
                    finished_at=at,
                    seconds=40.0,
                    metric="accuracy",
                    before=0.96,
                    after=0.95,
                    verdict="held",
                    speed_ratio=1.5,
                    size_ratio=3.8,
                    spec=spec,
                )
            )
    store.close()


def history(url: str) -> float:
    """Median seconds from a click on the navigation to the first row, in a browser that has the scripts already."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        found = []
        for _ in range(6):
            page.goto(f"{url}/library")
            page.get_by_role("heading", name="Library").wait_for()
            start = time.perf_counter()
            page.goto(f"{url}/jobs", wait_until="commit")
            page.get_by_text("run 0", exact=True).first.wait_for()
            found.append(time.perf_counter() - start)
        browser.close()
    return statistics.median(found[1:])


if __name__ == "__main__":
    main()
