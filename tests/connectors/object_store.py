"""S3 as moto serves it, in a thread of this process, with faults in front of it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCESS = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@dataclass
class Bucket:
    """A running store with the bucket `bucket`."""

    port: int
    client: Any
    refusals: list[str] = field(default_factory=list)
    """Statuses that are answered before anything else."""


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        pass


@contextmanager
def running(tls: ssl.SSLContext | None = None, ca: str | None = None) -> Iterator[Bucket]:
    """A store on a free loopback port."""
    app = DomainDispatcherApplication(create_backend_app)
    refusals: list[str] = []

    def front(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if refusals and environ["REQUEST_METHOD"] == "GET" and "HTTP_RANGE" in environ:
            start(refusals.pop(0), [("Content-Length", "0")])
            return [b""]
        return app(environ, start)  # type: ignore[no-any-return]

    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=_Quiet, ssl_context=tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        client = boto3.client(
            "s3",
            endpoint_url=f"{'https' if tls else 'http'}://localhost:{server.port}",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            verify=ca,
        )
        client.create_bucket(Bucket="bucket")
        yield Bucket(server.port, client, refusals)
    finally:
        server.shutdown()
        thread.join()
