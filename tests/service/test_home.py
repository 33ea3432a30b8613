"""A home appears whole or not at all, opens for its passphrase alone, and says what is wrong."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Via
from sandbox.service import home as homes
from sandbox.service.checkup import doctor
from sandbox.service.home import Home
from tests.service.instance import PASSPHRASE, copied, settings


def refused(code: ErrorCode) -> pytest.RaisesExc[SandboxError]:
    return pytest.RaisesExc(SandboxError, check=lambda error: error.code is code and bool(error.hint))


def test_a_new_home_is_open_to_its_owner_only(tmp_path: Path) -> None:
    report = homes.init(settings(tmp_path / "deep" / "home"))
    assert stat.S_IMODE(report.home.stat().st_mode) == 0o700
    for path in report.home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert report.log_key.startswith(report.log_name + "+")
    assert PASSPHRASE.encode() not in b"".join(p.read_bytes() for p in report.home.rglob("*") if p.is_file())
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["home"], "nothing is left beside it"


def test_an_empty_folder_becomes_a_home_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    homes.init(settings(tmp_path / "empty"))
    with refused(ErrorCode.HOME_EXISTS):
        homes.init(settings(tmp_path / "empty"))
    (tmp_path / "file").write_text("x")
    with refused(ErrorCode.HOME_EXISTS):
        homes.init(settings(tmp_path / "file"))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with refused(ErrorCode.HOME_EXISTS):
        homes.init(settings(tmp_path / "link"))
    assert (tmp_path / "file").read_text() == "x"


def test_an_init_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with refused(ErrorCode.STORAGE_FULL):
        homes.init(settings(tmp_path / "home"))
    assert list(tmp_path.iterdir()) == []


def test_an_init_without_a_passphrase_makes_nothing(tmp_path: Path) -> None:
    bare = settings(tmp_path / "home").model_copy(update={"passphrase": None})
    with refused(ErrorCode.PASSPHRASE_MISSING):
        homes.init(bare)
    with refused(ErrorCode.PASSPHRASE_MISSING):
        homes.init(bare, prompt=lambda: "")
    assert list(tmp_path.iterdir()) == []


def test_a_home_opens_for_its_passphrase_alone(template: Path, tmp_path: Path) -> None:
    wrong = settings(template).model_copy(update={"passphrase": SecretStr("wrong")})
    with refused(ErrorCode.PASSPHRASE_WRONG):
        homes.open_home(wrong)
    with refused(ErrorCode.HOME_MISSING):
        homes.open_home(settings(tmp_path / "nowhere"))
    with refused(ErrorCode.HOME_MISSING):
        homes.open_home(settings(tmp_path))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "sandbox-home/9", "log": "x"}', "\xff"])
def test_a_damaged_home_file_is_said(template: Path, tmp_path: Path, content: str) -> None:
    home = copied(template, tmp_path / "home")
    (home / "home.json").write_bytes(content.encode("latin-1"))
    with refused(ErrorCode.STORAGE_CORRUPT):
        homes.open_home(settings(home))


def test_a_log_under_another_name_is_refused(template: Path, tmp_path: Path) -> None:
    home = copied(template, tmp_path / "home")
    (home / "home.json").write_text('{"format": "sandbox-home/1", "log": "other"}')
    with refused(ErrorCode.LOG_CORRUPT):
        homes.open_home(settings(home))


def test_a_store_of_another_home_is_refused(template: Path, tmp_path: Path) -> None:
    home = copied(template, tmp_path / "home")
    other = homes.init(settings(tmp_path / "other")).home
    (home / "store.sqlite").write_bytes((other / "store.sqlite").read_bytes())
    with refused(ErrorCode.LOG_CORRUPT):
        homes.open_home(settings(home))


def test_a_damaged_store_is_said(template: Path, tmp_path: Path) -> None:
    home = copied(template, tmp_path / "home")
    (home / "store.sqlite").write_bytes(b"not a database" * 1000)
    with refused(ErrorCode.STORAGE_CORRUPT):
        homes.open_home(settings(home))
    (home / "store.sqlite").unlink()
    with refused(ErrorCode.HOME_MISSING):
        homes.open_home(settings(home))


def test_nobody_acts_unnamed_but_the_operator_at_the_machine(town: Home) -> None:
    assert homes.actor(town, None, Via.CLI).id == "operator"
    with refused(ErrorCode.PERSON_UNKNOWN):
        homes.actor(town, None, Via.API)
    with refused(ErrorCode.PERSON_UNKNOWN):
        homes.actor(town, "nobody", Via.CLI)


def test_doctor_finds_what_is_wrong(template: Path, tmp_path: Path) -> None:
    home = copied(template, tmp_path / "home")
    assert not [f for f in doctor(settings(home)) if f.ok is False]
    (home / "store.sqlite").chmod(0o644)
    assert [f.check for f in doctor(settings(home)) if f.ok is False] == ["file modes"]
    wrong = settings(home).model_copy(update={"passphrase": SecretStr("wrong")})
    assert "keyring, store and log" in [f.check for f in doctor(wrong) if f.ok is False]
    assert [f.check for f in doctor(settings(tmp_path / "none")) if f.ok is False] == ["home"]


def test_a_killed_rotation_is_ended_and_logged_when_the_home_is_opened(
    template: Path, tmp_path: Path
) -> None:
    home = copied(template, tmp_path / "home")
    script = f"""
import os
from pathlib import Path
from sandbox.service import home as homes, operator
from sandbox.vault import rotate
from tests.service.instance import OPERATOR, settings
instance = homes.open_home(settings(Path({str(home)!r})))
rotate._end = lambda *_: os.kill(os.getpid(), 9)
operator.rotate_keys(instance, OPERATOR)
"""
    died = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert died.returncode == -9, died.stderr.decode()
    instance = homes.open_home(settings(home))
    try:
        assert instance.keyring.master == "mk-2"
        assert not instance.keyring.rotating()
        logged = list(instance.store.entries(kinds=("keys.rotated",)))
        assert [(entry.facts["from"], entry.facts["to"]) for entry in logged] == [("mk-1", "mk-2")]
    finally:
        homes.close(instance)
