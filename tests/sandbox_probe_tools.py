"""What the parts of the probe (sandbox_probe.py) share: attempts, and what they met. The standard library alone."""

# ruff: noqa: PTH123

import ctypes
import errno
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
given = dict(os.environ)
task, opt, tmp, secret = (given[name] for name in ("TASK", "OPT", "TMP", "SECRET"))
linux = given["TIER"] == "linux"
found = {}


def name_of(code):
    return errno.errorcode.get(code, str(code))


def attempt(name, action):
    try:
        result = action()
    except OSError as error:
        found[name] = name_of(error.errno)
    else:
        found[name] = "done" if result is None else result


def call(name, numbers, *arguments):
    number = numbers[column]
    if number is not None:
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
        found["call " + name] = "done" if result >= 0 else name_of(ctypes.get_errno())


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "call")


def write(path, data=b"x", flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def read(path):
    os.close(os.open(path, os.O_RDONLY))


def text(path):
    with open(path) as file:
        return file.read()


def in_child(action):
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def opens(path, flags=os.O_WRONLY):
    try:
        os.close(os.open(path, flags))
    except OSError:
        return False
    return True
