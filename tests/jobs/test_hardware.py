"""The hardware card."""

import os
from pathlib import Path

import pytest

from jobs import hardware


def test_card_of_this_machine() -> None:
    found = hardware.describe()
    assert found.cpu and found.memory_bytes > 1 << 28 and found.load >= 0 and found.device == "CPU"
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.int8_fast == bool(
        {"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"} & set(found.instruction_sets)
    )


@pytest.mark.parametrize(
    ("text", "cpu", "sets", "fast"),
    [
        (
            "processor\t: 0\nmodel name\t: Intel(R)  Xeon(R)\nflags\t: fpu avx2 avx512f avx512_vnni\n\nmodel name: 2\n",
            "Intel(R) Xeon(R)",
            ("avx2", "avx512f", "avx512_vnni"),
            True,
        ),
        ("processor\t: 0\nmodel name\t: Old\nflags\t\t: fpu sse2 avx2\n", "Old", ("avx2",), False),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp\n", None, ("asimddp",), True),
        ("", None, (), False),
    ],
)
def test_card_of_other_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cpu: str | None, sets: tuple[str, ...], fast: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "cpuinfo")
    found = hardware.describe()
    assert (found.instruction_sets, found.int8_fast) == (sets, fast)
    assert found.cpu == cpu if cpu else found.cpu


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_share_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cores: int | None
) -> None:
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(hardware, "_CPU_SHARE", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert hardware.describe().cores == (cores or 16)


def test_packages_have_versions() -> None:
    found = hardware.packages()
    assert {"openvino", "nncf", "numpy", "python"} <= set(found) and all(found.values())
