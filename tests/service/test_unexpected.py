"""What nobody foresaw becomes one coded error; what the machine's messages quote is written nowhere."""

from __future__ import annotations

import errno
import json
import stat
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service.unexpected import LOG_NAME, as_coded


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_no_message_reaches_the_person_or_the_operators_log(tmp_path: Path) -> None:
    error = raised(ValueError("cell 4711-secret"), raised(KeyError("WHERE name = 'zhang'")))
    coded = as_coded(error, tmp_path)
    assert coded.code is ErrorCode.INTERNAL
    log = tmp_path / LOG_NAME
    line = json.loads(log.read_text())
    assert [link["type"] for link in line["chain"]] == ["builtins.ValueError", "builtins.KeyError"]
    assert "test_unexpected.py" in line["chain"][0]["frames"][0]
    assert line["incident"] in str(coded)
    for text in (str(coded), log.read_text()):
        assert "4711" not in text
        assert "zhang" not in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_coded_error_stays_as_it_is(tmp_path: Path) -> None:
    error = SandboxError(ErrorCode.SQL_SYNTAX, "x")
    assert as_coded(error, tmp_path) is error
    assert not (tmp_path / LOG_NAME).exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_its_own_code_however_deep(tmp_path: Path, number: int) -> None:
    error = raised(RuntimeError("x"), raised(OSError(number, "full")))
    assert as_coded(error, tmp_path).code is ErrorCode.STORAGE_FULL


def test_a_home_that_cannot_be_written_is_no_second_error(tmp_path: Path) -> None:
    coded = as_coded(raised(ValueError("x")), tmp_path / "nowhere")
    assert coded.code is ErrorCode.INTERNAL
    (tmp_path / LOG_NAME).symlink_to(tmp_path / "target")
    assert as_coded(raised(ValueError("x")), tmp_path).code is ErrorCode.INTERNAL
    assert not (tmp_path / "target").exists(), "a link is not followed"
