"""A real HTTP server that misbehaves on purpose, one scripted act per connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Act = Callable[[socket.socket], None]


def reply(status: str, body: bytes, kind: str = "application/json", *headers: str) -> Act:
    """Read a request, send a whole reply."""
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]

    def act(line: socket.socket) -> None:
        read_request(line)
        line.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return act


def hang_up(line: socket.socket) -> None:
    """Read a request, then close without a word."""
    read_request(line)


def half_a_reply(line: socket.socket) -> None:
    """Read a request, send a part of a reply, close."""
    read_request(line)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


def silence(line: socket.socket) -> None:
    """Read a request, then say nothing until the caller gives up."""
    read_request(line)
    line.settimeout(60)
    line.recv(1)


def read_request(line: socket.socket) -> bytes:
    """One whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += line.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for field in head.split(b"\r\n"):
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body


class Wire:
    """The address, and how many acts were played."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.played = 0


@contextmanager
def serving(*acts: Act) -> Iterator[Wire]:
    """Play `acts`, one per connection, then refuse connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def play() -> None:
        with listener:
            for act in acts:
                try:
                    line, _ = listener.accept()
                except (TimeoutError, OSError):
                    return
                wire.played += 1
                with line:
                    line.settimeout(60)
                    act(line)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(120)
