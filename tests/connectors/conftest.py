"""Every connector as a subject of the contract suite; the servers that some of them need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors import database_servers, database_subjects, file_subjects
from tests.connectors.subject import Subject

FILES = tuple(file_subjects.subjects(Path()))
DATABASES = ("postgresql", "mariadb", "sqlalchemy")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[database_servers.Running]:
    with database_servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[database_servers.Running]:
    with database_servers.mariadb() as server:
        yield server


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", database_servers.PASSWORD)


@pytest.fixture(params=(*FILES, *DATABASES))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    match request.param:
        case "postgresql":
            return database_subjects.PostgresqlSubject(request.getfixturevalue("postgresql"))
        case "mariadb":
            return database_subjects.MariadbSubject(request.getfixturevalue("mariadb"))
        case "sqlalchemy":
            return database_subjects.SqliteSubject(tmp_path)
        case name:
            return file_subjects.subjects(tmp_path)[name]
