"""The least that a process between callers and functions can do: a floor for benchmarks/invoke.py.

    python benchmarks/relay.py BOOTSTRAP COUNT

starts COUNT of them, prints the port that callers use, and hands events on until its input ends. It checks nothing,
logs nothing and isolates nothing: one loop, two kinds of connections, strings that are compared at their first byte.
What it reaches is what the machine, the load client and the functions themselves leave to any emulator in Python.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections import deque

ID = b"8f507cfc-1d2e-4f6b-9d1c-000000000001"
TAKEN = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


def event(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (ID, len(body)) + body


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Relay:
    def __init__(self) -> None:
        self.waiting = select.epoll()
        self.front, self.back = (socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(2))
        self.sockets = {self.front.fileno(): self.front, self.back.fileno(): self.back}
        self.runtimes: set[int] = set()
        self.idle: deque[socket.socket] = deque()
        self.queue: deque[tuple[socket.socket, bytes]] = deque()
        self.callers: dict[int, socket.socket] = {}
        for number in self.sockets:
            self.waiting.register(number, select.EPOLLIN)
        self.waiting.register(0, select.EPOLLIN)

    def accept(self, listener: socket.socket) -> None:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets[sock.fileno()] = sock
        if listener is self.back:
            self.runtimes.add(sock.fileno())
        self.waiting.register(sock.fileno(), select.EPOLLIN)

    def deliver(self) -> None:
        while self.queue and self.idle:
            caller, body = self.queue.popleft()
            runtime = self.idle.pop()
            self.callers[runtime.fileno()] = caller
            runtime.send(event(body))

    def readable(self, sock: socket.socket) -> None:
        data = sock.recv(65536)
        if not data:
            self.waiting.unregister(sock.fileno())
            self.runtimes.discard(sock.fileno())
            del self.sockets[sock.fileno()]
            sock.close()
        elif sock.fileno() not in self.runtimes:
            self.queue.append((sock, data.partition(b"\r\n\r\n")[2]))
            self.deliver()
        elif data.startswith(b"GET"):
            self.idle.append(sock)
            self.deliver()
        else:
            # http.client sends head and body in two writes.
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            while len(body) < length:
                body += sock.recv(65536)
            sock.send(TAKEN)
            self.callers.pop(sock.fileno()).send(answer(body))

    def run(self) -> None:
        while True:
            for number, _ in self.waiting.poll():
                if number == 0:
                    return
                sock = self.sockets[number]
                if sock is self.front or sock is self.back:
                    self.accept(sock)
                else:
                    self.readable(sock)


def main(bootstrap: str, count: int) -> None:
    relay = Relay()
    env = os.environ | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{relay.back.getsockname()[1]}"}
    running = [subprocess.Popen([bootstrap], env=env, stdin=subprocess.DEVNULL) for _ in range(count)]
    print(relay.front.getsockname()[1], flush=True)
    try:
        relay.run()
    finally:
        for each in running:
            each.kill()
            each.wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
