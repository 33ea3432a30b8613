"""The policy decision point: a pure function of the question's usages and what is published.

Rules
- Deny by default: what no published file says is refused. Forbid wins. Order never matters.
- First the person, the grant and each dataset's gates; columns are looked at only behind open gates.
- A hidden column and a column that does not exist give the same reason, to the letter.
- Every reason names its rule; an allowed question carries the rules that allow it.
- Rule ids never hold what a person typed: they go to the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from sys import maxsize

from sandbox.errors import Place, SandboxError
from sandbox.identity import Person, Role
from sandbox.policy.diagnostic import did_you_mean
from sandbox.policy.published import Published, Version
from sandbox.policy.reasons import (
    SETTING_WORDS,
    USE_WORDS,
    Because,
    Reason,
    grant_file,
    policy_file,
    rule_id,
)
from sandbox.policy.types import Grant, Mask, Policy, Setting, TablePolicy, Use

__all__ = ["Decision", "Published", "Reason", "Request", "Usage", "Version", "allows", "check", "decide"]


@dataclass(frozen=True, slots=True)
class Usage:
    """One use of one column (None: of the table itself, as in COUNT(*)) in a question."""

    dataset: str
    table: str
    column: str | None
    use: Use
    where: Place | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, under which grant, in which setting, what they use, and the day (UTC)."""

    person: Person
    grant: str
    setting: Setting
    usages: tuple[Usage, ...]
    today: date


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome.

    Attributes:
        allowed: whether every rule lets the question pass.
        reasons: what every rule said: the refusing ones first, each kind in order of checking.
        decided_by: digests of the policies and the grant, as `nafld@sha256:…`, `grant liver-2026@sha256:…`.

    """

    allowed: bool
    reasons: tuple[Reason, ...]
    decided_by: tuple[str, ...]

    @property
    def refusals(self) -> tuple[Reason, ...]:
        """The reasons that refuse."""
        return tuple(reason for reason in self.reasons if not reason.allows)


def decide(request: Request, published: Published) -> Decision:
    """Whether `request` is allowed, and why. Never raises for what a person may type."""
    roles = _roles(request.person, published)
    grant = published.grants.get(request.grant)
    entry = (_person(request.person, roles), *_grant(request, grant))
    reasons = list(entry)
    decided_by = []
    for dataset in sorted({usage.dataset for usage in request.usages}):
        policy = published.policies.get(dataset)
        if policy is None:
            reasons.append(Because.POLICY_MISSING.reason("*.policy.yaml", {"dataset": dataset[:_SHOWN]}))
            continue
        decided_by.append(f"{dataset}@{policy.digest}")
        gates = (
            *_grant_gates(request, dataset, grant),
            *_policy_gates(request, policy.content, grant, roles),
        )
        reasons += gates
        if all(reason.allows for reason in (*entry, *gates)):
            usages = sorted((usage for usage in request.usages if usage.dataset == dataset), key=_order)
            reasons += _usages(usages, policy.content)
    if grant is not None:
        decided_by.append(f"grant {request.grant}@{grant.digest}")
    reasons = sorted(dict.fromkeys(reasons), key=lambda reason: reason.allows)
    return Decision(all(reason.allows for reason in reasons), tuple(reasons), tuple(decided_by))


def check(request: Request, published: Published) -> Decision:
    """The decision, when it allows.

    Raises:
        SandboxError: the code, sentence and place of the first refusing rule; `rules` names them all.

    """
    decision = decide(request, published)
    if decision.refusals:
        first = decision.refusals[0]
        assert first.code is not None  # noqa: S101 - a reason without a code allows
        rules = tuple(dict.fromkeys(reason.rule for reason in decision.refusals))
        raise SandboxError(first.code, first.text, first.hint, place=first.place, rules=rules)
    return decision


def allows(request: Request, published: Published) -> bool:
    """Whether `request` is allowed."""
    return decide(request, published).allowed


_SHOWN = 128


def _order(usage: Usage) -> tuple[int, int, str, str, int]:
    """As the question reads, so that the first refusal is about its first offending part."""
    line, column = (usage.where.line, usage.where.column) if usage.where else (maxsize, 0)
    return (line, column, usage.table, usage.column or "", usage.use)


def _roles(person: Person, published: Published) -> frozenset[Role] | None:
    """The roles that both the door and `people.yaml` give; None for a person it does not know."""
    block = published.people.content.people.get(person.id) if published.people is not None else None
    return None if block is None else person.roles & frozenset(block.roles)


def _person(person: Person, roles: frozenset[Role] | None) -> Reason:
    if roles is None:
        return Because.PERSON_UNKNOWN.reason("people.yaml#people", {"person": person.id[:_SHOWN]})
    return Because.PERSON_KNOWN.reason(rule_id("people.yaml", "people", person.id), {"person": person.id})


def _grant(request: Request, grant: Version[Grant] | None) -> Iterator[Reason]:
    if grant is None:
        yield Because.GRANT_UNKNOWN.reason("grants", {"grant": request.grant[:_SHOWN]})
        return
    said = grant.content
    file = grant_file(said.grant)
    facts = {"grant": said.grant, "person": request.person.id[:_SHOWN]}
    named = request.person.id in said.people
    yield (Because.GRANT_YOURS if named else Because.GRANT_NOT_YOURS).reason(f"{file}#people", facts)
    window = said.window
    inside = window.first <= request.today <= window.last
    days = {"first": f"{window.first}", "last": f"{window.last}", "today": f"{request.today}"}
    yield (Because.WINDOW_OPEN if inside else Because.WINDOW_SHUT).reason(f"{file}#window", {**facts, **days})


def _grant_gates(request: Request, dataset: str, grant: Version[Grant] | None) -> Iterator[Reason]:
    if grant is None:
        return
    said = grant.content
    file = grant_file(said.grant)
    covered = dataset in said.datasets
    covers = Because.GRANT_DATASET if covered else Because.GRANT_NOT_DATASET
    yield covers.reason(f"{file}#datasets", {"grant": said.grant, "dataset": dataset})
    setting = Because.GRANT_SETTING if request.setting in said.settings else Because.GRANT_NOT_SETTING
    yield setting.reason(f"{file}#settings", {"grant": said.grant, **_setting(request.setting)})


def _policy_gates(
    request: Request, policy: Policy, grant: Version[Grant] | None, roles: frozenset[Role] | None
) -> Iterator[Reason]:
    file = policy_file(policy.dataset)
    facts = {"dataset": policy.dataset, **_setting(request.setting)}
    if roles is not None:
        shared = roles & frozenset(policy.people)
        allowed = Because.ROLE_ALLOWED if shared else Because.ROLE_REFUSED
        who = {"person": request.person.id[:_SHOWN], "roles": _listed(shared or roles)}
        yield allowed.reason(f"{file}#people", {**facts, **who, "allowed": _listed(policy.people)})
    if grant is not None:
        purpose = grant.content.purpose
        served = Because.PURPOSE_ALLOWED if purpose in policy.purposes else Because.PURPOSE_REFUSED
        yield served.reason(f"{file}#purposes", {**facts, "purpose": purpose, "grant": grant.content.grant})
    setting = Because.SETTING_ALLOWED if request.setting in policy.settings else Because.SETTING_REFUSED
    yield setting.reason(f"{file}#settings", facts)


def _usages(usages: list[Usage], policy: Policy) -> Iterator[Reason]:
    together: dict[str, dict[str, Place | None]] = {}
    for usage in usages:
        table = policy.tables.get(usage.table)
        if table is None:
            facts = {"dataset": policy.dataset, "table": usage.table[:_SHOWN]}
            rule = rule_id(policy_file(policy.dataset), "tables")
            known = _known(usage.table, policy.tables)
            yield Because.TABLE_MISSING.reason(rule, {**facts, **known}, usage.where)
            continue
        yield from _table(policy, usage.table, table)
        if usage.column is not None:
            yield from _column(policy, usage, usage.column, table)
            together.setdefault(usage.table, {}).setdefault(usage.column, usage.where)
    for name, used in sorted(together.items()):
        yield from _together(policy, name, used)


def _table(policy: Policy, name: str, table: TablePolicy) -> Iterator[Reason]:
    file = policy_file(policy.dataset)
    answered = Because.TABLE_OPEN if table.protection == "open" else Because.TABLE_PROTECTED
    yield answered.reason(rule_id(file, "tables", name, "protection"), {"table": name})
    for index in range(len(table.rows)):
        yield Because.ROWS_FILTERED.reason(rule_id(file, "tables", name, "rows", index), {"table": name})


def _column(policy: Policy, usage: Usage, name: str, table: TablePolicy) -> Iterator[Reason]:
    file = policy_file(policy.dataset)
    column = table.columns.get(name)
    if column is None or column.use is Use.HIDDEN:
        visible = [other for other, said in table.columns.items() if said.use is not Use.HIDDEN]
        facts = {"table": usage.table, "column": name[:_SHOWN], **_known(name, visible)}
        rule = rule_id(file, "tables", usage.table, "columns")
        yield Because.COLUMN_HIDDEN.reason(rule, facts, usage.where)
        return
    rule = rule_id(file, "tables", usage.table, "columns", name)
    (most, most_zh), (use, use_zh) = USE_WORDS[column.use], USE_WORDS[usage.use]
    words = {"most": most, "most_zh": most_zh, "use": use, "use_zh": use_zh}
    facts = {"table": usage.table, "column": name}
    allowed = Because.COLUMN_ALLOWED if usage.use <= column.use else Because.COLUMN_USE
    yield allowed.reason(f"{rule}.use", {**facts, **words}, usage.where)
    if column.shown_as is not None:
        yield Because.COLUMN_MASKED.reason(f"{rule}.shown_as", {**facts, "mask": _mask(column.shown_as)})


def _together(policy: Policy, name: str, used: dict[str, Place | None]) -> Iterator[Reason]:
    table = policy.tables[name]
    for index, group in enumerate(table.never_together):
        # a group with a hidden column must not speak: it would tell that the column exists
        visible = all(
            column in table.columns and table.columns[column].use is not Use.HIDDEN for column in group
        )
        if visible and group and set(group) <= used.keys():
            rule = rule_id(policy_file(policy.dataset), "tables", name, "never_together", index)
            facts = {"table": name, "columns": _listed(set(group))}
            yield Because.TOGETHER.reason(rule, facts, used[group[-1]])


def _known(word: str, known: Iterable[str]) -> dict[str, str]:
    hint = did_you_mean(word, known)
    chinese = hint.replace("Did you mean ", "是不是 ").replace("Known here: ", "可用的有：")
    return {"known": hint, "known_zh": chinese.removesuffix(".") + ("。" if hint.endswith(".") else "")}


def _setting(setting: Setting) -> dict[str, str]:
    return {"setting": setting.value.replace("_", " "), "setting_zh": SETTING_WORDS[setting]}


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "none"


def _mask(mask: Mask) -> str:
    return ", ".join(f"{key} {value}" for key, value in mask.model_dump(exclude_none=True).items())
