"""A real CKAN with its datastore, in a virtual environment of its own, with PostgreSQL and Redis.

Its Solr is one that finds nothing: CKAN asks for its schema and tells it of datasets, and only searching
needs what it answers, which nothing here does. Everything else is real.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from adbc_driver_postgresql import dbapi

from tests.connectors.database_servers import Running, postgres_uri
from tests.ports import free_port

REQUIREMENTS = Path(__file__).with_name("ckan.txt")
_SECONDS = 120
_ROLES = (
    "CREATE ROLE ckan LOGIN SUPERUSER PASSWORD 'ckan'",
    "CREATE ROLE store_reader LOGIN PASSWORD 'ckan'",
    "CREATE DATABASE ckan OWNER ckan",
    "CREATE DATABASE store OWNER ckan",
)


@dataclass(frozen=True)
class Ckan:
    """A running portal, and the token of its administrator."""

    home: str
    token: str

    def act(self, action: str, said: dict[str, Any], **files: Any) -> Any:
        """What an action of the API gives."""
        parts: dict[str, Any] = {"data": said, "files": files} if files else {"json": said}
        with httpx.Client(trust_env=False, timeout=_SECONDS) as client:
            answer = client.post(
                f"{self.home}/api/3/action/{action}", headers={"Authorization": self.token}, **parts
            )
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]


def install(folder: Path) -> Path:
    """The programs of a new virtual environment with CKAN in it."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    ways = ("--quiet", "--no-deps", "--only-binary", ":all:", "--no-binary", "feedgen,pysolr")
    subprocess.run([str(folder / "bin/pip"), "install", *ways, "-r", str(REQUIREMENTS)], check=True)
    return folder / "bin"


class _Solr(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        document = {"responseHeader": {"status": 0}, "status": "OK", "response": {"numFound": 0, "docs": []}}
        body = json.dumps(document).encode()
        if "/schema" in self.path:
            body = b'<schema name="ckan-2.12" version="1.6"/>'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _solr() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Solr)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@contextmanager
def running(folder: Path, database: Running) -> Iterator[Ckan]:
    """CKAN on a free loopback port, installed first."""
    programs = install(folder / "venv")
    with dbapi.connect(postgres_uri(database.port), autocommit=True) as owner, owner.cursor() as cursor:
        for statement in _ROLES:
            cursor.execute(statement)
    config = folder / "ckan.ini"

    def ckan(*words: str, configured: bool = True) -> str:
        at = ("-c", str(config)) if configured else ()
        done = subprocess.run(
            [str(programs / "ckan"), *at, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    base = f"127.0.0.1:{database.port}"
    with ExitStack() as stack:
        redis, port = free_port(), free_port()
        solr = stack.enter_context(_solr())
        command = [
            "redis-server",
            "--port",
            str(redis),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        stack.enter_context(_process(command, folder / "redis.log"))
        home = f"http://127.0.0.1:{port}"
        ckan("generate", "config", str(config), configured=False)
        settings = {
            "sqlalchemy.url": f"postgresql://ckan:ckan@{base}/ckan",
            "ckan.datastore.write_url": f"postgresql://ckan:ckan@{base}/store",
            "ckan.datastore.read_url": f"postgresql://store_reader:ckan@{base}/store",
            "ckan.redis.url": f"redis://127.0.0.1:{redis}/0",
            "solr_url": f"http://127.0.0.1:{solr}/solr/ckan",
            "ckan.site_url": home,
            "ckan.plugins": "datastore",
            "ckan.storage_path": str(folder / "files"),
        }
        pairs = [f"{name}={value}" for name, value in settings.items()]
        ckan("config-tool", str(config), *pairs, configured=False)
        ckan("db", "init")
        psql = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))[-1]
        rights = ckan("datastore", "set-permissions")
        subprocess.run(
            [str(psql), "-q", f"postgresql://ckan:ckan@{base}/store"], input=rights, text=True, check=True
        )
        ckan("user", "add", "admin", "email=admin@example.com", "password=a long password")
        ckan("sysadmin", "add", "admin")
        token = ckan("user", "token", "add", "admin", "tests").split()[-1]
        serve = [str(programs / "ckan"), "-c", str(config), "run", "-H", "127.0.0.1", "-p", str(port)]
        stack.enter_context(_process([*serve, "--disable-reloader"], folder / "web.log"))
        portal = Ckan(home, token)
        end = time.monotonic() + _SECONDS
        while True:
            with suppress(httpx.HTTPError):
                portal.act("status_show", {})
                break
            assert time.monotonic() < end, (folder / "web.log").read_text()
            time.sleep(0.2)
        yield portal
