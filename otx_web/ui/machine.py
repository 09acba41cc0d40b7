"""The machine in a few words, for the line at the top: what a person may expect of INT8 here."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

INT8_SETS = ("amx_int8", "avx512_vnni", "avx_vnni")
"""Instruction sets that multiply INT8 faster than float, best first, as Linux spells them."""


@dataclass(frozen=True)
class Machine:
    """CPU, the cores this process may use, and its best instruction set for INT8 (empty when it has none)."""

    cpu: str
    cores: int
    int8: str


def parse(cpuinfo: str, cores: int) -> Machine:
    """Read the text of `/proc/cpuinfo`. On ARM, `asimddp` is the dot product."""
    fields = dict(_field(line) for line in cpuinfo.splitlines() if ":" in line)
    flags = f"{fields.get('flags', '')} {fields.get('Features', '')}".split()
    int8 = next((name for name in (*INT8_SETS, "i8mm", "asimddp") if name in flags), "")
    return Machine(_short(fields.get("model name", "")), cores, int8)


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _short(model: str) -> str:
    """ "Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.0GHz" as "Intel Xeon Platinum 8480+"."""
    for noise in ("(R)", "(TM)", "(tm)", "CPU", "Processor"):
        model = model.replace(noise, " ")
    return " ".join(model.partition("@")[0].split()) or "CPU"


@cache
def this() -> Machine:
    """The machine the page runs on."""
    file = Path("/proc/cpuinfo")
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return parse(text, cores)
