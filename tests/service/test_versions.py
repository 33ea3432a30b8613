"""Versions through the service: who sees what, going back, destroying, and a ledger that never comes back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import home as homes
from sandbox.service import loading, opc, versions
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from sandbox.vault.encrypted_file import material_path
from tests.service.instance import OPERATOR, acting, copied, settings

COUNT = "SELECT COUNT(*) AS n FROM districts"
PEOPLE = "SELECT district, COUNT(*) AS n FROM residents GROUP BY district"


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Iterator[Home]:
    instance = homes.open_home(settings(copied(template, tmp_path / "home")))
    yield instance
    homes.close(instance)


def load(home: Home, folder: Path, text: str, table: str = "districts", **how: bool) -> int:
    file = folder / f"{table}.csv"
    file.write_text(text, "utf-8")
    return loading.load(home, OPERATOR, LoadRequest(str(file), "town", table, **how)).version.version


def count(home: Home) -> object:
    return opc.ask(home, acting(home, "li"), COUNT, "town-2026").table["n"][0].as_py()


def refused(code: ErrorCode) -> pytest.RaisesExc[SandboxError]:
    return pytest.RaisesExc(SandboxError, check=lambda error: error.code is code and bool(error.hint))


def states(home: Home, table: str = "districts") -> list[str]:
    return [card.state for card in versions.history(home, OPERATOR, "town", table)]


def test_append_replace_and_back(home: Home, tmp_path: Path) -> None:
    assert count(home) == 2
    assert load(home, tmp_path, "name,area\nnorth,7\n", append=True) == 2
    assert count(home) == 3
    assert load(home, tmp_path, "name,area\nnorth,7\n") == 3
    assert count(home) == 1
    assert versions.rollback(home, OPERATOR, "town", "districts", 2).state == "current"
    assert count(home) == 3
    assert states(home) == ["held", "current", "held"]
    assert load(home, tmp_path, "name,area\nsouth,7\n", append=True) == 4
    assert count(home) == 4, "it follows the version that was current"
    card = versions.history(home, OPERATOR, "town", "districts")[-1]
    assert (card.mode, card.base, card.rows, card.licence) == ("append", 2, 4, "CC-BY-4.0")


def test_units_and_budgets_stay_over_versions(home: Home, tmp_path: Path) -> None:
    li = acting(home, "li")
    before = opc.ask(home, li, PEOPLE, "town-2026", Decimal(1))
    load(home, tmp_path, "id,age,district,secret\n1,21,east,x\n900,40,west,y\n", "residents", append=True)
    table = home.catalog.current("town", "residents")
    assert table is not None
    from sandbox.vault.parquet import read_batches  # noqa: PLC0415

    rows = [
        row
        for batch in read_batches(home.folder, home.keyring, table, ["id", "__unit", "__rank"])
        for row in batch.to_pylist()
    ]
    first = [row for row in rows if row["id"] == 1]
    assert len(rows) == 302
    assert len({row["__unit"] for row in first}) == 1
    assert sorted(row["__rank"] for row in first) == [0, 1]
    spent = opc.budget(home, li, "town-2026")
    versions.rollback(home, OPERATOR, "town", "residents", 1)
    assert opc.budget(home, li, "town-2026") == spent
    again = opc.ask(home, li, PEOPLE, "town-2026", Decimal(1))
    assert again.repeated
    assert again.table.equals(before.table)
    versions.drop(home, OPERATOR, "town", "residents", everything=True)
    assert opc.budget(home, li, "town-2026") == spent
    with refused(ErrorCode.DATASET_UNKNOWN):
        opc.ask(home, li, PEOPLE, "town-2026", Decimal(1))
    assert opc.budget(home, li, "town-2026") == spent


def test_dropping(home: Home, tmp_path: Path) -> None:
    for number in range(2, 6):
        assert load(home, tmp_path, f"name,area\nn,{number}\n") == number
    folders = {
        v.version: (home.folder / v.files[0].path).parent for v in home.catalog.history("town", "districts")
    }
    with refused(ErrorCode.LOAD_REFUSED):
        versions.drop(home, OPERATOR, "town", "districts", numbers=(5,))
    with refused(ErrorCode.NOT_FOUND):
        versions.drop(home, OPERATOR, "town", "districts", numbers=(9,))
    with refused(ErrorCode.ARGUMENT):
        versions.drop(home, OPERATOR, "town", "districts", keep=1, everything=True)
    assert all(folder.is_dir() for folder in folders.values())
    assert versions.drop(home, OPERATOR, "town", "districts", numbers=(2,)).versions == (2,)
    assert versions.drop(home, OPERATOR, "town", "districts", keep=1).versions == (1, 3)
    assert states(home) == ["dropped", "dropped", "dropped", "held", "current"]
    assert [number for number, folder in folders.items() if folder.exists()] == [4, 5]
    with refused(ErrorCode.LOAD_REFUSED):
        versions.rollback(home, OPERATOR, "town", "districts", 2)
    assert versions.drop(home, OPERATOR, "town", "districts", everything=True).versions == (4, 5)
    assert versions.drop(home, OPERATOR, "town", "districts", everything=True).versions == ()
    with refused(ErrorCode.DATASET_UNKNOWN):
        count(home)
    assert load(home, tmp_path, "name,area\nn,6\n") == 6, "a number is never used again"
    assert count(home) == 1
    dropped = [e.facts for e in home.store.entries(kinds=["dataset.versions-dropped"])]
    assert [facts["versions"] for facts in dropped] == [[2], [1, 3], [4, 5]]


def test_a_drop_that_was_cut_short_ends_at_the_next_start(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(home, tmp_path, "name,area\nn,2\n")
    folder = (home.folder / home.catalog.history("town", "districts")[0].files[0].path).parent

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(versions, "destroy", dies)
    with pytest.raises(KeyboardInterrupt):
        versions.drop(home, OPERATOR, "town", "districts", numbers=(1,))
    assert folder.is_dir()
    homes.close(homes.open_home(home.settings))
    assert not folder.exists()
    assert count(home) == 1


def test_going_back_to_a_damaged_version_is_refused(home: Home, tmp_path: Path) -> None:
    old = home.catalog.current("town", "districts")
    assert old is not None
    load(home, tmp_path, "name,area\nn,2\n")
    path = home.folder / old.files[0].path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with refused(ErrorCode.STORAGE_CORRUPT):
        versions.rollback(home, OPERATOR, "town", "districts", 1)
    path.write_bytes(whole)
    material_path(path).unlink()
    with refused(ErrorCode.STORAGE_CORRUPT):
        versions.rollback(home, OPERATOR, "town", "districts", 1)
    assert states(home) == ["held", "current"]


def test_counts_are_for_operators_and_stewards(home: Home) -> None:
    for person, counts in ((None, True), ("wang", True), ("chen", True), ("zhao", False)):
        card = versions.history(home, acting(home, person), "town", "residents")[0]
        assert (card.rows, card.source is not None) == ((300, True) if counts else (None, False)), person
    diffed = versions.diff(home, acting(home, "zhao"), "town", "residents", 1)
    assert diffed.new.rows is None
    for act in (
        lambda who: versions.history(home, who, "town", "residents"),
        lambda who: versions.diff(home, who, "town", "residents", 1),
        lambda who: versions.rollback(home, who, "town", "residents", 1),
        lambda who: versions.drop(home, who, "town", "residents", everything=True),
    ):
        with refused(ErrorCode.ROLE_REFUSED):
            act(acting(home, "li"))
    for person in ("wang", "zhao"):
        with refused(ErrorCode.ROLE_REFUSED):
            versions.drop(home, acting(home, person), "town", "residents", everything=True)
        with refused(ErrorCode.ROLE_REFUSED):
            versions.rollback(home, acting(home, person), "town", "residents", 1)


def test_a_changed_source_is_refused_until_accepted(home: Home, tmp_path: Path) -> None:
    text = "name,surface,note,area\nn,2,x,2\n"
    with pytest.raises(SandboxError) as caught:
        load(home, tmp_path, text)
    assert caught.value.code is ErrorCode.LOAD_REFUSED
    assert "added surface, note" in caught.value.message
    assert "--accept-drift" in caught.value.hint
    assert load(home, tmp_path, text, accept_drift=True) == 2
    found = versions.diff(home, OPERATOR, "town", "districts", 1)
    assert (found.source.added, found.stored.added) == (("surface", "note"), ())
    assert load(home, tmp_path, text) == 3
