"""Semantic lint: what no single value shows. Errors refuse a file; warnings only tell. Touches no data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path as FilePath
from pathlib import PurePath

from sandbox.identity import Role
from sandbox.policy.diagnostic import (
    Diagnostic,
    PolicyFileError,
    Severity,
    did_you_mean,
    error,
    in_file_order,
)
from sandbox.policy.lint_table import lint_names, lint_table
from sandbox.policy.read import Draft, read_draft
from sandbox.policy.rules import Findings
from sandbox.policy.types import BudgetBlock, Grant, People, Policy, TablePolicy, Units, Use

LARGE_DELTA = Decimal("1e-4")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The other files that a file is checked against; None or empty: that check is left out."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    units: Units | None = None
    people: People | None = None
    today: date | None = None


def lint(draft: Draft, around: Surroundings) -> tuple[Diagnostic, ...]:
    """Everything wrong or doubtful in a file that could be read, in the order of the file."""
    into = Findings(draft.places)
    match draft.model:
        case Policy() as policy:
            _file_name(draft, f"{policy.dataset}.policy.yaml", "dataset", into)
            _policy(policy, around, into)
        case Grant() as grant:
            _file_name(draft, f"{grant.grant}.yaml", "grant", into)
            _grant(grant, around, into)
        case Units() as units:
            _units(units, around, into)
        case People() as people:
            _people(people, around, into)
    return in_file_order(into.found)


def errors_of(found: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """The findings that refuse the file."""
    return tuple(finding for finding in found if finding.severity is Severity.ERROR)


def lint_path(path: FilePath, today: date | None = None) -> tuple[Diagnostic, ...]:
    """Every finding in one file, or in every policy file of a folder, against the files around it.

    Never raises for what a file holds: what cannot be read is a finding too.

    Args:
        path: a policy file, or a folder that holds them.
        today: the day that a grant's window is compared with; None: today (UTC).

    """
    folder = _folder(path)
    drafts: dict[FilePath, Draft] = {}
    found: list[Diagnostic] = []
    wanted = [file for file in _files(folder) if path in (folder, file.parent)] if path.is_dir() else [path]
    if not wanted:
        hint = "Name a policy file, or a folder that holds some."
        found.append(error("file", f"There is no policy file in {path}.", hint))
    for file in dict.fromkeys([*wanted, *_files(folder)]):
        try:
            drafts[file] = read_draft(file)
        except PolicyFileError as wrong:
            # what is wrong in the files around a single one is told when these are linted
            if file in wanted:
                found += wrong.diagnostics
    models = [draft.model for draft in drafts.values()]
    around = Surroundings(
        {model.dataset: model for model in models if isinstance(model, Policy)},
        next((model for model in models if isinstance(model, Units)), None),
        next((model for model in models if isinstance(model, People)), None),
        today or datetime.now(UTC).date(),
    )
    for file in wanted:
        if file in drafts:
            found += lint(drafts[file], around)
    return tuple(found)


def _folder(path: FilePath) -> FilePath:
    if path.is_dir():
        return path.parent if path.name == "grants" else path
    return path.parent.parent if path.parent.name == "grants" else path.parent


def _files(folder: FilePath) -> list[FilePath]:
    fixed = [folder / name for name in ("units.yaml", "people.yaml")]
    found = [file for file in fixed if file.is_file()]
    return [*found, *sorted(folder.glob("*.policy.yaml")), *sorted(folder.glob("grants/*.yaml"))]


def _file_name(draft: Draft, wanted: str, key: str, into: Findings) -> None:
    name = PurePath(draft.file).name
    if name and name != wanted:
        into.add("file-name", (key,), f"the file is called {name}.", f"Call it {wanted}.")


def _policy(policy: Policy, around: Surroundings, into: Findings) -> None:
    for key in ("people", "purposes", "settings"):
        if not getattr(policy, key):
            into.add(f"{key}-empty", (key,), "nothing is listed, so nobody may use the dataset.")
    lint_names(policy.tables, ("tables",), into, dots=False)
    protected = [name for name, table in policy.tables.items() if table.protection == "protected"]
    if protected and policy.privacy is None:
        hint = "Add privacy: with budget, project and question."
        into.add("privacy-missing", ("tables", protected[0]), "a protected table needs budgets.", hint)
    for name in policy.tables:
        lint_table(policy, name, around.units, into)
    _budgets(policy, into)
    if around.people is not None:
        for index, steward in enumerate(policy.stewards):
            block = around.people.people.get(steward)
            if block is None or Role.STEWARD not in block.roles:
                into.add("steward-unknown", ("stewards", index), f"`{steward}` is no steward of people.yaml.")


def _budgets(policy: Policy, into: Findings) -> None:
    privacy = policy.privacy
    if privacy is None:
        return
    for inner, outer in (("question", "project"), ("project", "budget")):
        small, large = getattr(privacy, inner), getattr(privacy, outer)
        for key in _exceeding(small, large):
            message = f"{getattr(small, key)} exceeds the {getattr(large, key)} of `{outer}`."
            into.add("budget-order", ("privacy", inner, key), message)
    for name in ("budget", "project", "question"):
        delta = getattr(privacy, name).delta
        if delta > LARGE_DELTA:
            into.add("delta-large", ("privacy", name, "delta"), f"{delta} is above {LARGE_DELTA}.")
    if privacy.question.delta == 0:
        for name, table in policy.tables.items():
            for column in _data_keys(table):
                path = ("tables", name, "columns", column)
                message = "its keys are known to the data only, and a question's delta is 0."
                into.add("delta-zero", path, message, "List `values`, or give `question` a delta.")


def _data_keys(table: TablePolicy) -> Iterator[str]:
    if table.protection == "protected":
        for name, column in table.columns.items():
            if column.use is Use.GROUP_BY and column.values is None:
                yield name


def _exceeding(small: BudgetBlock, large: BudgetBlock) -> Iterator[str]:
    if small.epsilon > large.epsilon:
        yield "epsilon"
    if small.delta > large.delta:
        yield "delta"


def _grant(grant: Grant, around: Surroundings, into: Findings) -> None:
    if around.today is not None and grant.window.last < around.today:
        into.add("window-past", ("window", "last"), f"{grant.window.last} is over.")
    for index, dataset in enumerate(grant.datasets):
        policy = around.policies.get(dataset)
        if policy is None:
            hint = did_you_mean(dataset, around.policies)
            into.add("grant-dataset", ("datasets", index), f"`{dataset}` has no policy.", hint)
            continue
        _grant_policy(grant, policy, around, into)
    if around.people is not None:
        for index, person in enumerate(grant.people):
            if person not in around.people.people:
                hint = did_you_mean(person, around.people.people)
                into.add("grant-people", ("people", index), f"`{person}` is not in people.yaml.", hint)


def _grant_policy(grant: Grant, policy: Policy, around: Surroundings, into: Findings) -> None:
    of = f"the policy of `{policy.dataset}`"
    if grant.purpose not in policy.purposes:
        hint = did_you_mean(grant.purpose, policy.purposes)
        into.add("grant-purpose", ("purpose",), f"{of} does not allow `{grant.purpose}`.", hint)
    for index, setting in enumerate(grant.settings):
        if setting not in policy.settings:
            hint = did_you_mean(setting.value, [said.value for said in policy.settings])
            into.add("grant-setting", ("settings", index), f"{of} does not allow `{setting.value}`.", hint)
    if policy.privacy is not None:
        for key in _exceeding(grant.budget, policy.privacy.project):
            most = getattr(policy.privacy.project, key)
            message = f"{getattr(grant.budget, key)} exceeds the {most} that {of} gives a project."
            into.add("grant-budget", ("budget", key), message, "The rest can never be spent.")
    for index, person in enumerate(grant.people):
        block = around.people.people.get(person) if around.people is not None else None
        if block is not None and not set(block.roles) & set(policy.people):
            into.add("grant-people", ("people", index), f"{of} allows no role of `{person}`.")


def _units(units: Units, around: Surroundings, into: Findings) -> None:
    lint_names(units.units, ("units",), into)
    for dataset, policy in around.policies.items():
        for table in policy.tables.values():
            if table.unit is not None and table.unit.name not in units.units:
                message = f"the policy of `{dataset}` names the unit `{table.unit.name}`."
                into.add("unit-in-use", ("units",), message, "Keep it.")


def _people(people: People, around: Surroundings, into: Findings) -> None:
    lint_names(people.people, ("people",), into)
    for dataset, policy in around.policies.items():
        for steward in policy.stewards:
            if steward not in people.people or Role.STEWARD not in people.people[steward].roles:
                message = f"`{steward}`, a steward of `{dataset}`, is no steward here."
                into.add("steward-unknown", ("people",), message)
