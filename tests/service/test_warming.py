"""Likely columns are warm before anyone asks, in a running service; and a stop ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.query import pipeline
from sandbox.query.pipeline import Question
from sandbox.service import home as homes
from sandbox.service.home import Home
from sandbox.service.warming import Warming, likely_columns
from sandbox.settings import Settings
from sandbox.vault import hot as hot_module
from tests.query.instance import PASSPHRASE, context, li, load, make, open_instance, settings_of

PATIENCE = 120.0  # only a service that never warms takes so long


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    make(tmp_path, units=50)
    opened = open_instance(tmp_path)
    yield opened
    homes.close(opened)


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def _is_warm(home: Home) -> bool:
    published = home.registry.snapshot().policies["w"].content
    for table, rules in published.tables.items():
        version = home.catalog.current("w", table)
        assert version is not None
        if not home.hot._held.has(version, frozenset(likely_columns(version, rules, home.hot.grades))):
            return False
    return True


def test_the_first_question_decrypts_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with Warming(home, 0.02):
        _wait(lambda: _is_warm(home))
        monkeypatch.setattr(hot_module, "read_batches", None)
        sql = (
            "SELECT grp, kind, COUNT(*) AS n, AVG(age) AS a FROM people JOIN visits ON id = pid GROUP BY 1, 2"
        )
        answer = pipeline.ask(Question(sql, "g", li(home), Decimal(1)), context(home))
    assert answer.table.num_rows > 0


def test_a_new_version_is_warmed_while_the_service_runs(home: Home, tmp_path: Path) -> None:
    with Warming(home, 0.02):
        _wait(lambda: _is_warm(home))
        load(home, tmp_path, 60)
        _wait(lambda: _is_warm(home))


def test_what_is_likely(home: Home) -> None:
    """No hidden column and no free text; most useful first."""
    tables = home.registry.snapshot().policies["w"].content.tables
    version = home.catalog.current("w", "people")
    assert version is not None
    found = likely_columns(version, tables["people"], home.hot.grades)
    assert found[:3] == ("__unit", "__rank", "__number")
    assert set(found[3:]) == {
        "age",
        "score",
        "weight",
        "member",
        "grp",
        "born",
        "filter_only",
        "key_only",
        "id",
    }
    assert found[-2:] == ("filter_only", "id")
    assert likely_columns(version, tables["people"], frozenset()) == ()


def test_it_can_be_turned_off_and_finds_no_room(tmp_path: Path) -> None:
    make(tmp_path, units=50)
    for changed in ({"warm_share": 0}, {"warm_share": 1e-9}):
        settings = Settings.model_validate(settings_of(tmp_path).model_dump() | changed)
        home = homes.open_home(settings, PASSPHRASE)
        warming = Warming(home, 0.02)
        with warming:
            if settings.warm_share:
                _wait(lambda of=warming: len(of._done) == 4)  # type: ignore[misc]
        assert home.hot.held_bytes() == 0
        homes.close(home)


def test_what_a_question_decrypted_is_compressed_when_it_has_its_answer(tmp_path: Path) -> None:
    make(tmp_path, units=50)
    settings = Settings.model_validate(settings_of(tmp_path).model_dump() | {"warm_share": 0})
    home = homes.open_home(settings, PASSPHRASE)
    sql = "SELECT grp, COUNT(*) AS n FROM people GROUP BY grp"
    with Warming(home, every=3600):  # it is told of the question, and of the end
        pipeline.ask(Question(sql, "g", li(home), Decimal(1)), context(home))
        version = home.catalog.current("w", "people")
        assert version is not None
        assert version.id in home.hot._held.tables
        _wait(lambda: not home.hot._held.loose())
    homes.close(home)


def test_a_damaged_file_does_not_stop_it(home: Home) -> None:
    version = home.catalog.current("w", "people")
    assert version is not None
    path = home.folder / version.files[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with Warming(home, 0.02) as warming:
        _wait(lambda: len(warming._done) == 4)
    assert len(home.hot._held.tables) == 3
