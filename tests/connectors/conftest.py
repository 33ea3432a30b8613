"""Every connector as a subject of the contract suite; the servers that some of them need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors import database_servers, database_subjects, file_subjects, object_store, web_server
from tests.connectors.subject import Subject
from tests.connectors.web_subjects import WEB, S3Subject, WebSubject

FILES = tuple(file_subjects.subjects(Path()))
DATABASES = ("postgresql", "mariadb", "sqlalchemy", "sqlalchemy-postgresql", "sqlalchemy-mariadb")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[database_servers.Running]:
    with database_servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[database_servers.Running]:
    with database_servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[object_store.Bucket]:
    with object_store.running() as bucket:
        yield bucket


@pytest.fixture
def site() -> Iterator[web_server.Site]:
    with web_server.running() as running:
        yield running


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", database_servers.PASSWORD)
    monkeypatch.setenv("S3_ACCESS", object_store.ACCESS)
    monkeypatch.setenv("S3_SECRET", object_store.SECRET)
    monkeypatch.setattr("connectors.fetching._FIRST_PAUSE", 0.01)


@pytest.fixture(params=(*FILES, *DATABASES, *(f"http-{kind}" for kind in WEB), "s3"))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    match request.param:
        case "postgresql":
            return database_subjects.PostgresqlSubject(request.getfixturevalue("postgresql"))
        case "mariadb":
            return database_subjects.MariadbSubject(request.getfixturevalue("mariadb"))
        case "sqlalchemy-postgresql":
            return database_subjects.PostgresqlSubject(request.getfixturevalue("postgresql"), "psycopg")
        case "sqlalchemy-mariadb":
            return database_subjects.MariadbSubject(request.getfixturevalue("mariadb"), "pymysql")
        case "sqlalchemy":
            return database_subjects.SqliteSubject(tmp_path)
        case "s3":
            bucket = request.getfixturevalue("s3")
            return S3Subject(bucket.client, bucket.port)
        case name if name.startswith("http-"):
            return WebSubject(request.getfixturevalue("site"), name.removeprefix("http-"))
        case name:
            return file_subjects.subjects(tmp_path)[name]
