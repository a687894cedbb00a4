"""Ways to take 400 MB: name -> (a program that prints how many MB it has got in the end, whether all of that lies in
processes, where it is seen without a control group). Those that are looked at now and then, not stopped by the kernel,
hold what they took for a while: a busy machine looks late."""

from __future__ import annotations

_START = "import fcntl, os, socket, mmap, time\npiece, got, kept = bytes(1 << 20), 0, []\n"

_FILL = """
def fill(descriptor):
    "Write until it has taken no more for a while."
    global got
    os.set_blocking(descriptor, False)
    stalls = 0
    while stalls < 3:
        try:
            got += os.write(descriptor, piece[:65536])
            stalls = 0
        except OSError:
            stalls += 1
            time.sleep(0.0005)
"""

_FAMILY = """
told, tell = os.pipe()
os.set_blocking(told, False)
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(50 << 20)
        os.write(tell, b"x")
        time.sleep(1000)
dead = had = 0
while dead + had < 8:
    dead += os.waitpid(-1, os.WNOHANG)[0] != 0
    try: had += len(os.read(told, 8))
    except OSError: time.sleep(0.001)
time.sleep(0.3)
while dead < 8 and os.waitpid(-1, os.WNOHANG)[0]: dead += 1
print((8 - dead) * 50)
"""

_SYSTEM_V = """
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
for _ in range(8):  # attached to nothing afterwards
    number = libc.shmget(0, 50 << 20, 0o1600)
    if number < 0: break
    at = libc.shmat(number, None, 0)
    ctypes.memset(at, 1, 50 << 20)
    libc.shmdt(ctypes.c_void_p(at))
    got += 50
print(got)
"""

_TCP = """
with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
    for _ in range(400):
        try: one = socket.create_connection(server.getsockname(), 5)
        except OSError: break
        kept += [one, server.accept()[0]]
        fill(one.fileno())
print(got >> 20)
"""

_UDP = """
for _ in range(900):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    one.bind(("127.0.0.1", 0))
    one.setblocking(False)
    kept.append(one)
    for _ in range(100):
        try: one.sendto(piece[:8000], one.getsockname())
        except OSError: break
for one in kept:  # what really lies there
    try:
        while True: got += len(one.recv(8000))
    except OSError: pass
print(got >> 20)
"""

_UNIX = """
for _ in range(500):
    pair = socket.socketpair()
    kept += pair
    for one in pair:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        fill(one.fileno())
print(got >> 20)
"""

_PIPES = """
for _ in range(500):
    read, write = os.pipe()
    try: fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)
    except OSError: pass
    fill(write)
print(got >> 20)
"""

_SHARED = """
area = mmap.mmap(-1, 400 << 20)
for at in range(400): area[at << 20 : (at + 1) << 20] = piece
time.sleep(0.5)
print(400)
"""

_MEMFD = """
file = os.memfd_create("x")
for _ in range(400): got += os.write(file, piece)
print(got >> 20)
"""

MEMORY: dict[str, tuple[str, bool]] = {
    "anonymous": (_START + "for _ in range(400): kept.append(bytearray(piece))\ntime.sleep(0.5)\nprint(400)", True),
    "of_children": (_START + _FAMILY, True),
    "shared": (_START + _SHARED, True),
    "files_in_memory": (_START + _MEMFD, False),
    "system_v": (_START + _SYSTEM_V, False),
    "tcp": (_START + _FILL + _TCP, False),
    "udp": (_START + _UDP, False),
    "unix_sockets": (_START + _FILL + _UNIX, False),
    "pipes": (_START + _FILL + _PIPES, False),
}

PAGE_CACHE = """
import os
read = 0
for folder, _, names in os.walk("/usr"):
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file: read += len(file.read(1 << 24))
        except OSError: pass
    if read > 120 << 20: break
print(read >> 20)
"""
"""Files of the system, far more than the memory limit: the kernel gives their pages back."""
