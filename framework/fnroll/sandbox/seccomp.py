"""The system call filter of the `linux` tier, assembled by hand into classic BPF.

Pure: a table per machine in, bytes out. The table denies what a function has no business with and the kernel has often
got wrong: everything that makes or enters namespaces and mounts, looks into other processes, loads code into the
kernel, or sets the machine's clock and name. Capabilities are gone already; this is the second wall.

- A denied call answers EPERM, as it would without the capability, so that programs take their usual path.
- clone3 answers ENOSYS: its flags lie in memory, where a filter cannot look, and libc then falls back to clone.
- clone with a namespace flag answers EPERM.
- socket answers EAFNOSUPPORT except for unix, inet, inet6 and netlink: vsock reaches past every network namespace.
- Another machine's calls (32-bit, x32) kill the process: their numbers mean other things.
"""

from __future__ import annotations

import struct

_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_X32_BIT = 0x4000_0000
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE3 = 435
_NAMESPACE_FLAGS = 0x7E02_0000
_SOCKET_FAMILIES = (1, 2, 10, 16)

# name: (x86_64, aarch64); None where the machine has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
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

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENT_AT = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; `then` and `otherwise` are how many instructions to skip."""
    return struct.pack("HBBI", code, then, otherwise, value)


def program(machine: str) -> bytes:
    """The filter for `machine` ("x86_64" or "aarch64"), 8 bytes an instruction. KeyError for any other."""
    column = ("x86_64", "aarch64").index(machine) if machine in _ARCH else -1
    denied = sorted(n for n in (pair[column] for pair in DENIED.values()) if n is not None)
    ops = [
        _op(_LOAD, _ARCH_AT),
        _op(_EQUAL, _ARCH[machine], then=1),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        ops += [_op(_AT_LEAST, _X32_BIT, otherwise=1), _op(_RETURN, _KILL)]
    ops += [
        _op(_EQUAL, _CLONE3, otherwise=1),
        _op(_RETURN, _ERRNO | _ENOSYS),
        _op(_EQUAL, _CLONE[machine], otherwise=4),
        _op(_LOAD, _ARGUMENT_AT),
        _op(_ANY_BIT, _NAMESPACE_FLAGS, otherwise=1),
        _op(_RETURN, _ERRNO | _EPERM),
        _op(_RETURN, _ALLOW),
        _op(_EQUAL, _SOCKET[machine], otherwise=len(_SOCKET_FAMILIES) + 3),
        _op(_LOAD, _ARGUMENT_AT),
    ]
    families = len(_SOCKET_FAMILIES)
    ops += [_op(_EQUAL, family, then=families - at) for at, family in enumerate(_SOCKET_FAMILIES)]
    ops += [_op(_RETURN, _ERRNO | _EAFNOSUPPORT), _op(_RETURN, _ALLOW)]
    ops += [_op(_EQUAL, number, then=len(denied) - at) for at, number in enumerate(denied)]
    ops += [_op(_RETURN, _ALLOW), _op(_RETURN, _ERRNO | _EPERM)]
    return b"".join(ops)
