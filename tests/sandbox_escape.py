"""Ways out of a sandbox, tried by a program inside (sandbox_probe.py) that has a neighbour (sandbox_peer.py).

`collect` sets the host's traps (a secret file, sockets of every kind), runs both, and returns the probe's findings,
with what arrived at the traps.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fnroll.errors import SandboxError
from fnroll.sandbox import open_host, seccomp
from fnroll.sandbox.api import Layout, Program, Sandbox, SandboxHost, SandboxSpec
from sandbox_contract import PYTHON, line_of, shell, text_of

TMP_MB = 4

MEMORY_MB = 3008
"""The page tables of a thousand Python processes count."""


async def refusal(tier: str) -> str | None:
    """Why this machine does not give the tier to this user, or None."""
    try:
        host = await open_host(tier)  # type: ignore[arg-type]
    except SandboxError as error:
        return str(error)
    await host.close()
    return None


@dataclass(frozen=True, slots=True)
class Traps:
    """Open sockets of the host, by name, and how to find them."""

    sockets: dict[str, socket.socket]
    env: dict[str, str]

    def caught(self) -> list[str]:
        """The sockets at which something has arrived."""
        return [name for name, sock in self.sockets.items() if arrived(sock)]


def arrived(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        if sock.type == socket.SOCK_STREAM:
            sock.accept()[0].close()
        else:
            sock.recv(1)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def traps(base: Path) -> Iterator[Traps]:
    secret, path, datagram_path = base / "secret", base / "socket", base / "datagram"
    secret.write_text("of the host")
    abstract = f"fn-test-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        sockets = {
            "tcp": stack.enter_context(socket.create_server(("127.0.0.1", 0))),
            "udp": stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
            "unix": stack.enter_context(socket.socket(socket.AF_UNIX)),
            "datagram": stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)),
            "abstract": stack.enter_context(socket.socket(socket.AF_UNIX)),
        }
        sockets["udp"].bind(("127.0.0.1", 0))
        for name, address in (("unix", str(path)), ("datagram", str(datagram_path)), ("abstract", "\0" + abstract)):
            sockets[name].bind(address)
        for name in ("unix", "abstract"):
            sockets[name].listen()
        path.chmod(0o777)
        datagram_path.chmod(0o777)
        yield Traps(
            sockets,
            {
                "SECRET": str(secret),
                "HOST_PORT": str(sockets["tcp"].getsockname()[1]),
                "UDP_PORT": str(sockets["udp"].getsockname()[1]),
                "UNIX_PATH": str(path),
                "DATAGRAM_PATH": str(datagram_path),
                "ABSTRACT": abstract,
                "HOST_PID": str(os.getpid()),
            },
        )


def script(name: str, directory: Path) -> None:
    """Put a program of ours into a directory of code."""
    directory.mkdir()
    for path in Path(__file__).parent.glob(f"sandbox_{name}*.py"):
        shutil.copy(path, directory)


def running(name: str, env: dict[str, str], directory: Path, opt: Path | None = None) -> SandboxSpec:
    def program(layout: Layout) -> Program:
        places = {"TASK": layout.task, "OPT": layout.opt, "TMP": layout.tmp, "API": layout.api}
        return Program((PYTHON, "-I", "-S", f"{layout.task}/sandbox_{name}.py"), env | places, layout.task)

    return SandboxSpec(program, directory, opt, tmp_mb=TMP_MB, memory_mb=MEMORY_MB)


async def peer(host: SandboxHost, directory: Path) -> tuple[Sandbox, dict[str, str]]:
    """The neighbour, and what the probe is told of it."""
    script("peer", directory)
    key, name = str(0x666E0000 + os.getpid() % 0x10000), f"fn-test-peer-{os.getpid()}"
    sandbox = await host.create(running("peer", {"KEY": key, "NAME": name}, directory))
    port = await line_of(sandbox)
    return sandbox, {
        "KEY": key,
        "PEER_NAME": name,
        "PEER_PID": str(program_of(sandbox)),
        "PEER_TASK": str(directory),
        "PEER_TMP": sandbox.layout.tmp,
        "PEER_API": sandbox.layout.api,
        "PEER_PORT": f"127.0.0.1:{port}",
    }


def program_of(sandbox: Sandbox) -> int:
    """The pid of the only program."""
    return int(Path(f"/proc/{sandbox.pid}/task/{sandbox.pid}/children").read_text().split()[0])


async def collect(tier: str) -> dict[str, object]:
    host = await open_host(tier)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as name, traps(Path(name)) as set_traps:
        base = Path(name)
        base.chmod(0o755)
        task, opt = base / "task", base / "layers"
        script("probe", task)
        opt.mkdir()
        (task / "code").write_text("code")
        (task / "link").symlink_to(base / "secret")
        (task / "denied.json").write_text(json.dumps(seccomp.DENIED))
        shutil.copy(os.path.realpath("/usr/bin/id"), task / "setuid-id")
        (task / "setuid-id").chmod(0o4755)
        try:
            neighbour, told = await peer(host, base / "peer")
            env = set_traps.env | told | {"TIER": tier, "TMP_MB": str(TMP_MB)}
            sandbox = await host.create(running("probe", env, task, opt))
            found = dict(json.loads(await line_of(sandbox)))
            sockets = {"neighbour's API": neighbour.listener, "own API": sandbox.listener}
            found["arrived at the host"] = [*set_traps.caught(), *(n for n, s in sockets.items() if arrived(s))]
            found["neighbour's file"] = (base / "peer" / "sandbox_peer.py").stat().st_size > 0
            shelled = SandboxSpec(shell("/bin/true; echo fine"), task)
            found["neighbour of the bomb"] = await text_of(await host.create(shelled))
        finally:
            await host.close()
    return found
