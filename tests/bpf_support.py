"""Runs a system call filter as the kernel would."""

from __future__ import annotations

import struct

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x50000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def judge(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """The verdict on one system call: a SECCOMP_RET value."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *(value & 0xFFFFFFFFFFFFFFFF for value in (*arguments, *[0] * 6)[:6]))
    at, register = 0, 0
    while True:
        code, then, otherwise, value = struct.unpack_from("HBBI", program, at * 8)
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (register,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            register &= value
        else:
            holds = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}[code]
            at += then if holds else otherwise
