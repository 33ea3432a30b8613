"""An engine that holds the key class of open columns only: it answers these, and refuses the rest, free."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import home as homes
from sandbox.service import loading, opc, operator, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from tests.service.instance import OPERATOR, acting, settings, write_files


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Home]:
    """A home of which one column is graded open, opened with that class of keys alone."""
    files, home = write_files(tmp_path / "files"), tmp_path / "home"
    text = files.policy.read_text("utf-8")
    files.policy.write_text(
        text.replace("area: {type: integer, use: open}", "area: {type: integer, use: open, grade: open}"),
        "utf-8",
    )
    homes.init(settings(home))
    whole = homes.open_home(settings(home))
    steward.publish(whole, OPERATOR, files.people)
    for path in (files.units, files.policy, files.grant):
        steward.publish(whole, acting(whole, "wang"), path)
    for table in ("residents", "districts"):
        loading.load(whole, OPERATOR, LoadRequest(str(getattr(files, table)), "town", table))
    homes.close(whole)
    opened = homes.open_home(settings(home).model_copy(update={"key_classes": "open"}))
    yield opened
    homes.close(opened)


def ask(home: Home, sql: str) -> object:
    return opc.ask(home, acting(home, "li"), sql, "town-2026", Decimal(1)).table.to_pydict()


def test_what_it_can_open_it_answers(narrow: Home) -> None:
    assert ask(narrow, "SELECT SUM(area) AS a FROM districts") == {"a": [42]}
    assert ask(narrow, "SELECT COUNT(area) AS n FROM districts") == {"n": [2]}
    # No column is asked for: any that the engine can open will do, also where the first is none of them.
    assert ask(narrow, "SELECT COUNT(*) AS n FROM districts") == {"n": [2]}
    both = "SELECT COUNT(*) AS n, SUM(area) AS a FROM districts WHERE area > 20"
    assert ask(narrow, both) == {"n": [1], "a": [30]}
    assert ask(narrow, "SELECT 1 AS one FROM districts") == {"one": [1, 1]}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name, SUM(area) AS a FROM districts GROUP BY name",
        "SELECT COUNT(*) AS n FROM residents",
        "SELECT AVG(age) AS a FROM residents",
    ],
)
def test_the_rest_is_refused_and_costs_nothing(narrow: Home, sql: str) -> None:
    before = opc.budget(narrow, acting(narrow, "li"), "town-2026")
    with pytest.raises(SandboxError) as caught:
        ask(narrow, sql)
    assert caught.value.code is ErrorCode.KEY_REFUSED
    assert opc.budget(narrow, acting(narrow, "li"), "town-2026") == before
    assert [entry.facts["code"] for entry in narrow.store.entries(kinds=["question.refused"])] == [
        "key-refused"
    ]


def test_the_other_keys_are_not_there(narrow: Home, tmp_path: Path) -> None:
    assert {grade for _, grade, _ in narrow.keyring.classes()} == {"footer", "open"}
    narrow.keyring.refresh()
    with pytest.raises(KeyError):
        narrow.keyring.key_by_id("town/restricted/1")
    file = tmp_path / "files" / "districts.csv"
    before = (narrow.folder / "keyring.json").read_bytes()
    for act in (
        lambda: loading.load(narrow, OPERATOR, LoadRequest(str(file), "town", "districts")),
        lambda: operator.rotate_keys(narrow, OPERATOR),
    ):
        with pytest.raises(SandboxError):
            act()
    assert (narrow.folder / "keyring.json").read_bytes() == before
