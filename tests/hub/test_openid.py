"""Login at a real OpenID Connect provider, over TLS: who comes in, with which roles, and who does not."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tornado.web import HTTPError

from hub_config.issuer import complaint, discover
from hub_config.login import NAMES, RESERVED
from hub_config.openid import OpenIDAuthenticator
from tests.hub import issuer
from tests.hub.conftest import MAIL, NOBODY, Public
from tests.hub.instance import person_folder
from tests.hub.test_lacking import hub as start

TWISTS = (
    "signed by another",
    "signed by an unknown key",
    "signed by nobody",
    "signed with the secret",
    "of another issuer",
    "for another audience",
    "for several, handed to another",
    "for several, handed to nobody",
    "out of time",
    "without an end",
    "about another",
    "missing",
    "no token",
)


def roles_of(public: Public, name: str) -> set[str]:
    """The sandbox's roles in a token that somebody makes after logging in."""
    person = public.person(name)
    assert issuer.log_in(person).status_code == 302
    made = person.hub("POST", f"/users/{name}/tokens", json={"expires_in": 600})
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    said = person.http.get("/hub/api/user", headers=headers).json()
    assert said["name"] == name
    assert not said["admin"]
    return {scope.rpartition(":")[2] for scope in said["scopes"] if scope.startswith("custom:sandbox:")}


@pytest.mark.parametrize(
    ("name", "roles"),
    [("wang", {"steward"}), ("zhao", {"auditor"}), ("sun", {"opc", "auditor"}), ("chen", {"operator"})],
)
def test_groups_of_the_provider_are_roles_here(public: Public, name: str, roles: set[str]) -> None:
    assert roles_of(public, name) == roles


def test_a_role_taken_away_is_gone_at_the_next_login(public: Public) -> None:
    assert roles_of(public, "yi") == {"steward"}
    public.issuer.change("yi", {"groups": ["auditor"]})
    assert roles_of(public, "yi") == {"auditor"}
    public.issuer.change("yi", {"groups": []})
    assert issuer.log_in(public.person("yi")).status_code == 403


@pytest.mark.parametrize("name", sorted(NOBODY))
def test_nobody_comes_in_without_a_role_or_by_a_name_that_cannot_be(public: Public, name: str) -> None:
    person = public.person(name)
    refused = issuer.log_in(person)
    assert refused.status_code == 403
    assert "角色组" in refused.text
    assert person.http.get("/hub/home", follow_redirects=False).status_code == 302
    assert f"/hub/api/users/{name}" not in refused.text


def test_a_person_by_mail_address_runs_a_sealed_kernel(public: Public) -> None:
    mail = public.person(MAIL)
    assert issuer.log_in(mail).status_code == 302
    mail.start_server()
    folder = person_folder(public.hub.folder / "state", MAIL)
    assert folder.name == str(folder.stat().st_uid)
    assert folder.stat().st_uid >= 270_000
    with mail.kernel() as kernel:
        assert kernel.run("import os; print(os.getuid())") == "1000\n"
        assert kernel.run("import sandbox.client as sb; print(sb.datasets()[0].grants)") == "()\n"


def test_a_name_of_the_system_is_a_name_like_any_other(public: Public) -> None:
    assert roles_of(public, "root") == {"opc"}


@pytest.mark.parametrize("how", TWISTS)
def test_an_id_token_that_proves_nothing_opens_nothing(public: Public, how: str) -> None:
    assert how in public.issuer.twist(how)
    try:
        person = public.person("li")
        refused = issuer.log_in(person)
    finally:
        public.issuer.twist()
    assert refused.status_code == 403, refused.text
    assert person.http.get("/hub/home", follow_redirects=False).status_code == 302


def test_every_way_of_being_wrong_is_tried_and_the_right_one_opens(public: Public) -> None:
    assert set(public.issuer.twist("as it is, signed again")) == {*TWISTS, "as it is, signed again"}
    try:
        assert issuer.log_in(public.person("li")).status_code == 302
    finally:
        public.issuer.twist()


def test_a_state_of_another_browser_is_refused(public: Public) -> None:
    mine, theirs = public.person("li"), public.person("sun")
    target = issuer.to_callback(mine).headers["location"]
    issuer.to_callback(theirs)
    assert theirs.http.get(target).status_code == 400
    assert public.person("nobody").http.get(target).status_code == 400
    assert mine.http.get(re.sub(r"state=[^&]+", "state=e30%3D", target)).status_code == 400


def test_a_code_of_another_browser_is_refused(public: Public) -> None:
    """Who steals a code on its way lacks what its hash was sent ahead of it (PKCE)."""
    mine, theirs = public.person("li"), public.person("sun")
    stolen = parse_qs(urlsplit(issuer.to_callback(mine).headers["location"]).query)["code"][0]
    target = issuer.to_callback(theirs).headers["location"]
    refused = theirs.http.get(re.sub(r"code=[^&]+", f"code={stolen}", target), follow_redirects=False)
    assert refused.status_code in (400, 403), refused.status_code
    assert theirs.http.get("/hub/home", follow_redirects=False).status_code == 302


def test_the_way_to_the_provider_says_what_it_must(public: Public) -> None:
    reply = public.person("li").http.get("/hub/oauth_login", follow_redirects=False)
    asked = parse_qs(urlsplit(reply.headers["location"]).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid profile groups"]
    assert {"state", "code_challenge"} <= asked.keys()


def test_no_password_opens(public: Public) -> None:
    assert not (public.hub.folder / "state" / "passwords.json").exists()
    assert "password" not in public.person("li").http.get("/hub/login").text.lower()


@pytest.mark.parametrize(
    "name", ["", "A", "-x", "a/b", "a b", "a\n", "..", "x" * 64, "李", "é", "a%2fb", "a'b"]
)
def test_names_are_plain(name: str) -> None:
    assert not re.match(NAMES, name)
    assert re.match(NAMES, "li.wang+1@city-x.example")
    assert "operator" in RESERVED


def test_a_mail_address_is_a_name_only_when_the_issuer_verified_it() -> None:
    login = OpenIDAuthenticator(name_claim="email")
    assert login.user_info_to_username({"email": MAIL, "email_verified": True}) == MAIL
    for verified in (False, None, "true", 1):
        with pytest.raises(HTTPError, match="did not verify"):
            login.user_info_to_username({"email": MAIL, "email_verified": verified})
    for nothing in ({}, {"email": ""}, {"email": ["a"]}):
        with pytest.raises(HTTPError, match="no claim"):
            login.user_info_to_username(nothing)


FILE = "SANDBOX_OIDC_SECRET_FILE"


@pytest.mark.parametrize(
    ("issuer_url", "file", "said"),
    [
        ("http://127.0.0.1:1", None, "set SANDBOX_OIDC_SECRET_FILE too"),
        ("http://127.0.0.1:1", "missing", "No such file"),
        ("http://127.0.0.1:1", "open", "chmod 600"),
        ("http://127.0.0.1:1", "mine", "does not say where to log in"),
        ("http://issuer.example", "mine", "https://"),
        ("nonsense", "mine", "https://"),
    ],
)
def test_settings_that_cannot_work_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer_url: str, file: str | None, said: str
) -> None:
    for name, mode in (("open", 0o644), ("mine", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    for name in ("SANDBOX_OIDC_CLIENT", "SANDBOX_OIDC_CALLBACK"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SANDBOX_OIDC_ISSUER", issuer_url)
    if file is not None:
        monkeypatch.setenv(FILE, str(tmp_path / file))
    told = complaint()
    assert said in told
    assert len(told.splitlines()) == 1


def test_what_cannot_work_ends_before_anything_starts(tmp_path: Path) -> None:
    done = start(tmp_path, SANDBOX_OIDC_ISSUER="http://127.0.0.1:1")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "set SANDBOX_OIDC_CLIENT, SANDBOX_OIDC_SECRET_FILE, SANDBOX_OIDC_CALLBACK too" in done.stderr
    assert not (tmp_path / "hub").exists()


def test_an_issuer_is_who_it_says(public: Public) -> None:
    with pytest.raises(ValueError, match="another issuer"):
        discover(public.issuer.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(ValueError, match="another issuer"):
        discover(f"{public.issuer.url}/")
    assert discover(public.issuer.url)["jwks_uri"].startswith(public.issuer.url)
