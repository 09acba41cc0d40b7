"""What the line at the top says of the CPU."""

from otx_web.ui import machine

XEON = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz
flags\t\t: fpu avx2 avx512_vnni amx_int8
"""


def test_machine_names_its_best_instruction_set() -> None:
    assert machine.parse(XEON, 4) == machine.Machine("Intel Xeon Platinum 8480+", 4, "amx_int8")


def test_machine_without_int8() -> None:
    assert machine.parse("model name : Old\nflags : sse4_1 avx2\n", 1).int8 == ""


def test_machine_without_cpuinfo() -> None:
    assert machine.parse("", 2) == machine.Machine("CPU", 2, "")


def test_this_machine_has_cores() -> None:
    assert machine.this().cores >= 1
