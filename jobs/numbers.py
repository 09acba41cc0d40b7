"""Numbers as a person reads them, each with its unit: on the pages, in the report and in the terminal."""

import math

MINUS = "\u2212"
SPACE = "\u00a0"  # between a number and its unit, so that they stay on one line


def number(value: float, digits: int = 0, *, sign: bool = False) -> str:
    """1234.5 as "1,234", with a real minus sign; `sign` writes the plus too."""
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if not any(figure in text for figure in "123456789"):
        text = text.lstrip("+-")  # no minus zero
    return text.replace("-", MINUS)


def digits_for(half_width: float) -> int:
    """How many decimals an interval of this half width justifies: 0 for 3, 1 for 0.4, 2 for 0.05."""
    if not half_width or not math.isfinite(half_width):
        return 1
    return min(4, max(0, math.ceil(-math.log10(abs(half_width)))))


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction as "80.5 %"."""
    return f"{number(fraction * 100, digits)}{SPACE}%"


def points(fraction: float, digits: int = 1) -> str:
    """A difference of two fractions as "−0.1 points"."""
    return f"{number(fraction * 100, digits, sign=True)}{SPACE}points"


def times(ratio: float, digits: int = 2) -> str:
    """A ratio as "1.40×"."""
    return f"{number(ratio, digits)}×"


def significant(value: float, figures: int = 3) -> str:
    """So many figures that matter, at least all before the point: "5,043", "98.7", "0.28"."""
    if not value or not math.isfinite(value):
        return number(0)
    rounded = float(f"{value:.{figures - 1}e}")  # 0.9996 has no more digits than the 1.00 it becomes
    return number(value, max(0, figures - 1 - math.floor(math.log10(abs(rounded)))))


def throughput(images_a_second: float) -> str:
    """ "5,043 images/s" """
    return f"{significant(images_a_second)}{SPACE}images/s"


def milliseconds(value: float) -> str:
    """ "3.42 ms" """
    return f"{significant(value)}{SPACE}ms"


def size(size_bytes: float) -> str:
    """Bytes as "1.07 MB", in powers of 1000 as disks and downloads count."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size_bytes) < 999.5 or unit == "GB":
            break
        size_bytes /= 1000
    return f"{significant(size_bytes)}{SPACE}{unit}"


def count(value: float, noun: str = "", plural: str = "") -> str:
    """ "2,000", "1 image", "3 images" """
    if not noun:
        return number(value)
    return f"{number(value)}{SPACE}{noun if value == 1 else plural or noun + 's'}"


def millions(value: float) -> str:
    """Parameters of a model as "0.27 M"; small ones in full."""
    return number(value) if value < 10_000 else f"{significant(value / 1e6)}{SPACE}M"


def flops(value: float) -> str:
    """Operations of a model as "40.5 M" or "1.18 G"; few in full."""
    return millions(value) if value < 1e9 else f"{significant(value / 1e9)}{SPACE}G"


def duration(seconds: float) -> str:
    """ "0.4 s", "48 s", "2 min 5 s", "1 h 3 min" """
    if seconds < 9.95:
        return f"{number(seconds, 1)}{SPACE}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{SPACE}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}{SPACE}min" + (f" {rest}{SPACE}s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{number(hours)}{SPACE}h" + (f" {minutes}{SPACE}min" if minutes else "")
