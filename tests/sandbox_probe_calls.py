"""The probe's attempts by system calls, shared memory, the network, and on its neighbour (sandbox_probe.py)."""

# ruff: noqa: B023

import ctypes
import json
import mmap
import os
import socket
import struct

from sandbox_probe_tools import attempt, call, checked, column, found, given, in_child, libc, read, task, text, write


def calls():
    kinds = {"user": 0x10000000, "mnt": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000,
             "uts": 0x4000000, "cgroup": 0x2000000}  # fmt: skip
    for kind, flag in kinds.items():
        call(f"unshare {kind}", (272, 97), flag)
        call(f"clone {kind}", (56, 220), flag | 17, 0, 0, 0, 0)
    call("clone3", (435, 435), 0, 0)
    call("setns into pid 1", (308, 268), os.open("/proc/self/ns/net", os.O_RDONLY), 0)
    call("ptrace attach to pid 1", (101, 117), 16, 1, 0, 0)
    call("process_vm_readv of pid 1", (310, 270), 1, 0, 0, 0, 0, 0)
    call("perf_event_open of all", (298, 241), 0, -1, 0, -1, 0)
    for name, numbers in json.loads(text(f"{task}/denied.json")).items():
        call(name, numbers, 0, 0, 0, 0, 0, 0)
    if column == 0:
        found["x32 call"] = in_child(lambda: libc.syscall(ctypes.c_long(0x40000000 + 39)))
        found["int 0x80"] = in_child(interrupt)


def interrupt():
    """getpid as a 32-bit program asks for it: mov eax, 20; int 0x80; ret."""
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(area)))()


def shared_memory():
    """By the keys that the neighbour has made, if it could."""
    call("shmget of the neighbour", (29, 194), int(given["KEY"]), 0, 0)
    attempt("make shared memory", lambda: checked(libc.shmget(0, 4096, 0o1600)))
    name = ctypes.create_string_buffer(b"fn-test-" + given["KEY"].encode())
    call("mq_open of the neighbour", (240, 180), ctypes.addressof(name), 0, 0, 0)


def network():
    port = int(given["HOST_PORT"])
    tcp, stream, datagram = socket.AF_INET, socket.SOCK_STREAM, socket.SOCK_DGRAM

    def to(address, family=tcp, kind=stream, protocol=0):
        with socket.socket(family, kind, protocol) as s:
            s.settimeout(5)
            s.connect(address)

    def quickly():
        with socket.socket() as s:
            s.sendto(b"x", 0x20000000, ("127.0.0.1", port))

    def by_datagram():
        with socket.socket(tcp, datagram) as s:
            s.sendto(b"x", ("127.0.0.1", int(given["UDP_PORT"])))

    def by_pair():
        one, _ = socket.socketpair(socket.AF_UNIX, datagram)
        one.connect(given["DATAGRAM_PATH"])

    attempt("raw socket", lambda: socket.socket(tcp, socket.SOCK_RAW, 1).close())
    attempt("packet socket", lambda: socket.socket(17, socket.SOCK_RAW, 0).close())
    attempt("vsock", lambda: socket.socket(40, stream, 0).close())
    attempt("alg socket", lambda: socket.socket(38, socket.SOCK_SEQPACKET, 0).close())
    attempt("host port", lambda: to(("127.0.0.1", port)))
    attempt("host port at the API's address", lambda: to(("169.254.100.1", port)))
    attempt("host port by fast open", quickly)
    attempt("host port by mptcp", lambda: to(("127.0.0.1", port), protocol=262))
    attempt("host port by udp", by_datagram)
    attempt("host's unix socket", lambda: to(given["UNIX_PATH"], socket.AF_UNIX))
    attempt("host's abstract socket", lambda: to("\0" + given["ABSTRACT"], socket.AF_UNIX))
    attempt("host's unix socket by a pair", by_pair)
    attempt("metadata", lambda: to(("169.254.169.254", 80)))
    attempt("outside", lambda: to(("192.0.2.1", 80)))
    attempt("netlink change", netlink_address)
    found["host name"] = socket.gethostname()
    found["interfaces"] = [name for _, name in socket.if_nameindex()]


def netlink_address():
    body = struct.pack("=BBBBI", 2, 32, 0, 0, 1) + struct.pack("=HH4s", 8, 2, bytes([10, 0, 0, 1]))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("=IHHII", 16 + len(body), 20, 0x605, 0, 0) + body)
        code = -struct.unpack_from("=i", s.recv(4096), 16)[0]
    if code:
        raise OSError(code, "netlink")


def neighbour():
    pid = int(given["PEER_PID"])
    for name in ("mem", "environ", "maps", "fd", "cwd/", "root/"):
        attempt(f"neighbour's {name}", lambda: read(f"/proc/{pid}/{name}"))
    attempt("signal neighbour", lambda: os.kill(pid, 0))
    attempt("neighbour's code", lambda: read(given["PEER_TASK"] + "/sandbox_peer.py"))
    attempt("neighbour's /tmp", lambda: read(given["PEER_TMP"] + "/mine"))
    attempt("write neighbour's /tmp", lambda: write(given["PEER_TMP"] + "/mine", flags=os.O_WRONLY))
    for name in ("PEER_API", "PEER_PORT"):
        host, port = given[name].split(":")
        if given[name] != given["API"]:
            attempt(f"neighbour's {name}", lambda: socket.create_connection((host, int(port)), 5).close())
    attempt("neighbour's abstract socket", lambda: socket.socket(socket.AF_UNIX).connect("\0" + given["PEER_NAME"]))
