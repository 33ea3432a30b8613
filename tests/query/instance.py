"""A real instance of the small world, on disk: keyring, store, published files, two loaded tables."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from sandbox.identity import Actor, Via
from sandbox.query.pipeline import Context
from sandbox.service import home as homes
from sandbox.service import loading, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from sandbox.settings import Settings
from tests.query.world import GRANT, PEOPLE, POLICY, UNITS

PASSPHRASE = "a passphrase for tests alone"
BOUNDS = {"rows": 6, "groups": 2, "per_group": 3}
# Lint lets no column without bounds be summed; the world keeps one, to see the analyser refuse it.
UNBOUNDED = "level: {type: integer, use: open}"
BOUNDED = "level: {type: integer, use: open, between: [-5, 5]}"
TODAY = date(2026, 6, 1)


def settings_of(folder: Path) -> Settings:
    """Settings of the instance in `folder`."""
    return Settings.model_validate({"home": folder / "home", "engine_threads": 1, "passphrase": PASSPHRASE})


def open_instance(folder: Path) -> Home:
    """The instance in `folder`."""
    return homes.open_home(settings_of(folder), PASSPHRASE)


def make(folder: Path, grant: str = GRANT, units: int = 400, without: int | None = None) -> None:
    """Make an instance: publish the world and load people and visits (but those of the unit `without`)."""
    homes.init(settings_of(folder), PASSPHRASE)
    home = open_instance(folder)
    papers = folder / "papers"
    (papers / "grants").mkdir(parents=True)
    (papers / "people.yaml").write_text(PEOPLE)
    (papers / "units.yaml").write_text(UNITS)
    (papers / "w.policy.yaml").write_text(POLICY.replace(UNBOUNDED, BOUNDED) % BOUNDS)
    (papers / "grants" / "g.yaml").write_text(grant)
    steward.publish(home, homes.actor(home, None, Via.CLI), papers / "people.yaml")
    for name in ("units.yaml", "w.policy.yaml", "grants/g.yaml"):
        steward.publish(home, homes.actor(home, "wang", Via.CLI), papers / name)
    load(home, folder, units, without)
    homes.close(home)


def load(home: Home, folder: Path, units: int, without: int | None = None) -> None:
    """Load `units` people with two visits each (again: a new version), but those of one unit."""
    people = [
        (i, i % 100, f"{i % 5}.25", i % 80, "true", "abc"[i % 3], "oslo", "2000-01-02", "s3cr3t", i % 9, "x")
        for i in range(units)
        if i != without
    ]
    visits = [
        [i % units, i % 40, "pqrs"[i % 4], "u", "1.250", i % 5, "2001-02-03 04:05:06"]
        for i in range(2 * units)
        if i % units != without
    ]
    names = {
        "people": [
            "id",
            "age",
            "score",
            "weight",
            "member",
            "grp",
            "city",
            "born",
            "secret",
            "filter_only",
            "key_only",
        ],
        "visits": ["pid", "days", "kind", "place", "cost", "level", "seen"],
        "regions": ["city", "size", "hidden"],
        "cities": ["city", "size", "mark"],
    }
    rows = {
        "people": people,
        "visits": visits,
        "regions": [["oslo", 3, 1], ["rome", 5, 2]],
        "cities": [["oslo", 3, "p"], ["rome", 5, "p"]],
    }
    operator = homes.actor(home, None, Via.CLI)
    for table, header in names.items():
        file = folder / f"{table}.csv"
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([header, *rows[table]])
        loading.load(home, operator, LoadRequest(str(file), "w", table))
        file.unlink()


def li(home: Home) -> Actor:
    """The OPC."""
    return homes.actor(home, "li", Via.CLI)


def context(home: Home) -> Context:
    """What the pipeline needs."""
    return Context(
        home.registry.snapshot(), home.catalog, home.ledger, home.store, home.hot, home.settings, TODAY
    )
