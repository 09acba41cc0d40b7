"""What a worker process may reach: Landlock for files and TCP, seccomp for system calls, limits on what it may use.

Pure Python, needs no privileges, and cannot be undone by the process it was done to. `python -m jobs.sandbox` says
what of it holds on this machine. Standard library only.
"""

import ctypes
import errno
import json
import os
import platform
import resource
import signal
import site
import struct
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)

OPEN_FILES = 4096
CPU_GRACE_SECONDS = 5  # from SIGXCPU, which can be caught, to SIGKILL

# What a worker reads besides what it was given; what of it is not there is left out.
_READ = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/OpenCL",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/bus",  # OpenVINO looks for devices here, and for the processor's shape below
    "/sys/class/drm",
    "/sys/devices",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
)
_DEVICES = ("/dev/null", "/dev/dri", "/dev/accel")  # nothing, GPU, NPU

# Landlock's rights (linux/landlock.h) and the version of its interface that brought each.
_EXECUTE, _WRITE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_MOVE, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_ALL_SINCE = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP, _TCP_SINCE = 0b11, 4
_SCOPES, _SCOPES_SINCE = 0b11, 6  # abstract sockets of others, signals to others
_OF_FILES = _EXECUTE | _WRITE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_READING = _READ_FILE | _READ_DIR
# No links, pipes, sockets or devices: whoever reads the folder later must not be led elsewhere.
_WRITING = _READING | _WRITE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _MOVE | _TRUNCATE
_USING = _READING | _WRITE | _DEVICE_CONTROL

# Refused system calls by their numbers on x86_64 and aarch64; None where there is no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # the network, and other programs by their sockets
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept4": (288, 242),
    # other programs
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    # other processes
    "ptrace": (101, 117),
    "rt_sigqueueinfo": (129, 138),
    "tkill": (200, 130),
    "rt_tgsigqueueinfo": (297, 240),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # memory and messages shared by number, which Landlock does not see
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # parts of the kernel that nothing here needs and that were ways out of sandboxes before
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
}
_CLONE, _CLONE3, _KILL, _TGKILL, _PRLIMIT = (56, 220), (435, 435), (62, 129), (234, 131), (302, 261)
_CLONE_THREAD = 0x10000
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Which of the two numbers, and the kernel's own name for the machine (AUDIT_ARCH)."""
_X32 = 0x40000000  # x86_64's second set of numbers for the same calls

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 21, 22, 38
_MODE_FILTER = 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_CAPGET, _CAPSET = (125, 90), (126, 91)
_CAP_VERSION, _CAP_DAC_OVERRIDE = 0x20080522, 1 << 1


@dataclass(frozen=True)
class Facts:
    """What this machine's kernel can hold a worker to."""

    landlock: int
    """Version of Landlock's interface; 0 when there is none."""
    seccomp: bool
    notes: tuple[str, ...] = ()
    """What is missing, in words."""

    @property
    def confined(self) -> bool:
        """Whether code in a file that a worker loads reaches nothing but its own job."""
        return bool(self.landlock) and self.seccomp


@cache
def available() -> Facts:
    """Ask the kernel. Changes nothing."""
    landlock = max(0, _LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1))
    seccomp = platform.machine() in _MACHINES and _knows_filters()
    notes = []
    if not landlock:
        notes.append("The kernel has no Landlock, so a worker can read what the app can read.")
    elif landlock < _TCP_SINCE and not seccomp:
        notes.append("The kernel's Landlock is older than its rules for TCP, so a worker can use the network.")
    if not seccomp:
        notes.append("The kernel takes no seccomp filters, so a worker can start programs.")
    return Facts(landlock=landlock, seccomp=seccomp, notes=tuple(notes))


def _knows_filters() -> bool:
    """A filter at no address is refused for its address only by a kernel that would take a real one."""
    if _LIBC.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) < 0:
        return False
    return _LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, None, 0, 0) == -1 and ctypes.get_errno() == errno.EFAULT


def limit(*, memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """Hold this process and its children to so much. Too much memory is an error inside, the rest a signal."""
    limits = {
        resource.RLIMIT_DATA: (memory_bytes, memory_bytes),
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + CPU_GRACE_SECONDS),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_NOFILE: (OPEN_FILES, OPEN_FILES),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, (soft, hard) in limits.items():
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))
    # Python ignores this signal, and then a library that does not check what it writes leaves half a file.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> Facts:
    """Shut this process in, for good; call it before there are threads.

    Beside `readable` and `writable` it reads only Python, its packages and what they need of the system. What the
    kernel does not offer is left out, see `available`; OSError when it refuses what it offers.
    """
    facts = available()
    _drop_privileges()
    if facts.landlock:
        _landlock(facts.landlock, [*_programs(), *readable], list(writable))
    if facts.seccomp:
        _seccomp()
    return facts


def _drop_privileges() -> None:
    """No program can give any back. Of root's own, only reading and writing files of other owners is left."""
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if platform.machine() not in _MACHINES:
        return
    number = _MACHINES[platform.machine()][0]
    header = struct.pack("=Ii", _CAP_VERSION, 0)
    data = ctypes.create_string_buffer(24)  # effective, permitted, inheritable of capabilities 0 to 31, then to 63
    _check(_LIBC.syscall(_CAPGET[number], header, data))
    effective, permitted, *_ = struct.unpack("=6I", data.raw)
    kept = struct.pack("=6I", effective & _CAP_DAC_OVERRIDE, permitted & _CAP_DAC_OVERRIDE, 0, 0, 0, 0)
    _check(_LIBC.syscall(_CAPSET[number], header, kept))


def _programs() -> list[Path]:
    """Where Python, its packages and this package are. Not all of sys.path: beside this package may lie anything."""
    paths = sysconfig.get_paths()
    installed = {*(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")), *site.getsitepackages()}
    package = Path(__file__).parent
    configs = os.environ.get("OTX_WEB_CONFIGS") or package.parent / "configs"
    return [*map(Path, _READ), *map(Path, installed), package, Path(configs)]


# --- Landlock


def _landlock(version: int, readable: Sequence[Path], writable: Sequence[Path]) -> None:
    handled = _ALL_SINCE[max(since for since in _ALL_SINCE if since <= version)]
    tcp, scopes = _TCP * (version >= _TCP_SINCE), _SCOPES * (version >= _SCOPES_SINCE)
    words = 1 if version < _TCP_SINCE else 2 if version < _SCOPES_SINCE else 3
    attributes = struct.pack("=3Q", handled, tcp, scopes)[: 8 * words]
    rules = _check(_LIBC.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    # The kernel forgets the folder of a process when memory is short, and the rule with it, unless it is held open.
    _allow(rules, Path("/proc/self"), _READING & handled, hold=True)
    for rights, paths in ((_READING, readable), (_USING, map(Path, _DEVICES)), (_WRITING, writable)):
        for path in paths:
            _allow(rules, path, rights & handled)
    _check(_LIBC.syscall(_RESTRICT_SELF, rules, 0))
    os.close(rules)


def _allow(rules: int, path: Path, rights: int, *, hold: bool = False) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it is not there, or out of reach anyway
        return
    if not path.is_dir():
        rights &= _OF_FILES
    _check(_LIBC.syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", rights, handle), 0))
    if not hold:
        os.close(handle)


# --- seccomp, in the kernel's classic BPF

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST = 0, 4, 16  # offsets in struct seccomp_data; both machines have the low half first
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


def _seccomp() -> None:
    program = b"".join(struct.pack("=HBBI", *step) for step in _filter())
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _check(_LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0))


def _filter() -> list[tuple[int, int, int, int]]:
    """Steps (what, how many to skip if so, if not, value)."""
    which, machine = _MACHINES[platform.machine()]
    refuse = (_RETURN, 0, 0, _ERROR | errno.EPERM)
    steps = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, machine),
        refuse,  # another machine's numbers
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        refuse,
        # The newer clone has its flags in memory, which a filter cannot see; who finds it missing uses the older.
        (_EQUAL, 0, 1, _CLONE3[which]),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
    ]
    for numbers in _REFUSED.values():
        if (number := numbers[which]) is not None:
            steps += [(_EQUAL, 0, 1, number), refuse]
    # Threads but no processes; signals to itself only; limits of itself only.
    for number, test in (
        (_CLONE[which], (_ANY_BIT, 1, 0, _CLONE_THREAD)),
        (_KILL[which], (_EQUAL, 1, 0, os.getpid())),
        (_TGKILL[which], (_EQUAL, 1, 0, os.getpid())),
        (_PRLIMIT[which], (_EQUAL, 1, 0, 0)),
    ):
        steps += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _FIRST), test, refuse, (_RETURN, 0, 0, _ALLOW)]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"The sandbox cannot be set up: {os.strerror(code)}")
    return result


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        facts = available()
        sys.stdout.write(json.dumps({"confined": facts.confined, **asdict(facts)}) + "\n")
