"""The decision point: deny by default, forbid wins, order never matters, hidden is as good as absent."""

# ruff: noqa: E501 - one case a line
from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, Place, SandboxError
from sandbox.identity import Person, Role
from sandbox.policy.decide import Decision, Published, Request, Usage, Version, allows, check, decide
from sandbox.policy.explain import explain
from sandbox.policy.reasons import Because
from sandbox.policy.types import Grant, Policy, Setting, Use
from tests.policy.files import TODAY, published

PUBLISHED = published()
LI = Person("li", "Li Studio (OPC)", frozenset({Role.OPC}))
AGE = Usage("nafld", "people", "age", Use.SUM_MEAN, Place(1, 12, "age"))
ASKED = Request(LI, "liver-2026", Setting.QUERY, (AGE,), TODAY)


def with_policy(**update: object) -> Published:
    version = PUBLISHED.policies["nafld"]
    return replace(
        PUBLISHED, policies={"nafld": Version(version.digest, version.content.model_copy(update=update))}
    )


def with_table(name: str, **update: object) -> Published:
    tables = dict(PUBLISHED.policies["nafld"].content.tables)
    tables[name] = tables[name].model_copy(update=update)
    return with_policy(tables=tables)


def with_grant(**update: object) -> Published:
    version = PUBLISHED.grants["liver-2026"]
    return replace(
        PUBLISHED, grants={"liver-2026": Version(version.digest, version.content.model_copy(update=update))}
    )


def test_allowed_with_every_rule_that_allows() -> None:
    decision = check(ASKED, PUBLISHED)
    assert decision.allowed
    assert allows(ASKED, PUBLISHED)
    assert {reason.rule for reason in decision.reasons} == {
        "people.yaml#people.li",
        "grants/liver-2026.yaml#people",
        "grants/liver-2026.yaml#window",
        "grants/liver-2026.yaml#datasets",
        "grants/liver-2026.yaml#settings",
        "nafld.policy.yaml#people",
        "nafld.policy.yaml#purposes",
        "nafld.policy.yaml#settings",
        "nafld.policy.yaml#tables.people.protection",
        "nafld.policy.yaml#tables.people.columns.age.use",
    }
    nafld, liver = PUBLISHED.policies["nafld"].digest, PUBLISHED.grants["liver-2026"].digest
    assert decision.decided_by == (f"nafld@{nafld}", f"grant liver-2026@{liver}")


def use(table: str, column: str | None, how: Use) -> tuple[Usage, ...]:
    return (Usage("nafld", table, column, how, Place(1, 1)),)


OPC = frozenset({Role.OPC})
REFUSED = [
    (replace(ASKED, person=Person("ghost", "", OPC)), PUBLISHED, ErrorCode.PERSON_UNKNOWN, "people.yaml#people"),
    (ASKED, replace(PUBLISHED, people=None), ErrorCode.PERSON_UNKNOWN, "people.yaml#people"),
    (replace(ASKED, person=Person("li", "", frozenset({Role.STEWARD}))), PUBLISHED, ErrorCode.ROLE_REFUSED, "nafld.policy.yaml#people"),
    (ASKED, with_policy(people=(Role.STEWARD,)), ErrorCode.ROLE_REFUSED, "nafld.policy.yaml#people"),
    (ASKED, with_policy(people=()), ErrorCode.ROLE_REFUSED, "nafld.policy.yaml#people"),
    (replace(ASKED, grant="other"), PUBLISHED, ErrorCode.GRANT_UNKNOWN, "grants"),
    (ASKED, with_grant(people=("chen",)), ErrorCode.GRANT_REFUSED, "grants/liver-2026.yaml#people"),
    (replace(ASKED, today=date(2025, 12, 31)), PUBLISHED, ErrorCode.GRANT_REFUSED, "grants/liver-2026.yaml#window"),
    (replace(ASKED, today=date(2031, 1, 1)), PUBLISHED, ErrorCode.GRANT_REFUSED, "grants/liver-2026.yaml#window"),
    (ASKED, with_grant(datasets=("other",)), ErrorCode.GRANT_REFUSED, "grants/liver-2026.yaml#datasets"),
    (ASKED, with_grant(settings=(Setting.TRAIN,)), ErrorCode.GRANT_REFUSED, "grants/liver-2026.yaml#settings"),
    (ASKED, with_policy(settings=()), ErrorCode.POLICY_REFUSED, "nafld.policy.yaml#settings"),
    (ASKED, with_policy(purposes=("teaching",)), ErrorCode.POLICY_REFUSED, "nafld.policy.yaml#purposes"),
    (ASKED, replace(PUBLISHED, policies={}), ErrorCode.POLICY_MISSING, "*.policy.yaml"),
    (replace(ASKED, usages=use("rooms", None, Use.FILTER)), PUBLISHED, ErrorCode.POLICY_MISSING, "nafld.policy.yaml#tables"),
    (replace(ASKED, usages=use("people", "case.id", Use.HIDDEN)), PUBLISHED, ErrorCode.COLUMN_HIDDEN, "nafld.policy.yaml#tables.people.columns"),
    (replace(ASKED, usages=use("people", "AGE", Use.FILTER)), PUBLISHED, ErrorCode.COLUMN_HIDDEN, "nafld.policy.yaml#tables.people.columns"),
    (replace(ASKED, usages=use("people", "id", Use.FILTER)), PUBLISHED, ErrorCode.COLUMN_USE, "nafld.policy.yaml#tables.people.columns.id.use"),
    (replace(ASKED, usages=use("labs", "test", Use.SUM_MEAN)), PUBLISHED, ErrorCode.COLUMN_USE, "nafld.policy.yaml#tables.labs.columns.test.use"),
    (ASKED, with_table("people", never_together=(("age", "age"),)), ErrorCode.POLICY_REFUSED, "nafld.policy.yaml#tables.people.never_together.0"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "world", "code", "rule"), REFUSED)
def test_refused_with_its_code_and_rule(
    request_: Request, world: Published, code: ErrorCode, rule: str
) -> None:
    decision = decide(request_, world)
    assert not decision.allowed
    assert not allows(request_, world)
    with pytest.raises(SandboxError) as caught:
        check(request_, world)
    assert caught.value.code is code
    assert caught.value.rules[0] == rule
    for language in ("en", "zh"):
        sentences = explain(decision, "zh" if language == "zh" else "en")
        assert any(rule in sentence for sentence in sentences)
        assert not any("{" in sentence for sentence in sentences)


def test_the_first_refusal_is_the_first_in_the_question() -> None:
    late, early = Place(2, 1, "case.id"), Place(1, 30, "id")
    usages = (
        Usage("nafld", "people", "case.id", Use.FILTER, late),
        Usage("nafld", "people", "id", Use.OPEN, early),
    )
    for order in permutations(usages):
        with pytest.raises(SandboxError) as caught:
            check(replace(ASKED, usages=order), PUBLISHED)
        assert caught.value.code is ErrorCode.COLUMN_USE
        assert caught.value.place == early
        assert len(caught.value.rules) == 2


def without(decision: Decision, *words: str) -> str:
    text = repr(decision)
    for word in words:
        text = text.replace(word, "NAME")
    return text


@pytest.mark.parametrize("how", list(Use))
def test_a_hidden_column_is_as_good_as_an_absent_one(how: Use) -> None:
    """The whole decision about `case.id` is that about the same name where no such column exists."""
    columns = dict(PUBLISHED.policies["nafld"].content.tables["people"].columns)
    del columns["case.id"]
    asked = replace(ASKED, usages=(AGE, *use("people", "case.id", how)))
    groups = (("case.id", "age"), ("case.id", "case.id"))
    hidden = decide(asked, with_table("people", never_together=groups))
    absent = decide(asked, with_table("people", never_together=groups, columns=columns))
    assert hidden == absent
    other = decide(
        replace(ASKED, usages=(AGE, *use("people", "qzxj_w", how))),
        with_table("people", never_together=groups),
    )
    assert without(hidden, "case.id") == without(other, "qzxj_w")


def test_columns_are_not_looked_at_behind_a_shut_gate() -> None:
    asked = replace(ASKED, usages=use("people", "case.id", Use.FILTER), grant="other")
    assert {reason.code for reason in decide(asked, PUBLISHED).refusals} == {ErrorCode.GRANT_UNKNOWN}


def test_never_together_means_all_of_a_group() -> None:
    world = with_table("people", never_together=(("age", "male", "height"),))
    three = tuple(Usage("nafld", "people", name, Use.FILTER) for name in ("age", "male", "height"))
    assert allows(replace(ASKED, usages=three[:2]), world)
    assert not allows(replace(ASKED, usages=three), world)
    elsewhere = (*three[:2], Usage("nafld", "labs", "days", Use.FILTER))
    assert allows(replace(ASKED, usages=elsewhere), world)


def test_what_a_person_types_never_becomes_a_rule() -> None:
    typed = "4111-1111 secret"
    usages = (
        *use(typed, None, Use.FILTER),
        *use("people", typed, Use.FILTER),
        Usage(typed, "t", None, Use.FILTER),
    )
    for asked in (
        replace(ASKED, usages=usages),
        replace(ASKED, grant=typed),
        replace(ASKED, person=Person(typed, "", OPC)),
    ):
        assert not any(typed in reason.rule for reason in decide(asked, PUBLISHED).reasons)  # fmt: skip


def test_braces_in_names_are_only_text() -> None:
    usages = use("people", "{grant.__class__}", Use.FILTER)
    decision = decide(replace(ASKED, usages=usages), PUBLISHED)
    assert "{grant.__class__}" in decision.refusals[0].text


def test_masks_and_row_rules_are_told() -> None:
    people = PUBLISHED.policies["nafld"].content.tables["people"]
    columns = dict(people.columns)
    columns["age"] = type(columns["age"]).model_validate(
        {"type": "integer", "use": Use.OPEN, "between": (18, 100), "shown_as": {"band": 5}}
    )
    rows = ({"column": "status", "equals": 0},)
    table = type(people).model_validate({**dict(people), "columns": columns, "rows": rows})
    decision = check(ASKED, with_policy(tables={"people": table}))
    rules = {reason.rule for reason in decision.reasons}
    assert "nafld.policy.yaml#tables.people.columns.age.shown_as" in rules
    assert "nafld.policy.yaml#tables.people.rows.0" in rules
    assert any("band 5" in sentence for sentence in explain(decision))


def test_every_sentence_is_complete_in_both_languages() -> None:
    for because in Because:
        assert len(because.value) in {3, 5}
        assert (because.code is not None) == (len(because.value) == 5)


# --- properties: only what is written can allow, and less written never allows more ---

NAMES = [
    (table, column)
    for table, said in PUBLISHED.policies["nafld"].content.tables.items()
    for column in (*said.columns, "none")
]
usages_ = st.lists(
    st.builds(
        lambda name, how, column: Usage("nafld", name[0], None if column else name[1], how),
        st.sampled_from(NAMES),
        st.sampled_from(list(Use)[1:]),
        st.booleans(),
    ),
    max_size=5,
)
requests = st.builds(
    lambda usages, day, setting: replace(ASKED, usages=tuple(usages), today=day, setting=setting),
    usages_,
    st.dates(date(2025, 12, 1), date(2026, 2, 1)) | st.just(TODAY),
    st.sampled_from([Setting.QUERY, Setting.QUERY, Setting.TRAIN]),
)


@st.composite
def worlds(draw: st.DrawFn) -> Published:
    """The example with ladders, gates and groups drawn anew."""
    policy = PUBLISHED.policies["nafld"].content
    tables = {}
    for name, table in policy.tables.items():
        columns = {
            column: said.model_copy(update={"use": draw(st.sampled_from(list(Use)))})
            for column, said in table.columns.items()
        }
        groups = draw(st.lists(st.lists(st.sampled_from(sorted(columns)), max_size=3).map(tuple), max_size=2))
        tables[name] = table.model_copy(update={"columns": columns, "never_together": tuple(groups)})
    settings_ = draw(st.sampled_from([(Setting.QUERY,), (Setting.QUERY, Setting.TRAIN)]))
    world = with_policy(tables=tables, settings=settings_)
    grant = PUBLISHED.grants["liver-2026"]
    return replace(
        world,
        grants={
            "liver-2026": Version(grant.digest, grant.content.model_copy(update={"settings": settings_}))
        },
    )


def narrowed(draw: Any, world: Published) -> Published:
    """One restriction, of any kind."""
    version = world.policies["nafld"]
    policy = version.content
    grant = world.grants["liver-2026"].content
    tables = dict(policy.tables)
    name = draw(st.sampled_from(sorted(tables)))
    columns = dict(tables[name].columns)
    column = draw(st.sampled_from(sorted(columns)))
    match draw(st.integers(0, 8)):
        case 0:
            del columns[column]
        case 1:
            columns[column] = columns[column].model_copy(
                update={"use": Use(draw(st.integers(0, columns[column].use)))}
            )
        case 2:
            group = tuple(draw(st.lists(st.sampled_from(sorted(columns)), max_size=3)))
            tables[name] = tables[name].model_copy(
                update={"never_together": (*tables[name].never_together, group)}
            )
        case 3:
            del tables[name]
            return _with(world, policy.model_copy(update={"tables": tables}), grant)
        case 4:
            return _with(world, policy.model_copy(update={"people": ()}), grant)
        case 5:
            return _with(world, policy.model_copy(update={"settings": policy.settings[:1]}), grant)
        case 6:
            return _with(world, policy, grant.model_copy(update={"settings": grant.settings[1:]}))
        case 7:
            shorter = grant.window.model_copy(update={"last": date(2026, 1, 10)})
            return _with(world, policy, grant.model_copy(update={"window": shorter}))
        case 8:
            return replace(world, policies={})
    tables[name] = tables[name].model_copy(update={"columns": columns})
    return _with(world, policy.model_copy(update={"tables": tables}), grant)


def _with(world: Published, policy: Policy, grant: Grant) -> Published:
    return replace(
        world, policies={"nafld": Version("p", policy)}, grants={"liver-2026": Version("g", grant)}
    )


@settings(max_examples=300, deadline=None)
@given(st.data(), worlds(), requests)
def test_narrowing_never_allows_more(data: st.DataObject, world: Published, asked: Request) -> None:
    smaller = world
    for _ in range(data.draw(st.integers(1, 3))):
        if not smaller.policies or not smaller.policies["nafld"].content.tables:
            break
        smaller = narrowed(data.draw, smaller)
    assert allows(asked, world) or not allows(asked, smaller)


@settings(max_examples=200, deadline=None)
@given(worlds(), requests, st.randoms())
def test_the_order_of_usages_never_matters(world: Published, asked: Request, shuffle: Random) -> None:
    usages = list(asked.usages)
    shuffle.shuffle(usages)
    twice = (*usages, *usages)
    assert decide(asked, world) == decide(replace(asked, usages=tuple(usages)), world)
    assert decide(asked, world).allowed == decide(replace(asked, usages=twice), world).allowed


@settings(max_examples=200, deadline=None)
@given(worlds(), requests)
def test_asking_for_less_is_never_refused_more(world: Published, asked: Request) -> None:
    if allows(asked, world):
        for index in range(len(asked.usages)):
            less = asked.usages[:index] + asked.usages[index + 1 :]
            assert allows(replace(asked, usages=less), world)


@settings(max_examples=200, deadline=None)
@given(worlds(), requests)
def test_only_what_is_written_allows(world: Published, asked: Request) -> None:
    """An independent reading of the rules."""
    policy, grant = world.policies["nafld"].content, world.grants["liver-2026"].content
    gates = grant.window.first <= asked.today <= grant.window.last and asked.setting in (
        set(policy.settings) & set(grant.settings)
    )
    expected = not asked.usages or gates
    expected = expected and grant.window.first <= asked.today <= grant.window.last
    used: dict[str, set[str]] = {}
    for usage in asked.usages:
        if usage.column is not None:
            column = policy.tables[usage.table].columns.get(usage.column)
            expected = expected and column is not None and column.use >= usage.use
            used.setdefault(usage.table, set()).add(usage.column)
    for table, columns in used.items():
        for group in policy.tables[table].never_together:
            expected = expected and not (group and set(group) <= columns)
    assert allows(asked, world) == expected
