"""Both tutorials work as they are written: every command runs in a shell, in order, and shows what the page shows.

A person has minutes, a test has seconds. So `optimize` gets the settings of SHORTER after those of the page, and the
last counts; what hangs on them may come out otherwise: figures, how fast, and what a search or a training comes to.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
TUTORIALS = ("optimise-with-pot", "optimise-with-nncf")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
IMAGES = sorted((ROOT / "docs" / "images").iterdir())
SHORTER = {
    "": "speed_seconds=0.2",
    "pot_accuracy_aware": "speed_seconds=0.2 max_iter_num=2 ranking_subset_size=9",
    "nncf_qat": "speed_seconds=0.2 epochs=1 train_images=96 stat_subset_size=96"
    " learning_rate=2e-5 learning_rate_warmup_iters=0",  # few steps, and so small that they gain something
    "nncf_pruning": "speed_seconds=0.2 epochs=1 quantized_epochs=1 train_images=64 stat_subset_size=64",
}
SHELL = """
otx-web() {
    local one settings=()
    if [ "$1" = optimize ]; then for one in $SHORTER; do settings+=(--set "$one"); done; fi
    command otx-web "$@" "${settings[@]}"
}
"""
END = "\x1e"  # after the output of a command, before its status
MASKS = (
    (r", against the original.*", ""),  # what a processor does by default
    (r", the best so far", ""),
    (r"\b[0-9a-f]{20}\b", "ID"),
    (r"(\w+_\d+)(, \w+_\d+)+", r"\1"),  # as many layers as it happens to be
    (r"faster|slower|no clear difference in speed", "FASTER"),
    (r"[+−-]?\d[\d,.]*", "#"),
    (r"#( (h|min|s)\b( #)?)+", "TIME"),
    (r"# (bytes|kB|MB|GB)", "SIZE"),
    (r" +", " "),
)
VERDICTS = r"ACCURACY (HELD|LOST)|CANNOT TELL YET|\b(held|lost|cannot tell)(?= #×)"
HARDWARE = "held to FP32"
"""Said only where a processor runs a float model otherwise by default."""


@dataclass(frozen=True)
class Command:
    """As a person types it, and the lines that the page shows below it."""

    text: str
    shown: tuple[str, ...] = ()

    @property
    def shorter(self) -> str:
        """The settings that make it quick."""
        named = re.search(r"--method (\w+)", self.text)
        return SHORTER[named[1] if named else ""]

    def masked(self, line: str) -> str:
        """Without what may come out otherwise. POT alone is run as on the page, so its verdict is the page's."""
        for pattern, word in MASKS:
            line = re.sub(pattern, word, line)
        as_shown = "optimize" in self.text and "--method" not in self.text
        return (line if as_shown else re.sub(VERDICTS, "VERDICT", line)).strip()


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    command: Command
    status: int
    output: str

    @property
    def missing(self) -> list[str]:
        """Lines that the page shows and that did not come; `…` stands for anything."""
        came = [self.command.masked(line) for line in self.output.splitlines()]
        return [line for line in self.command.shown if HARDWARE not in line and not _among(self.command, line, came)]


def _among(command: Command, line: str, came: list[str]) -> bool:
    start, dots, _ = line.partition("…")
    wanted = command.masked(start)
    return any(one.startswith(wanted) if dots else one == wanted for one in came)


def commands(page: str) -> Iterator[Command]:
    """Of all blocks, in their order; Python's as what a person would put into a file and run."""
    for language, body in re.findall(r"^```(console|python)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        if language == "python":
            yield Command(f"python - <<'END'\n{body}END")
            continue
        for text, shown in re.findall(r"^\$ ((?:.*\\\n)*.*\n(?:>.*\n)*)((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
            yield Command(re.sub(r"^> ?", "", text, flags=re.MULTILINE).strip(), tuple(shown.splitlines()))


def run(name: str, folder: Path) -> list[Done]:
    """All commands of a tutorial, in one shell, in an empty folder, with a history of their own."""
    folder.mkdir()
    wanted = list(commands((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")))
    script = folder.with_suffix(".sh")
    lines = [f"SHORTER='{one.shorter}'\n{one.text}\nprintf '{END}%s{END}' $?\n" for one in wanted]
    script.write_text(SHELL + "".join(lines), encoding="utf-8")
    env = os.environ | {
        "OTX_WEB_DATA": str(folder.with_suffix(".data")),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }
    ran = subprocess.run(
        ["bash", str(script)], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=280
    )
    parts = ran.stdout.decode().split(END)[:-1]
    return [Done(one, int(status), told) for one, told, status in zip(wanted, parts[::2], parts[1::2], strict=True)]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Done]]:
    """Both at once, as two people would."""
    folder = tmp_path_factory.mktemp("tutorials")
    with ThreadPoolExecutor() as pool:
        return dict(zip(TUTORIALS, pool.map(lambda name: run(name, folder / name), TUTORIALS), strict=True))


@pytest.mark.parametrize("name", TUTORIALS)
def test_every_command_succeeds_and_shows_what_the_page_shows(done: dict[str, list[Done]], name: str) -> None:
    assert len(done[name]) > 5
    for one in done[name]:
        assert one.status == 0, f"{one.command.text}\n{one.output}"
        assert not one.missing, f"{one.command.text}\nshould show {one.missing}, and shows\n{one.output}"


def test_what_the_page_says_the_model_sees_is_what_it_sees(done: dict[str, list[Done]]) -> None:
    (asked,) = (one for one in done["optimise-with-pot"] if one.command.text.startswith("python - "))
    assert asked.output.split() == re.findall(r"# (\w+)$", asked.command.text, re.MULTILINE)[-1:]


# --- what the pages lead to


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.stem)
def test_image_is_small_and_shown(image: Path) -> None:
    assert image.stat().st_size < 150_000
    with Image.open(image) as picture:
        assert picture.format == "PNG" and picture.width == 1280
    assert any((page.parent / link).resolve() == image for page in PAGES for link in links(page))
