"""The neighbour of a probe: a sandbox with a secret of each kind that another one could want."""

# ruff: noqa: PTH123

import ctypes
import os
import platform
import signal
import socket

libc = ctypes.CDLL(None, use_errno=True)
kept = []
with open(os.environ["TMP"] + "/mine", "w") as file:
    file.write("of the neighbour")
listener = socket.create_server(("127.0.0.1", 0))
key = os.environ["KEY"]
memory = libc.shmget(int(key), 4096, 0o1666)
mq_open = {"x86_64": 240, "aarch64": 180}[platform.machine()]
libc.syscall(mq_open, b"fn-test-" + key.encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
try:
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0" + os.environ["NAME"])
    abstract.listen()
except OSError:
    pass
print(listener.getsockname()[1], flush=True)
signal.pause()
