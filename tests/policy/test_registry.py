"""Publishing: who may, what is stored and logged, and that only published bytes decide."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.store import Store
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Person, Role, Via, operator_of_this_machine
from sandbox.policy.codelist import among
from sandbox.policy.diagnostic import PolicyFileError
from sandbox.policy.read import Draft, FileKind, draft_of
from sandbox.policy.registry import Registry, newest_revision
from tests.policy.files import FOLDER, LIVER, NAFLD, PEOPLE, UNITS, edited

OPERATOR = operator_of_this_machine()
WANG = Actor(Person("wang", "City data exchange", frozenset({Role.STEWARD})), Via.CLI)
CHEN = Actor(Person("chen", "elsewhere", frozenset({Role.STEWARD})), Via.CLI)
LI = Actor(Person("li", "Li Studio (OPC)", frozenset({Role.OPC})), Via.CLI)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def policy(*edits: tuple[str, str]) -> Draft:
    return draft_of(FileKind.POLICY, edited(NAFLD, *edits).encode(), "nafld.policy.yaml")


def grant(*edits: tuple[str, str]) -> Draft:
    return draft_of(FileKind.GRANT, edited(LIVER, *edits).encode(), "grants/liver-2026.yaml")


def units(*edits: tuple[str, str]) -> Draft:
    return draft_of(FileKind.UNITS, edited(UNITS, *edits).encode(), "units.yaml")


def people(*edits: tuple[str, str]) -> Draft:
    return draft_of(FileKind.PEOPLE, edited(PEOPLE, *edits).encode(), "people.yaml")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store.db", KEY, "example.org/sandbox", bytes(32))


@pytest.fixture
def registry(store: Store) -> Registry:
    registry = Registry(store)
    registry.publish(FOLDER / "people.yaml", OPERATOR)
    registry.publish(FOLDER / "units.yaml", WANG)
    registry.publish(FOLDER / "nafld.policy.yaml", WANG)
    registry.publish(FOLDER / "grants" / "liver-2026.yaml", WANG)
    return registry


def log(store: Store) -> list[tuple[str, str, dict[str, Any]]]:
    return [(entry.kind, entry.person, dict(entry.facts)) for entry in store.entries()]


def test_published_bytes_are_stored_and_logged(store: Store, registry: Registry) -> None:
    digests = {name: "sha256:" + hashlib.sha256(text.encode()).hexdigest() for name, text in
               (("people", PEOPLE), ("units", UNITS), ("nafld", NAFLD), ("liver-2026", LIVER))}  # fmt: skip
    assert log(store) == [
        ("people.published", "operator", {"digest": digests["people"], "previous": None}),
        ("units.published", "wang", {"digest": digests["units"], "previous": None}),
        ("policy.published", "wang", {"dataset": "nafld", "digest": digests["nafld"], "previous": None}),
        (
            "grant.published",
            "wang",
            {"grant": "liver-2026", "digest": digests["liver-2026"], "previous": None},
        ),
    ]
    assert registry.content(digests["nafld"]) == NAFLD.encode()
    shown = registry.snapshot()
    assert shown.policies["nafld"].digest == digests["nafld"]
    assert shown.person("li").roles == {Role.OPC}
    assert shown.grants_of("li") == ("liver-2026",)
    assert shown.grants_of("zhao") == ()
    assert Registry(store).snapshot() == shown
    with pytest.raises(SandboxError) as caught:
        shown.person("ghost")
    assert caught.value.code is ErrorCode.PERSON_UNKNOWN


def test_the_same_bytes_again_are_no_act(store: Store, registry: Registry) -> None:
    before, shown = log(store), registry.snapshot()
    again = registry.publish(FOLDER / "nafld.policy.yaml", WANG)
    assert not again.changed
    assert again.previous == again.digest
    assert log(store) == before
    assert registry.snapshot() is shown


def test_a_new_version_and_back(store: Store, registry: Registry) -> None:
    first = registry.snapshot().policies["nafld"].digest
    second = registry.publish(policy(("minimum_group: 10", "minimum_group: 20")), WANG)
    assert (second.changed, second.previous) == (True, first)
    privacy = registry.snapshot().policies["nafld"].content.privacy
    assert privacy is not None
    assert privacy.minimum_group == 20
    assert registry.content(first) == NAFLD.encode()
    back = registry.publish(policy(), WANG)
    assert (back.digest, back.previous) == (first, second.digest)
    assert registry.history(FileKind.POLICY, "nafld") == (first, second.digest, first)
    assert [facts["previous"] for kind, _, facts in log(store) if kind == "policy.published"] == [
        None, first, second.digest,
    ]  # fmt: skip


REFUSED = [
    (policy(("minimum_group: 10", "minimum_group: 1")), LI, ErrorCode.ROLE_REFUSED),
    (policy(("minimum_group: 10", "minimum_group: 1")), OPERATOR, ErrorCode.ROLE_REFUSED),
    (policy(("minimum_group: 10", "minimum_group: 1")), CHEN, ErrorCode.POLICY_REFUSED),
    (policy(("stewards: [wang]", "stewards: [chen]")), CHEN, ErrorCode.POLICY_REFUSED),
    (policy(("stewards: [wang]", "stewards: [chen]")), WANG, ErrorCode.POLICY_REFUSED),
    (grant(("epsilon: 4", "epsilon: 5")), LI, ErrorCode.ROLE_REFUSED),
    (grant(("epsilon: 4", "epsilon: 5")), CHEN, ErrorCode.POLICY_REFUSED),
    (grant(("[nafld]", "[other]")), CHEN, ErrorCode.POLICY_REFUSED),
    (grant(("[nafld]", "[nafld, other]")), WANG, ErrorCode.POLICY_FILE),
    (units(("  patient:", "  person:")), WANG, ErrorCode.POLICY_FILE),
    (units(("One patient", "A patient")), LI, ErrorCode.ROLE_REFUSED),
    (people(("[opc]", "[opc, steward]")), LI, ErrorCode.ROLE_REFUSED),
    (people(("[opc]", "[opc, steward]")), WANG, ErrorCode.ROLE_REFUSED),
    (policy(("name: patient", "name: patent")), WANG, ErrorCode.POLICY_FILE),
]


@pytest.mark.parametrize(("draft", "actor", "code"), REFUSED)
def test_refused_and_nothing_done(
    store: Store, registry: Registry, draft: Draft, actor: Actor, code: ErrorCode
) -> None:
    before, shown = log(store), registry.snapshot()
    with pytest.raises(SandboxError) as caught:
        registry.publish(draft, actor)
    assert caught.value.code is code
    assert log(store) == before
    assert registry.snapshot() is shown


def test_stewards_hand_over_through_both(registry: Registry) -> None:
    registry.publish(policy(("stewards: [wang]", "stewards: [wang, chen]")), WANG)
    registry.publish(policy(("stewards: [wang]", "stewards: [chen]")), CHEN)
    with pytest.raises(SandboxError) as caught:
        registry.publish(policy(), WANG)
    assert caught.value.code is ErrorCode.POLICY_REFUSED


def test_nothing_decides_before_it_is_published(store: Store) -> None:
    registry = Registry(store)
    assert registry.snapshot().revision == 0
    assert registry.snapshot().people is None
    with pytest.raises(SandboxError) as caught:
        registry.publish(FOLDER / "nafld.policy.yaml", WANG)
    assert isinstance(caught.value, PolicyFileError)
    assert {found.rule for found in caught.value.diagnostics} == {"unit-unknown"}
    with pytest.raises(PolicyFileError, match="no policy"):
        registry.publish(FOLDER / "grants" / "liver-2026.yaml", WANG)
    with pytest.raises(SandboxError, match="operator"):
        registry.publish(FOLDER / "people.yaml", WANG)


def test_warnings_do_not_refuse(registry: Registry) -> None:
    done = registry.publish(grant(("epsilon: 4", "epsilon: 9")), WANG)
    assert done.changed
    assert [found.rule for found in done.warnings] == ["grant-budget"]


def test_code_lists_are_published_with_the_policy(store: Store, registry: Registry) -> None:
    text = edited(NAFLD, ("values: [chol, dbp, fib4, hdl, sbp, smoke]", "codelist: tests")).encode()

    def listed(keys: bytes) -> Draft:
        return draft_of(FileKind.POLICY, text, "nafld.policy.yaml", among({"tests": keys}))

    first = registry.publish(listed(b"chol\nhdl\n"), WANG)
    assert registry.snapshot().policies["nafld"].content.tables["labs"].columns["test"].values == (
        "chol",
        "hdl",
    )
    assert not registry.publish(listed(b"chol\nhdl\n"), WANG).changed
    second = registry.publish(listed(b"chol\n"), WANG)
    assert second.previous == first.digest != second.digest
    fresh = Registry(store).snapshot().policies["nafld"]
    assert fresh.content.tables["labs"].columns["test"].values == ("chol",)
    manifest = json.loads(registry.content(second.digest))
    assert registry.content(manifest["file"]) == text
    assert registry.content(manifest["codelists"]["tests"]) == b"chol\n"
    assert "sha256:" + hashlib.sha256(registry.content(second.digest)).hexdigest() == second.digest


def test_altered_bytes_do_not_decide(store: Store, registry: Registry) -> None:
    digest = registry.snapshot().policies["nafld"].digest
    engine = sa.create_engine(f"sqlite:///{store._engine.url.database}")
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE policy_blob SET content = :content WHERE digest = :digest"),
            {"content": NAFLD.replace("use: hidden", "use: open").encode(), "digest": digest},
        )
    for act in (lambda: Registry(store).snapshot(), lambda: registry.content(digest)):
        with pytest.raises(SandboxError) as caught:
            act()
        assert caught.value.code is ErrorCode.STORAGE_CORRUPT


def test_a_store_that_fails_leaves_nothing(store: Store, registry: Registry) -> None:
    before = log(store)
    shown = registry.snapshot()
    engine = sa.create_engine(f"sqlite:///{store._engine.url.database}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON policy_file BEGIN SELECT RAISE(ABORT, 'disk'); END"
        )
    with pytest.raises(sa.exc.IntegrityError):
        registry.publish(policy(("minimum_group: 10", "minimum_group: 20")), WANG)
    assert log(store) == before
    assert registry.snapshot() is shown


def test_publishing_at_once_is_one_after_the_other(store: Store, registry: Registry) -> None:
    drafts = [policy(("minimum_group: 10", f"minimum_group: {number}")) for number in range(11, 19)]
    registries = [registry, Registry(store)]
    done: list[str | None] = []

    def publish(index: int) -> None:
        done.append(registries[index % 2].publish(drafts[index], WANG).previous)

    threads = [threading.Thread(target=publish, args=(index,)) for index in range(len(drafts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = registry.history(FileKind.POLICY, "nafld")
    assert sorted(history[1:]) == sorted(draft.digest for draft in drafts)
    assert sorted(str(previous) for previous in done) == sorted(history[:-1])
    told = [facts for kind, _, facts in log(store) if kind == "policy.published"]
    assert [fact["digest"] for fact in told] == list(history)
    assert [fact["previous"] for fact in told] == [None, *history[:-1]]
    with store.read() as connection:
        assert newest_revision(connection) == registries[1].snapshot().revision == 4 + len(drafts)
