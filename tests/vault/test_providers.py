"""One contract for all that can seal a keyring, each against the real thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import home as homes
from sandbox.service import opc, operator
from sandbox.settings import Settings
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.parquet import read_batches
from sandbox.vault.pkcs11 import Pkcs11
from sandbox.vault.rotate import end_rotation, rotate_keys
from sandbox.vault.sealer import Passphrase
from tests.service import instance
from tests.service.stretching import remembered
from tests.vault.providers import PIN, Provided, kms, token
from tests.vault.support import people, write
from tests.vault.test_rotate import PlugPulledError, pull_plug

Makers = Mapping[str, Callable[[], Provided]]
PROVIDERS = ("keyring", "aws-kms", "pkcs11")


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Makers]:
    with remembered(), kms() as cloud, token(tmp_path_factory.mktemp("token")) as hardware:
        yield {
            "keyring": lambda: Provided(Passphrase("one"), Passphrase("other"), None, {}),
            "aws-kms": cloud,
            "pkcs11": hardware,
        }


@pytest.fixture(params=PROVIDERS)
def given(request: pytest.FixtureRequest, makers: Makers) -> Provided:
    return makers[request.param]()


def refused(act: Callable[[], object], *codes: ErrorCode) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        act()
    assert caught.value.code in codes
    assert caught.value.hint
    assert PIN not in str(caught.value)
    return caught.value


WRONG = (ErrorCode.PASSPHRASE_WRONG, ErrorCode.KEY_PROVIDER, ErrorCode.KEYRING_CORRUPT)


def test_what_it_sealed_it_opens(given: Provided, tmp_path: Path) -> None:
    made = Keyring.create(tmp_path / KEYRING_FILE, given.sealer)
    key, secret = made.key_encryption_key("nafld", "restricted"), made.secret("unit/patient")
    again = Keyring.open(tmp_path / KEYRING_FILE, given.sealer)
    assert (again.key_by_id(key.id), again.secret("unit/patient")) == (key.key, secret)
    assert again.sealed_by.split()[0] == given.sealer.provider
    content = (tmp_path / KEYRING_FILE).read_bytes()
    for plain in (key.key, secret):
        assert plain not in content
        assert plain.hex().encode() not in content


def test_nothing_else_opens_it(given: Provided, makers: Makers, tmp_path: Path) -> None:
    path = tmp_path / KEYRING_FILE
    Keyring.create(path, given.sealer)
    sealed_elsewhere = makers["pkcs11" if given.sealer.provider == "aws-kms" else "aws-kms"]().sealer
    error = refused(lambda: Keyring.open(path, sealed_elsewhere), ErrorCode.KEY_PROVIDER)
    assert f"SANDBOX_KEY_PROVIDER={given.sealer.provider}" in error.hint
    if (
        given.sealer.provider != "aws-kms"
    ):  # KMS opens by the key that the file names, whatever the settings name
        refused(lambda: Keyring.open(path, given.other), *WRONG)
    if given.sealer.provider != "keyring":
        refused(lambda: Keyring.open(path, "a passphrase"), ErrorCode.KEY_PROVIDER)


def test_an_altered_seal_opens_nothing(given: Provided, tmp_path: Path) -> None:
    path = tmp_path / KEYRING_FILE
    Keyring.create(path, given.sealer)
    content: dict[str, Any] = json.loads(path.read_text())
    field = "salt" if given.sealer.provider == "keyring" else "sealed"
    text = content["sealing"][field]
    for at in (0, len(text) // 2, len(text) - 6):
        digit = "1" if text[at] != "1" else "2"
        path.write_text(
            json.dumps(
                {**content, "sealing": {**content["sealing"], field: text[:at] + digit + text[at + 1 :]}}
            )
        )
        refused(lambda: Keyring.open(path, given.sealer), *WRONG)


def test_a_provider_that_is_gone(given: Provided, tmp_path: Path) -> None:
    path = tmp_path / KEYRING_FILE
    made = Keyring.create(path, given.sealer)
    if given.gone is None:
        return
    gone = given.gone()
    refused(lambda: Keyring.open(path, gone), ErrorCode.KEY_PROVIDER)
    assert made.secret("later"), "an open keyring needs it no more"


@pytest.mark.parametrize("to", PROVIDERS)
def test_every_key_moves_and_the_old_seal_opens_nothing(
    given: Provided, makers: Makers, to: str, tmp_path: Path
) -> None:
    path = tmp_path / KEYRING_FILE
    keys = Keyring.create(path, given.sealer)
    version = write(tmp_path, keys, people(50))
    before = path.read_bytes()
    target = makers[to]()
    target = target if to != "keyring" else Provided(Passphrase("third"), target.other, None, {})
    rotate_keys(tmp_path, keys, target.sealer)
    moved = Keyring.open(path, target.sealer)
    assert sum(batch.num_rows for batch in read_batches(tmp_path, moved, version, ["case.id"])) == 50
    if to != "aws-kms" or given.sealer.provider != "aws-kms":
        refused(lambda: Keyring.open(path, given.sealer), *WRONG)
    path.write_bytes(before)
    old = Keyring.open(path, given.sealer)
    with pytest.raises(SandboxError):
        list(read_batches(tmp_path, old, version, ["case.id"]))


@pytest.mark.parametrize("to", PROVIDERS)
def test_a_plug_pulled_between_two_providers_leaves_a_home_that_one_of_them_opens(
    given: Provided, makers: Makers, to: str, tmp_path: Path
) -> None:
    target = makers[to]() if to != "keyring" else Provided(Passphrase("third"), Passphrase("other"), None, {})
    for at in (1, 2, 3):  # keyring, key material, keyring
        for after in (False, True):
            home = tmp_path / f"{at}-{after}"
            home.mkdir()
            keys = Keyring.create(home / KEYRING_FILE, given.sealer)
            version = write(home, keys, people(20))
            with pytest.MonkeyPatch.context() as patch:
                pull_plug(patch, at, after=after)
                with pytest.raises(PlugPulledError):
                    rotate_keys(home, keys, target.sealer)
            begun = not (at == 1 and not after)
            opened = Keyring.open(home / KEYRING_FILE, (target if begun else given).sealer)
            for _ in range(2):
                assert sum(b.num_rows for b in read_batches(home, opened, version, ["case.id"])) == 20
                end_rotation(home, opened)
            assert not opened.rotating()
            # Two keys in one cloud are two seals of one provider, which open each other's by name.
            if begun and not (to == "aws-kms" and given.sealer.provider == "aws-kms"):
                refused(lambda: Keyring.open(home / KEYRING_FILE, given.sealer), *WRONG)  # noqa: B023


def test_the_key_in_the_token_cannot_be_extracted(makers: Makers, tmp_path: Path) -> None:
    sealer = makers["pkcs11"]().sealer
    assert isinstance(sealer, Pkcs11)
    Keyring.create(tmp_path / KEYRING_FILE, sealer)
    with pkcs11.lib(str(sealer.module)).get_token(token_label=sealer.token).open(user_pin=PIN) as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=sealer.label)
        assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
        with pytest.raises(pkcs11.exceptions.PKCS11Error):
            key[pkcs11.Attribute.VALUE]


def test_a_whole_home_goes_from_provider_to_provider(
    makers: Makers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**makers["aws-kms"]().settings, **makers["pkcs11"]().settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SANDBOX_KEY_PROVIDER")
    home = instance.make(tmp_path)
    base = instance.settings(home)
    for number, (provider, to) in enumerate(
        (("keyring", "pkcs11"), ("pkcs11", "aws-kms"), ("aws-kms", "keyring"))
    ):
        opened = homes.open_home(base.model_copy(update={"key_provider": provider}))
        status = operator.keys_status(opened, instance.OPERATOR)
        assert status.sealed_by.split()[0] == provider
        assert ("town", "restricted", number + 1) in status.classes
        asked = opc.ask(
            opened, instance.acting(opened, "li"), "SELECT COUNT(*) AS n FROM districts", "town-2026"
        )
        assert asked.table["n"].to_pylist() == [2]
        operator.rewrap_keys(opened, instance.OPERATOR, to)
        homes.close(opened)
        with pytest.raises(SandboxError) as caught:
            homes.open_home(base.model_copy(update={"key_provider": provider}))
        assert caught.value.code is ErrorCode.KEY_PROVIDER
    opened = homes.open_home(base)
    refused(lambda: operator.rewrap_keys(opened, instance.OPERATOR, "nothing"), ErrorCode.ARGUMENT)
    homes.close(opened)


def test_settings_that_are_not_all_there(tmp_path: Path) -> None:
    for provider in ("aws-kms", "pkcs11"):
        chosen = Settings(home=tmp_path / "home").model_copy(
            update={"key_provider": provider, "aws_kms_key": None, "pkcs11_token": None}
        )
        error = refused(lambda: homes.init(chosen), ErrorCode.ARGUMENT)  # noqa: B023
        assert "SANDBOX_" in error.hint
    assert not (tmp_path / "home").exists()
