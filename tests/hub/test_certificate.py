"""The hub with a certificate speaks https only; without one it does not listen beyond the loopback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from hub_config.certificate import complaint
from tests.hub import issuer
from tests.hub.conftest import MAIL, Public
from tests.hub.test_lacking import hub as start

GIVEN = ("SANDBOX_HUB_CERTIFICATE", "SANDBOX_HUB_KEY")
LOOPBACK, BEYOND = "127.0.0.1:8000", "0.0.0.0:8000"


def test_only_https_is_spoken_and_only_by_who_was_certified(public: Public) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(public.hub.url.replace("https", "http", 1), trust_env=False)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(public.hub.url, trust_env=False)
    assert public.hub.url in public.hub.output


def test_cookies_never_cross_in_the_clear(public: Public) -> None:
    seen: list[str] = []
    person = public.person(MAIL)

    def keep(reply: httpx.Response) -> None:
        if reply.url.scheme == "https":
            seen.extend(reply.headers.get_list("set-cookie"))

    person.http.event_hooks["response"].append(keep)
    assert issuer.log_in(person).status_code == 302
    person.start_server()
    assert person.server("GET", "/api/status").status_code == 200
    # A cookie that is taken away carries nothing.
    parts = [cookie.partition("=") for cookie in seen]
    kept = {name: value for name, _, value in parts if not value.startswith('""')}
    assert {"jupyterhub-hub-login", "oauthenticator-state", "_xsrf", "jupyterhub-session-id"} <= kept.keys()
    assert any(name.startswith("jupyterhub-user-") for name in kept)
    assert [cookie for cookie in kept.values() if "secure" not in cookie.lower()] == []


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A certificate, its key, another key, the same key behind a passphrase, and nonsense."""
    authority = trustme.CA()
    mine, other = authority.issue_cert("hub.example"), authority.issue_cert("hub.example")
    key = mine.private_key_pem.bytes()
    encrypted = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")
    )
    contents = {
        "certificate": mine.cert_chain_pems[0].bytes(),
        "key": key,
        "other": other.private_key_pem.bytes(),
        "encrypted": encrypted,
        "nonsense": b"nonsense",
        "open": key,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)
    return {name: tmp_path / name for name in (*contents, "missing", ".")}


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("certificate", "key", ""),
        ("certificate", None, "set SANDBOX_HUB_KEY too"),
        (None, "key", "set SANDBOX_HUB_CERTIFICATE too"),
        ("certificate", "missing", "SANDBOX_HUB_KEY: {missing} cannot be read: No such file"),
        ("missing", "key", "SANDBOX_HUB_CERTIFICATE: {missing} cannot be read: No such file"),
        ("certificate", ".", "cannot be read: Is a directory"),
        ("certificate", "other", "are no certificate and its key"),
        ("certificate", "encrypted", "without a passphrase"),
        ("nonsense", "key", "are no certificate and its key"),
        ("certificate", "nonsense", "are no certificate and its key"),
        ("certificate", "open", "chmod 600"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    certificate: str | None,
    key: str | None,
    said: str,
) -> None:
    for variable, name in zip(GIVEN, (certificate, key), strict=True):
        if name is not None:
            monkeypatch.setenv(variable, str(files[name]))
    told = complaint(BEYOND)
    assert said.format(**files) in told
    assert bool(told) == bool(said)
    assert len(told.splitlines()) <= 1


def test_a_key_that_may_not_be_read_is_said(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    # Root reads every file, so the machine's answer to everybody else is put in its place.
    read: Callable[[Path], bytes] = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == files["key"]:
            raise PermissionError(13, os.strerror(13))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    for variable, name in zip(GIVEN, ("certificate", "key"), strict=True):
        monkeypatch.setenv(variable, str(files[name]))
    assert "cannot be read: Permission denied" in complaint(BEYOND)


@pytest.mark.parametrize("listen", [LOOPBACK, "[::1]:8000", "localhost:8000"])
def test_the_loopback_needs_no_certificate(listen: str) -> None:
    assert not complaint(listen)


@pytest.mark.parametrize("listen", [BEYOND, "[::]:443", "10.0.0.1:80", "hub.example:443", ":8000"])
def test_beyond_it_a_certificate_is_needed_or_a_proxy(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "in the clear" in complaint(listen)
    monkeypatch.setenv("SANDBOX_BEHIND_PROXY", "true")
    assert not complaint(listen)


def test_the_hub_does_not_start_without_its_key(tmp_path: Path, files: dict[str, Path]) -> None:
    chosen = {"SANDBOX_HUB_CERTIFICATE": files["certificate"], "SANDBOX_HUB_KEY": files["missing"]}
    done = start(tmp_path, **{name: str(path) for name, path in chosen.items()})
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert str(files["missing"]) in done.stderr
    assert not (tmp_path / "hub").exists()
