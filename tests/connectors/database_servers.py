"""Real PostgreSQL and MariaDB servers on a free loopback port, in a folder of their own, never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
import trustme
from adbc_driver_postgresql import dbapi

from tests.ports import free_port

PASSWORD = "a päss/word:@"
_SECONDS = 180


@dataclass(frozen=True)
class Running:
    """A server, and the authority that signed its certificate (for `localhost`)."""

    port: int
    folder: Path
    ca: Path
    process: subprocess.Popen[bytes]


def _as(user: str) -> list[str]:
    """Servers refuse to run as root; whoever runs the tests otherwise runs them too. They end with us."""
    if os.geteuid():
        return ["setpriv", "--pdeathsig", "TERM"]
    entry = pwd.getpwnam(user)
    ids = ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups"]
    return ["setpriv", *ids, "--pdeathsig", "TERM"]


@contextmanager
def _folder(user: str) -> Iterator[tuple[Path, Path]]:
    # Short for sockets, and open to the server's own user; pytest's folders are neither.
    folder = Path(tempfile.mkdtemp(prefix="sandbox-", dir="/tmp"))
    try:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        server = authority.issue_cert("localhost")
        server.private_key_pem.write_to_path(str(folder / "key.pem"))
        for place, blob in enumerate(server.cert_chain_pems):
            blob.write_to_path(str(folder / "cert.pem"), append=bool(place))
        (folder / "key.pem").chmod(0o600)
        if not os.geteuid():
            entry = pwd.getpwnam(user)
            for path in (folder, *folder.iterdir()):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        yield folder, folder / "ca.pem"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, check=False, timeout=_SECONDS, env=_environment(folder)
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@contextmanager
def _running(command: list[str], folder: Path, port: int, ca: Path, ready: object) -> Iterator[Running]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env=_environment(folder)
        )
        try:
            end = time.monotonic() + _SECONDS
            while True:
                with suppress(Exception):
                    ready()  # type: ignore[operator]
                    break
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.1)
            yield Running(port, folder, ca, process)
        finally:
            process.kill()
            process.wait()


def postgres_uri(port: int, database: str = "postgres") -> str:
    return f"postgresql://owner:a%20p%C3%A4ss%2Fword%3A%40@127.0.0.1:{port}/{database}"


@contextmanager
def postgresql() -> Iterator[Running]:
    """A PostgreSQL server with the superuser `owner`."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    port = free_port()
    with _folder("postgres") as (folder, ca):
        (folder / "pw").write_text(PASSWORD)
        (folder / "pw").chmod(0o644)
        data = folder / "data"
        _run(
            [
                *_as("postgres"),
                f"{programs}/initdb",
                *("-D", str(data), "-U", "owner", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
                *("--auth=scram-sha-256", f"--pwfile={folder}/pw"),
            ],
            folder,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "32MB",
            "ssl": "on",
            "ssl_cert_file": str(folder / "cert.pem"),
            "ssl_key_file": str(folder / "key.pem"),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*_as("postgres"), f"{programs}/postgres", "-D", str(data), "-p", str(port), *options]
        with _running(command, folder, port, ca, lambda: dbapi.connect(postgres_uri(port)).close()) as server:
            yield server


def mariadb_root(port: int) -> pymysql.Connection:
    return pymysql.connect(host="127.0.0.1", port=port, user="root", charset="utf8mb4", autocommit=True)


@contextmanager
def mariadb() -> Iterator[Running]:
    """A MariaDB server with the superuser `root` (no password) and the user `reader`."""
    port = free_port()
    with _folder("mysql") as (folder, ca):
        data = folder / "data"
        _run(
            [
                *_as("mysql"),
                "mariadb-install-db",
                *("--no-defaults", f"--datadir={data}", "--skip-test-db"),
                "--auth-root-authentication-method=normal",
            ],
            folder,
        )
        command = [
            *_as("mysql"),
            "mariadbd",
            *("--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"),
            *(f"--socket={folder}/s", f"--pid-file={folder}/pid", "--skip-log-bin"),
            *("--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4"),
            *(f"--ssl-cert={folder}/cert.pem", f"--ssl-key={folder}/key.pem"),
        ]
        with _running(command, folder, port, ca, lambda: mariadb_root(port).close()) as server:
            with mariadb_root(port) as root, root.cursor() as cursor:
                cursor.execute("CREATE DATABASE registry")
                cursor.execute("CREATE USER reader@'%%' IDENTIFIED BY %s", (PASSWORD,))
                cursor.execute("GRANT SELECT ON registry.* TO reader@'%'")
            yield server
