"""Roles never imply one another: who may do what, in every direction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.service import auditor, loading, opc, operator, planning, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest, LogFilter
from tests.service.instance import Files, acting, write_files

Act = Callable[[Home, Actor, Files, Path], object]
COUNT = "SELECT COUNT(*) FROM town.residents"

ACTS: dict[str, tuple[Act, set[str]]] = {
    "plan": (
        lambda h, a, f, _: planning.plan(h, a, LoadRequest(str(f.residents), "town", "residents")),
        {"operator", "chen"},
    ),
    "load": (
        lambda h, a, f, _: loading.load(h, a, LoadRequest(str(f.residents), "town", "residents")),
        {"operator", "chen"},
    ),
    "quarantine": (
        lambda h, a, *_: list(loading.quarantine(h, a, "town", "residents")),
        {"operator", "chen"},
    ),
    "rotate": (lambda h, a, *_: operator.rotate_keys(h, a), {"operator", "chen"}),
    "token": (lambda h, a, *_: operator.create_token(h, a, "li", Role.OPC), {"operator", "chen"}),
    "tokens": (lambda h, a, *_: operator.list_tokens(h, a), {"operator", "chen"}),
    "show": (lambda h, a, *_: auditor.show_log(h, a, LogFilter()), {"zhao"}),
    "export": (lambda h, a, _, p: auditor.export_log(h, a, p / "copy"), {"zhao"}),
    "people": (lambda h, a, f, _: steward.publish(h, a, f.people), {"operator", "chen"}),
    "units": (lambda h, a, f, _: steward.publish(h, a, f.units), {"wang"}),
    "policy": (lambda h, a, f, _: steward.publish(h, a, f.policy), {"wang"}),
    "grant": (lambda h, a, f, _: steward.publish(h, a, f.grant), {"wang"}),
    "ask": (lambda h, a, *_: opc.ask(h, a, COUNT, "town-2026"), {"li"}),
    "estimate": (lambda h, a, *_: opc.estimate(h, a, COUNT, "town-2026"), {"li"}),
    "explain": (lambda h, a, *_: opc.explain(h, a, COUNT, "town-2026"), {"li"}),
    "budget": (lambda h, a, *_: opc.budget(h, a, "town-2026"), {"li", "wang", "zhao", "operator", "chen"}),
    "datasets": (
        lambda h, a, *_: opc.datasets(h, a),
        {"operator", "chen", "li", "mei", "wang", "zhao"},
    ),
}
REFUSALS = {
    ErrorCode.ROLE_REFUSED,
    ErrorCode.GRANT_REFUSED,
    ErrorCode.POLICY_REFUSED,
    ErrorCode.PERSON_UNKNOWN,
}


@pytest.mark.parametrize("act", ACTS)
def test_each_act_is_open_to_its_roles_and_to_nobody_else(town: Home, tmp_path: Path, act: str) -> None:
    files = write_files(tmp_path / "files")
    files.grant.write_text(files.grant.read_text() + "obligations: [Say thanks.]\n")
    files.policy.write_text(files.policy.read_text() + "# again\n")
    files.units.write_text(files.units.read_text() + "# again\n")
    files.people.write_text(files.people.read_text() + "# again\n")
    do, allowed = ACTS[act]
    for person in ("operator", "chen", "li", "mei", "wang", "zhao"):
        actor = acting(town, None if person == "operator" else person)
        folder = tmp_path / person
        if person in allowed:
            do(town, actor, files, folder)
            continue
        with pytest.raises(SandboxError) as caught:
            do(town, actor, files, folder)
        assert caught.value.code in REFUSALS, (person, caught.value)
        assert caught.value.hint
        assert not folder.exists()


def test_datasets_show_what_is_declared_and_no_hidden_column(town: Home) -> None:
    (card,) = opc.datasets(town, acting(town, "li"))
    assert card.grants == ("town-2026",)
    residents = next(table for table in card.tables if table.name == "residents")
    assert residents.loaded
    assert [column.name for column in residents.columns] == ["id", "age", "district"]
    (other,) = opc.datasets(town, acting(town, "mei"))
    assert other.grants == ()
    assert opc.grants(town, acting(town, "mei")) == ()


def test_a_grant_of_others_is_no_oracle(town: Home) -> None:
    """mei learns the same of a grant of others whatever she asks for under it."""
    errors = set()
    for sql in (COUNT, "SELECT COUNT(*) FROM town.nothing", "SELECT secret FROM town.residents"):
        with pytest.raises(SandboxError) as caught:
            opc.ask(town, acting(town, "mei"), sql, "town-2026")
        errors.add(str(caught.value))
    assert len(errors) == 1
