"""The machine that measures: what a person must know to believe a speed."""

import math
import os
import platform
from importlib.metadata import version
from pathlib import Path

from jobs.report import Hardware

# Those that decide how fast INT8 and BF16 run, by their name in /proc/cpuinfo.
_TELLING = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
)
_INT8 = {"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"}
_CPUINFO = Path("/proc/cpuinfo")
_CPU_SHARE = Path("/sys/fs/cgroup/cpu.max")
_PACKAGES = ("openvino", "nncf", "openvino-model-api", "datumaro", "numpy")


def describe(device: str = "CPU") -> Hardware:
    """The hardware card, read from the operating system.

    Not from OpenVINO's OPTIMIZATION_CAPABILITIES: it lists INT8 also where the instructions are missing.
    """
    info = _cpuinfo()
    flags = set(info.get("flags", info.get("Features", "")).split())
    telling = tuple(flag for flag in _TELLING if flag in flags)
    return Hardware(
        cpu=" ".join((info.get("model name") or platform.processor() or platform.machine()).split()),
        instruction_sets=telling,
        cores=cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        device=device,
        load=round(os.getloadavg()[0], 2),
        int8_fast=bool(_INT8 & flags),
    )


def cores() -> int:
    """How many the process may use: those it is bound to, or a container's share where that is less."""
    bound = len(os.sched_getaffinity(0))
    try:
        share, period = _CPU_SHARE.read_text(encoding="ascii").split()
        return max(1, min(bound, math.ceil(int(share) / int(period))))
    except (OSError, ValueError):  # not in such a container, or "max"
        return bound


def packages() -> dict[str, str]:
    """Versions of what did the work."""
    return {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}


def _cpuinfo() -> dict[str, str]:
    if not _CPUINFO.exists():
        return {}
    first = _CPUINFO.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
