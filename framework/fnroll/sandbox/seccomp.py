"""The system call filters of the `linux` and `landlock` tiers, assembled by hand into classic BPF.

Pure: tables in, bytes out, for each machine. `DENIED` is what a function has no business with and the kernel has often
got wrong: everything that makes or enters namespaces and mounts, looks into other processes, loads code into the
kernel, or sets the machine's clock and name. Capabilities are gone already; this is the second wall.

- A denied call answers EPERM, as it would without the capability, so that programs take their usual path.
- clone3 answers ENOSYS: its flags lie in memory, where a filter cannot look, and libc then falls back to clone.
- clone with a namespace flag answers EPERM.
- socket answers EAFNOSUPPORT except for unix, inet, inet6 and netlink: vsock reaches past every network namespace.
- Another machine's calls (32-bit, x32) kill the process: their numbers mean other things.

Without namespaces the filter has to stand where they would (`shared_program`), and where Landlock has gaps:

- no memory, semaphores and queues of the machine (`SHARED`): they are their owner's, who is the same user;
- no unix sockets but pairs, since Landlock does not stop a connect to the caller's session bus or agents;
- no priority, affinity or limit of another process, which the kernel allows to the same user;
- without network="host": TCP alone, since UDP and MPTCP pass by Landlock's ports, and no data along with the connect,
  since TCP Fast Open does not ask it;
- before its version 3, no way to truncate what may not be written.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Numbers = tuple[int | None, int | None]

_MACHINES = ("x86_64", "aarch64")
_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_X32_BIT = 0x4000_0000
_CLONE, _SOCKET, _SOCKETPAIR = (56, 220), (41, 198), (53, 199)
_CLONE3, _OPENAT2 = (435, 435), (437, 437)
_SENDTO, _SENDMSG, _SENDMMSG = (44, 206), (46, 211), (307, 269)
_OPEN, _OPENAT, _TRUNCATE = (2, None), (257, 56), (76, 45)
_NAMESPACE_FLAGS = 0x7E02_0000
_FAST_OPEN = 0x2000_0000
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_TCP = 6
_TYPE_MASK, _STREAM, _DATAGRAM = 0xF, 1, 2
_ACCESS_MODE, _O_TRUNC = 3, 0o1000

# name: (x86_64, aarch64); None where the machine has no such call.
DENIED: dict[str, Numbers] = {
    # namespaces, mounts and roots
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "migrate_pages": (256, 238), "move_pages": (279, 239), "mbind": (237, 235),
    # code in the kernel, and doors with a long record of holes
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "uselib": (134, None),
    # the machine itself
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "sethostname": (170, 161),
    "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "vhangup": (153, 58), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip

# Of the machine, not of a process: without an own IPC namespace, of everybody on it.
SHARED: dict[str, Numbers] = {
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183), "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
}  # fmt: skip

# Calls about a process: (number, the argument that names it; 0 is the caller).
OF_A_PROCESS: dict[str, tuple[Numbers, int]] = {
    "prlimit64": ((302, 261), 0), "sched_setparam": ((142, 118), 0), "sched_setscheduler": ((144, 119), 0),
    "sched_setaffinity": ((203, 122), 0), "sched_setattr": ((314, 274), 0), "setpriority": ((141, 140), 1),
    "ioprio_set": ((251, 30), 1),
}  # fmt: skip

# Of these the first argument says whose: this one means every process of the user.
OF_A_USER: dict[str, tuple[Numbers, int]] = {"setpriority": ((141, 140), 2), "ioprio_set": ((251, 30), 3)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_EPERM, _EACCES, _ENOSYS, _EPROTONOSUPPORT, _EOPNOTSUPP, _EAFNOSUPPORT = 1, 13, 38, 93, 95, 97


def program(machine: str) -> bytes:
    """The filter of the linux tier for `machine` ("x86_64" or "aarch64"), 8 bytes an instruction. KeyError for any
    other."""
    families = _one_of(0, (_UNIX, _INET, _INET6, _NETLINK), _EAFNOSUPPORT)
    return _assembled(machine, DENIED, [*_common(), (_SOCKET, families)])


def shared_program(machine: str, abi: int, anywhere: bool) -> bytes:
    """The filter of the landlock tier, for this version of Landlock; `anywhere`: network="host". As `program`."""
    checks = [*_common(), (_SOCKETPAIR, [*_stop(1, _TYPE_MASK, _DATAGRAM, _EACCES), *_one_of(0, (_UNIX,), _EACCES)])]
    for name, (numbers, argument) in OF_A_PROCESS.items():
        user = _stop(0, -1, OF_A_USER[name][1], _EPERM) if name in OF_A_USER else []
        checks.append((numbers, [*user, *_one_of(argument, (0,), _EPERM)]))
    if anywhere:
        checks.append((_SOCKET, _one_of(0, (_INET, _INET6, _NETLINK), _EAFNOSUPPORT)))
    else:
        checks.append((_SOCKET, _tcp_or_netlink()))
        for numbers, argument in ((_SENDTO, 3), (_SENDMSG, 2), (_SENDMMSG, 3)):
            checks.append((numbers, [*_stop_bits(argument, _FAST_OPEN, _EOPNOTSUPP), _op(_RETURN, _ALLOW)]))
    if abi < 3:
        for numbers, argument in ((_OPEN, 1), (_OPENAT, 2)):
            checks.append((numbers, _no_odd_truncation(argument)))
        checks += [(_OPENAT2, [_error(_ENOSYS)]), (_TRUNCATE, [_error(_EPERM)])]
    return _assembled(machine, DENIED | SHARED, checks)


def _common() -> list[tuple[Numbers, list[bytes]]]:
    return [
        (_CLONE3, [_error(_ENOSYS)]),
        (_CLONE, [*_stop_bits(0, _NAMESPACE_FLAGS, _EPERM), _op(_RETURN, _ALLOW)]),
    ]


# instructions. A check is what is done about one call, and ends in a verdict whatever it finds.


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; `then` and `otherwise` are how many instructions to skip."""
    return struct.pack("HBBI", code, then, otherwise, value & 0xFFFF_FFFF)


def _error(code: int) -> bytes:
    return _op(_RETURN, _ERRNO | code)


def _argument(index: int) -> bytes:
    """Load its lower half: all of an int, which is all that the kernel looks at."""
    return _op(_LOAD, _ARGUMENTS_AT + 8 * index)


def _one_of(argument: int, values: tuple[int, ...], code: int) -> list[bytes]:
    """Allow these values; anything else is this error."""
    tests = [_op(_EQUAL, value, then=len(values) - at) for at, value in enumerate(values)]
    return [_argument(argument), *tests, _error(code), _op(_RETURN, _ALLOW)]


def _stop(argument: int, mask: int, value: int, code: int) -> list[bytes]:
    """An error where the argument under a mask is this; else go on."""
    return [_argument(argument), _op(_AND, mask), _op(_EQUAL, value, otherwise=1), _error(code)]


def _stop_bits(argument: int, bits: int, code: int) -> list[bytes]:
    """An error where any of these bits is set; else go on."""
    return [_argument(argument), _op(_ANY_BIT, bits, otherwise=1), _error(code)]


def _tcp_or_netlink() -> list[bytes]:
    kind = [_argument(1), _op(_AND, _TYPE_MASK), _op(_EQUAL, _STREAM, then=1), _error(_EACCES)]
    rest = [*kind, *_one_of(2, (0, _TCP), _EPROTONOSUPPORT)]
    families = [_op(_EQUAL, _INET, then=4), _op(_EQUAL, _INET6, then=3), _op(_EQUAL, _NETLINK, then=1)]
    return [_argument(0), *families, _error(_EAFNOSUPPORT), _op(_RETURN, _ALLOW), *rest]


def _no_odd_truncation(argument: int) -> list[bytes]:
    """O_TRUNC without the intent to write: with O_RDONLY, and with both bits of the access mode."""
    mask = _O_TRUNC | _ACCESS_MODE
    odd = [_stop(argument, mask, _O_TRUNC | mode, _EACCES) for mode in (0, _ACCESS_MODE)]
    return [*odd[0], *odd[1], _op(_RETURN, _ALLOW)]


def _assembled(machine: str, denied: Mapping[str, Numbers], checks: Iterable[tuple[Numbers, list[bytes]]]) -> bytes:
    ops = [_op(_LOAD, _ARCH_AT), _op(_EQUAL, _ARCH[machine], then=1), _op(_RETURN, _KILL), _op(_LOAD, _NUMBER_AT)]
    column = _MACHINES.index(machine)
    if machine == "x86_64":
        ops += [_op(_AT_LEAST, _X32_BIT, otherwise=1), _op(_RETURN, _KILL)]
    for numbers, check in checks:
        number = numbers[column]
        if number is not None:
            ops += [_op(_EQUAL, number, otherwise=len(check)), *check]
    refused = sorted(number for number in (pair[column] for pair in denied.values()) if number is not None)
    ops += [_op(_EQUAL, number, then=len(refused) - at) for at, number in enumerate(refused)]
    ops += [_op(_RETURN, _ALLOW), _error(_EPERM)]
    return b"".join(ops)
