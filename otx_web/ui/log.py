"""The end of a job's log as text: what a program printed for a terminal, without what only a terminal understands."""

import re
from pathlib import Path

from markupsafe import Markup

from otx_web import files
from otx_web.ui import parts
from otx_web.ui.parts import element

FILE_NAME = "log.txt"
TAIL_BYTES = 24 << 10
TAIL_LINES = 200
LONGEST_LINE = 500
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def tail(job_dir: Path) -> str:
    """The last lines. Of a line that was drawn over and over (a progress bar) only its last state."""
    try:
        with files.open_plain(job_dir / FILE_NAME) as file:
            length = file.seek(0, 2)
            file.seek(max(0, length - TAIL_BYTES))
            data = file.read(TAIL_BYTES)
    except OSError:
        return ""
    text = data.decode(errors="replace").replace("\r\n", "\n")
    lines = text.split("\n")
    if length > TAIL_BYTES:
        lines = lines[1:]  # the first one is cut
    return "\n".join(_line(line) for line in lines[-TAIL_LINES - 1 :]).strip("\n")


def _line(line: str) -> str:
    drawn = next((piece for piece in reversed(line.split("\r")) if piece.strip()), "")
    return CONTROLS.sub("", ESCAPES.sub("", drawn))[:LONGEST_LINE]


def box(text: str, job_id: str) -> Markup:
    """The tail in a box that scrolls, and a link to the whole."""
    if not text:
        return element("p", "Nothing has been printed.", classes="ow-muted")
    whole = parts.link(f"files/jobs/{job_id}/{FILE_NAME}", "Download the whole log")
    return element(
        "div",
        element("pre", text, tabindex="0", aria_label="The last lines of the log"),
        element("p", whole, classes="ow-small"),
        classes="ow-log",
    )
