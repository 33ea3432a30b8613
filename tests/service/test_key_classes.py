"""An engine that holds the key class of open columns only: it answers these, and refuses the rest, free.

A protected table with a column graded open is answered there with its noise and its charge; the column of its
unit may be one that the engine cannot open.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.rows import unit_secret
from sandbox.service import home as homes
from sandbox.service import loading, opc, operator, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from tests.service.instance import OPERATOR, acting, settings, write_files


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Home]:
    """A home with two columns graded open, opened with that class of keys alone."""
    files, home = write_files(tmp_path / "files"), tmp_path / "home"
    text = files.policy.read_text("utf-8")
    for column in ("area: {type: integer,", "district: {type: text,"):
        assert column in text
        text = text.replace(column, f"{column} grade: open,")
    files.policy.write_text(text, "utf-8")
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
        "SELECT COUNT(*) AS n FROM residents",
        "SELECT district, COUNT(*) AS n FROM residents GROUP BY district",
    ],
)
def test_a_protected_table_is_answered_from_its_open_columns(narrow: Home, sql: str) -> None:
    answer = ask(narrow, sql)
    assert isinstance(answer, dict)
    # 300 people, Laplace of scale 1 at epsilon 1: 30 away with probability below 1e-12.
    assert abs(sum(answer["n"]) - 300) < 60
    assert {state.epsilon_spent for state in opc.budget(narrow, acting(narrow, "li"), "town-2026")} == {1}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name, SUM(area) AS a FROM districts GROUP BY name",
        "SELECT AVG(age) AS a FROM residents",
        "SELECT district, COUNT(*) AS n FROM residents WHERE age > 40 GROUP BY district",
        "SELECT COUNT(DISTINCT id) AS n FROM residents",
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
    # Nor is the secret with which a known person's unit could be computed.
    with pytest.raises(SandboxError) as caught:
        narrow.keyring.secret(unit_secret("person"))
    assert caught.value.code is ErrorCode.KEY_REFUSED
    file = tmp_path / "files" / "districts.csv"
    before = (narrow.folder / "keyring.json").read_bytes()
    for act in (
        lambda: loading.load(narrow, OPERATOR, LoadRequest(str(file), "town", "districts")),
        lambda: operator.rotate_keys(narrow, OPERATOR),
    ):
        with pytest.raises(SandboxError):
            act()
    assert (narrow.folder / "keyring.json").read_bytes() == before
