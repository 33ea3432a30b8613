"""A home, or a part of one, that somebody set back or altered from outside is refused when it is opened."""

# ruff: noqa: E501 - statements as SQL has them

from __future__ import annotations

import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import home as homes
from sandbox.service import loading, opc
from sandbox.service.reports import LoadRequest
from tests.service.instance import OPERATOR, acting, copied, opened_with, settings

TABLES = "SELECT COUNT(*) AS n FROM districts"


def use(home: Path, folder: Path) -> None:
    """One more load and one more question."""
    instance = homes.open_home(settings(home))
    file = folder / "districts.csv"
    file.write_text("name,area\nnorth,1\n", "utf-8")
    loading.load(instance, OPERATOR, LoadRequest(str(file), "town", "districts"))
    opc.ask(instance, acting(instance, "li"), "SELECT COUNT(*) AS n FROM residents", "town-2026", Decimal(1))
    homes.close(instance)


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return copied(template, tmp_path / "home")


def test_an_older_copy_of_the_store_is_refused(home: Path, tmp_path: Path) -> None:
    older = (home / "store.sqlite").read_bytes()
    use(home, tmp_path)
    newer = (home / "store.sqlite").read_bytes()
    (home / "store.sqlite").write_bytes(older)
    assert opened_with(home) is ErrorCode.LOG_CORRUPT
    with pytest.raises(SandboxError, match="older copy"):
        homes.open_home(settings(home))
    (home / "store.sqlite").write_bytes(newer)
    assert opened_with(home) is None


def test_a_mark_that_lags_is_allowed_and_any_other_is_not(home: Path, tmp_path: Path) -> None:
    mark = home / "store.sqlite.mark"
    older = mark.read_bytes()
    use(home, tmp_path)
    whole = mark.read_bytes()
    mark.write_bytes(older)
    assert opened_with(home) is None, "a power cut may have lost the newest mark"
    for content in (b"", whole[:-1], whole + b"\0", whole.replace(b" ", b"1 ", 1), b"9" + whole[1:]):
        mark.write_bytes(content)
        assert opened_with(home) is ErrorCode.LOG_CORRUPT
    for at in range(0, len(whole), 7):
        mark.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert opened_with(home) is ErrorCode.LOG_CORRUPT, at
    mark.unlink()
    assert opened_with(home) is ErrorCode.LOG_CORRUPT
    mark.write_bytes(whole)
    assert opened_with(home) is None


ALTERATIONS = {
    "an older version is current again": "INSERT INTO catalog_chosen VALUES ('town', 'districts', 1)",
    "a version is gone": "DELETE FROM catalog_version WHERE \"table\" = 'districts' AND version = 2",
    "an older version in the place of a newer": "UPDATE catalog_version SET files = (SELECT files FROM"
    " catalog_version WHERE \"table\" = 'districts' AND version = 1) WHERE \"table\" = 'districts'",
    "another table's files": "UPDATE catalog_version SET files = (SELECT files FROM catalog_version"
    " WHERE \"table\" = 'residents') WHERE \"table\" = 'districts'",
    "a version that was never loaded": "INSERT INTO catalog_version SELECT dataset, 'extra', version, columns, files,"
    ' "rows", quarantined, policy_digest, loaded_at, source, source_digest, source_columns, licence, mode, base'
    " FROM catalog_version WHERE \"table\" = 'residents'",
    "a column of a lower grade": "UPDATE catalog_version SET columns = replace(columns, 'restricted', 'open')",
    "another type": "UPDATE catalog_version SET columns = replace(columns, 'int64', 'double')",
    "another count": 'UPDATE catalog_version SET "rows" = "rows" + 1',
    "another source": "UPDATE catalog_version SET source = 'file:///elsewhere.csv'",
    "another licence": "UPDATE catalog_version SET licence = 'public domain'",
    "another time": "UPDATE catalog_version SET loaded_at = '2020-01-01T00:00:00+00:00'",
    "a key that no load checked": "INSERT INTO catalog_unique VALUES ('town', 'districts', 1, '[[\"name\"]]')",
    "a commitment that is gone": "DELETE FROM catalog_line WHERE \"table\" = 'districts' AND version = 1",
    "the commitment of another version": "UPDATE catalog_line SET sealed = (SELECT sealed FROM catalog_line"
    " WHERE \"table\" = 'residents') WHERE \"table\" = 'districts'",
    "a version called dropped": "INSERT INTO catalog_dropped VALUES ('town', 'residents', 1, '2026-01-01T00:00:00+00:00')",
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_altered_catalog_is_refused(home: Path, tmp_path: Path, what: str) -> None:
    use(home, tmp_path)
    with sqlite3.connect(home / "store.sqlite") as connection:
        assert connection.execute(ALTERATIONS[what]).rowcount != 0
    connection.close()
    folders = sorted(path for path in home.rglob("*.parquet"))
    with pytest.raises(SandboxError) as caught:
        homes.open_home(settings(home))
    assert caught.value.code is ErrorCode.STORAGE_CORRUPT
    assert "town." in caught.value.message
    assert sorted(home.rglob("*.parquet")) == folders, "nothing was swept away"


def test_a_load_entry_that_was_altered_is_refused(home: Path) -> None:
    with sqlite3.connect(home / "store.sqlite") as connection:
        connection.execute(
            "UPDATE audit_leaf SET leaf = CAST(replace(CAST(leaf AS TEXT), 'residents', 'residentz') AS BLOB)"
            " WHERE kind = 'dataset.loaded'"
        )
    connection.close()
    assert opened_with(home) is ErrorCode.LOG_CORRUPT


def test_a_whole_home_set_back_is_seen_by_who_remembers(home: Path, tmp_path: Path) -> None:
    """The stated limit: store and mark set back together. The receipt of a lost answer proves it."""
    shutil.copytree(home, tmp_path / "older")
    use(home, tmp_path)
    assert opened_with(tmp_path / "older") is None
