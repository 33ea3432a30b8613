from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.errors import ErrorCode, SandboxError
from sandbox.settings import Settings
from sandbox.vault.passphrase import passphrase_of


def settings(passphrase: str | None = None, file: Path | None = None) -> Settings:
    return Settings(
        passphrase=SecretStr(passphrase) if passphrase is not None else None, passphrase_file=file
    )


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_PASSPHRASE", raising=False)
    monkeypatch.delenv("SANDBOX_PASSPHRASE_FILE", raising=False)


def test_three_ways_in_order(tmp_path: Path) -> None:
    file = written(tmp_path / "pass", "从 file\n".encode())
    assert passphrase_of(settings("set", file), lambda: "typed") == "set"
    assert passphrase_of(settings(None, file), lambda: "typed") == "从 file"
    assert passphrase_of(settings("", file)) == "从 file"
    assert passphrase_of(settings(), lambda: "typed") == "typed"


@pytest.mark.parametrize("content", [b"a b ", b"a b \n", b"a b \r\n"])
def test_only_the_line_end_is_taken_off(tmp_path: Path, content: bytes) -> None:
    assert passphrase_of(settings(None, written(tmp_path / "pass", content, 0o400))) == "a b "


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o700, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = written(tmp_path / "pass", b"secret words", mode)
    with pytest.raises(SandboxError) as caught:
        passphrase_of(settings(None, file), lambda: "typed")
    assert caught.value.code is ErrorCode.FILE_MODE
    assert caught.value.hint == f"chmod 600 {file}"
    assert "secret words" not in str(caught.value)


def test_missing_says_the_three_ways(tmp_path: Path) -> None:
    bad = [written(tmp_path / "empty", b"\n"), written(tmp_path / "long", b"x" * 5000)]
    bad += [written(tmp_path / "bytes", b"\xff\xfe"), tmp_path / "nothing", tmp_path]
    for made in (settings(), settings(""), *(settings(None, file) for file in bad)):
        with pytest.raises(SandboxError) as caught:
            passphrase_of(made, lambda: "")
        assert caught.value.code is ErrorCode.PASSPHRASE_MISSING
        for way in ("SANDBOX_PASSPHRASE_FILE", "SANDBOX_PASSPHRASE ", "terminal"):
            assert way in caught.value.hint
