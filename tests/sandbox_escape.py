"""A program that tries to get out of a linux sandbox, and what it met.

`PROBE` runs inside and knows nothing of fnroll; `collect` sets the host's traps (a secret file, listeners) and returns
the probe's findings as name -> finding: the name of an errno, "done" where an attempt went through, or a value.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from pathlib import Path

from fnroll.errors import SandboxError
from fnroll.sandbox import open_host
from fnroll.sandbox.api import Layout, Program, SandboxSpec
from sandbox_contract import PYTHON, line_of, text_of

TMP_MB = 4

PROBE = r"""
import ctypes, errno, json, os, platform, signal, socket, struct, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
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
    if number is None:
        return
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    found["call " + name] = "done" if result >= 0 else name_of(ctypes.get_errno())


def write(path):
    with open(path, "w") as file:
        file.write("x")


def read(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.close(descriptor)


def in_child(action):
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


secret = os.environ["SECRET"]
for path in ("/var/task/x", "/opt/x", "/usr/x", "/usr/bin/x", "/etc/x", "/x", "/dev/x", "/dev/shm/x", "/run/x",
             "/sys/x", "/var/x", "/proc/x"):
    attempt("write " + path, lambda: write(path))
attempt("change /var/task/code", lambda: write("/var/task/code"))
attempt("chmod /var/task/code", lambda: os.chmod("/var/task/code", 0o777))
attempt("unlink /var/task/code", lambda: os.unlink("/var/task/code"))
attempt("chmod /dev/null", lambda: os.chmod("/dev/null", 0o600))
attempt("write /tmp", lambda: write("/tmp/x"))
attempt("read secret", lambda: read(secret))
attempt("read secret by link", lambda: read("/var/task/link"))
attempt("read secret by ..", lambda: read("/var/task/../../../.." + secret))
attempt("read secret by pid 1", lambda: read("/proc/1/root" + secret))
for path in ("/root", "/home", "/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/var/lib", "/sys/kernel", "/boot",
             "/mnt", "/srv", "/etc/machine-id"):
    attempt("read " + path, lambda: read(path))
found["top"] = sorted(os.listdir("/"))
found["accounts"] = [line.split(":")[0] for line in open("/etc/passwd")]
found["mounts"] = sorted(line.split()[1] for line in open("/proc/mounts") if line.split()[1].count("/") < 3)
found["pids"] = [name for name in os.listdir("/proc") if name.isdigit()]
found["ids"] = [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups()]
status = dict(line.rstrip("\n").split(":\t") for line in open("/proc/self/status") if ":\t" in line)
for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
    found[key] = int(status[key], 16)
found["NoNewPrivs"], found["Seccomp"] = status["NoNewPrivs"], status["Seccomp"]
found["descriptors"] = sorted(os.listdir("/proc/self/fd"))[:-1]
found["host name"] = socket.gethostname()
found["interfaces"] = [name for _, name in socket.if_nameindex()]
found["session"] = [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()]

attempt("signal another", lambda: os.kill(int(os.environ["HOST_PID"]), 0))
attempt("signal all", lambda: os.kill(-1, 0))
attempt("setuid 0", lambda: os.setuid(0))
attempt("setgroups", lambda: os.setgroups([0]))
attempt("mknod", lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(254, 0)))
attempt("nice", lambda: os.nice(-5) and None)
done = subprocess.run(["/var/task/setuid-id", "-u"], capture_output=True, text=True)
found["setuid program"] = done.stdout.strip()
for path, text in (("/proc/sysrq-trigger", "h"), ("/proc/self/oom_score_adj", "-1"), ("/proc/self/uid_map", "0 993 1")):
    def attempt_write(path=path, text=text):
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    attempt("write " + path, attempt_write)
writable = []
for folder, _, files in os.walk("/proc/sys"):
    for file in files:
        try:  # what is there already, so that a hole does no harm; some files open and only then refuse
            descriptor = os.open(os.path.join(folder, file), os.O_RDWR)
            os.write(descriptor, os.read(descriptor, 4096))
        except OSError:
            continue
        writable.append(os.path.join(folder, file))
found["writable settings"] = writable

NEW = {"user": 0x10000000, "mnt": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000, "uts": 0x4000000,
       "cgroup": 0x2000000}
for kind, flag in NEW.items():
    call("unshare " + kind, (272, 97), flag)
    call("clone " + kind, (56, 220), flag | 17, 0, 0, 0, 0)
call("clone3", (435, 435), 0, 0)
call("setns", (308, 268), os.open("/proc/self/ns/net", os.O_RDONLY), 0)
call("mount", (165, 40), 0, 0, 0, 0, 0)
call("umount2", (166, 39), 0, 0)
call("pivot_root", (155, 41), 0, 0)
call("chroot", (161, 51), 0)
call("open_tree", (428, 428), -100, 0, 1)
call("move_mount", (429, 429), 0, 0, 0, 0, 0)
call("fsopen", (430, 430), 0, 0)
call("mount_setattr", (442, 442), 0, 0, 0, 0, 0)
call("open_by_handle_at", (304, 265), 0, 0, 0)
call("ptrace", (101, 117), 0, 0, 0, 0)
call("process_vm_readv", (310, 270), 1, 0, 0, 0, 0, 0)
call("process_vm_writev", (311, 271), 1, 0, 0, 0, 0, 0)
call("pidfd_getfd", (438, 438), 0, 0, 0)
call("bpf", (321, 280), 0, 0, 0)
call("perf_event_open", (298, 241), 0, 0, -1, -1, 0)
call("userfaultfd", (323, 282), 0)
call("io_uring_setup", (425, 425), 1, 0)
call("keyctl", (250, 219), 0, 0)
call("add_key", (248, 217), 0, 0, 0, 0, 0)
call("request_key", (249, 218), 0, 0, 0, 0)
call("kexec_load", (246, 104), 0, 0, 0, 0)
call("init_module", (175, 105), 0, 0, 0)
call("finit_module", (313, 273), -1, 0, 0)
call("quotactl", (179, 60), 0, 0, 0, 0)
call("settimeofday", (164, 170), 0, 0)
call("clock_settime", (227, 112), 0, 0)
call("sethostname", (170, 161), 0, 0)
call("reboot", (169, 142), 0, 0, 0, 0)
call("syslog", (103, 116), 10, 0, 0)
call("swapon", (167, 224), 0, 0)
call("acct", (163, 89), 0)
if column == 0:
    found["x32 call"] = in_child(lambda: libc.syscall(ctypes.c_long(0x40000000 + 39)))

attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())
attempt("packet socket", lambda: socket.socket(17, socket.SOCK_RAW, 0).close())
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM, 0).close())
attempt("alg socket", lambda: socket.socket(38, socket.SOCK_SEQPACKET, 0).close())
for host in ("127.0.0.1", "169.254.100.1"):
    attempt("host port at " + host, lambda: socket.create_connection((host, int(os.environ["HOST_PORT"])), 5).close())
attempt("metadata", lambda: socket.create_connection(("169.254.169.254", 80), 5).close())
attempt("outside", lambda: socket.create_connection(("192.0.2.1", 80), 5).close())


def abstract():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("\0" + os.environ["ABSTRACT"])


attempt("abstract socket", abstract)


def netlink_address():
    body = struct.pack("=BBBBI", 2, 32, 0, 0, 1) + struct.pack("=HH4s", 8, 2, bytes([10, 0, 0, 1]))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("=IHHII", 16 + len(body), 20, 0x605, 0, 0) + body)
        code = -struct.unpack_from("=i", s.recv(4096), 16)[0]
    if code:
        raise OSError(code, "netlink")


attempt("netlink change", netlink_address)

os.unlink("/tmp/x")
size = 0
try:
    with open("/tmp/big", "wb", buffering=0) as file:
        while size < 64 << 20:
            size += file.write(bytes(65536))
except OSError as error:
    found["fill /tmp"] = [name_of(error.errno), size >> 20]
os.unlink("/tmp/big")
count = 0
try:
    while count < 100_000:
        os.close(os.open(f"/tmp/f{count}", os.O_CREAT | os.O_WRONLY))
        count += 1
except OSError as error:
    found["many files"] = [name_of(error.errno), count < 1024]

children = 0
try:
    while children < 3000:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children += 1
except OSError as error:
    found["fork bomb"] = [name_of(error.errno), children]
print(json.dumps(found), flush=True)
signal.pause()
"""


async def refusal(tier: str) -> str | None:
    """Why this machine does not give the tier to this user, or None."""
    try:
        host = await open_host(tier)  # type: ignore[arg-type]
    except SandboxError as error:
        return str(error)
    await host.close()
    return None


async def collect() -> dict[str, object]:
    host = await open_host("linux")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        secret, task = base / "secret", base / "task"
        secret.write_text("of the host")
        task.mkdir()
        (task / "code").write_text("code")
        (task / "link").symlink_to(secret)
        (task / "probe.py").write_text(PROBE)
        shutil.copy(os.path.realpath("/usr/bin/id"), task / "setuid-id")
        (task / "setuid-id").chmod(0o4755)
        abstract = f"fn-test-{os.getpid()}"
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as unix:
            unix.bind("\0" + abstract)
            unix.listen()
            env = {
                "SECRET": str(secret),
                "HOST_PORT": str(listener.getsockname()[1]),
                "ABSTRACT": abstract,
                "HOST_PID": str(os.getpid()),
            }

            def program(layout: Layout) -> Program:
                return Program((PYTHON, "-I", "-S", f"{layout.task}/probe.py"), env, layout.task)

            try:
                sandbox = await host.create(SandboxSpec(program, task, tmp_mb=TMP_MB, memory_mb=3008))
                found = dict(json.loads(await line_of(sandbox)))
                shell = SandboxSpec(lambda _: Program(("/bin/sh", "-c", "/bin/true; echo fine"), {}, "/"), task)
                found["neighbour of the bomb"] = await text_of(await host.create(shell))
            finally:
                await host.close()
    return found
