"""A small instance: one protected table of 300 people, one open table, three persons and a grant."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Via, operator_of_this_machine
from sandbox.service import home as homes
from sandbox.service import loading, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from sandbox.settings import Settings

PASSPHRASE = "correct horse battery staple"
OPERATOR = operator_of_this_machine()

PEOPLE = """
people:
  li: {organisation: Li Studio, roles: [opc]}
  mei: {organisation: Mei Studio, roles: [opc]}
  wang: {organisation: City exchange, roles: [steward]}
  zhao: {organisation: Audit office, roles: [auditor]}
  chen: {organisation: City exchange, roles: [operator]}
"""
UNITS = "units: {person: {title: {en: One person, zh: 一个人}}}\n"
POLICY = """
dataset: town
title: {en: Town, zh: 城镇}
publisher: City
licence: CC-BY-4.0
stewards: [wang]
people: [opc]
purposes: [research]
settings: [query]
privacy:
  budget: {epsilon: 20, delta: 1e-5}
  project: {epsilon: 8, delta: 1e-6}
  question: {epsilon: 2, delta: 1e-7}
tables:
  residents:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      age: {type: integer, use: open, between: [0, 110], nullable: false}
      district: {type: text, use: group_by, values: [east, west], nullable: false}
      secret: {type: text, use: hidden}
  districts:
    protection: open
    columns:
      name: {type: text, use: open}
      area: {type: integer, use: open}
"""
GRANT = """
grant: town-2026
project: census
people: [li]
purpose: research
datasets: [town]
budget: {epsilon: 4, delta: 1e-6}
window: {first: 2026-01-01, last: 2035-12-31}
"""


@dataclass(frozen=True, slots=True)
class Files:
    """What an instance is made of, before it is."""

    people: Path
    units: Path
    policy: Path
    grant: Path
    residents: Path
    districts: Path


def write_files(folder: Path) -> Files:
    """The files, in `folder`."""
    (folder / "grants").mkdir(parents=True)
    files = Files(
        folder / "people.yaml",
        folder / "units.yaml",
        folder / "town.policy.yaml",
        folder / "grants" / "town-2026.yaml",
        folder / "residents.csv",
        folder / "districts.csv",
    )
    files.people.write_text(PEOPLE, "utf-8")
    files.units.write_text(UNITS, "utf-8")
    files.policy.write_text(POLICY, "utf-8")
    files.grant.write_text(GRANT, "utf-8")
    rows = [f"{i},{20 + i % 60},{('east', 'west')[i % 3 == 0]},cell-{i:04d}" for i in range(300)]
    files.residents.write_text("id,age,district,secret\n" + "\n".join(rows) + "\n", "utf-8")
    files.districts.write_text("name,area\neast,12\nwest,30\n", "utf-8")
    return files


def settings(home: Path) -> Settings:
    """Settings of an instance at `home`, whatever the environment says."""
    return Settings(home=home).model_copy(
        update={"passphrase": SecretStr(PASSPHRASE), "passphrase_file": None, "engine_memory_mb": 256}
    )


def opened_with(home: Path) -> ErrorCode | None:
    """The code with which the instance at `home` refuses to open; None when it opens."""
    try:
        homes.close(homes.open_home(settings(home)))
    except SandboxError as error:
        return error.code
    return None


def acting(home: Home, person: str | None) -> Actor:
    """A person at the command line; the operator when None."""
    return homes.actor(home, person, Via.CLI)


def make(folder: Path) -> Path:
    """A whole instance, closed again: published and loaded. Returns its home."""
    files, home = write_files(folder / "files"), folder / "home"
    homes.init(settings(home))
    instance = homes.open_home(settings(home))
    steward.publish(instance, OPERATOR, files.people)
    for path in (files.units, files.policy, files.grant):
        steward.publish(instance, acting(instance, "wang"), path)
    for table in ("residents", "districts"):
        request = LoadRequest(str(getattr(files, table)), "town", table)
        loading.load(instance, OPERATOR, request)
    homes.close(instance)
    return home


def copied(template: Path, folder: Path) -> Path:
    """A copy of a home, to be spent."""
    shutil.copytree(template, folder)
    return folder
