"""Dummy tables are files in one folder, whatever tables are called."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.rooms.dummies import fill
from sandbox.rooms.upstream import Upstream

TABLES = ("people", "../people", "/etc/people", "人口")


class Service(BaseHTTPRequestHandler):
    """Lists four tables, and has two rows for any."""

    def do_GET(self) -> None:
        if self.path == "/v1/datasets":
            listed = [{"dataset": "d", "tables": [{"name": name} for name in TABLES]}]
            body = json.dumps({"datasets": listed}).encode()
        else:
            stream = io.BytesIO()
            table = pa.table({"x": [1, 2]})
            with pa.ipc.new_stream(stream, table.schema) as writer:
                writer.write_table(table)
            body = stream.getvalue()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def test_a_table_named_like_a_path_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "dummy"
    folder.mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        asyncio.run(fill(folder, Upstream(f"http://127.0.0.1:{service.server_port}", "a token")))
        service.shutdown()
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == [
        "a/dummy/d.people.parquet",
        "a/dummy/d.人口.parquet",
    ]
    assert pq.read_table(folder / "d.people.parquet").num_rows == 2
