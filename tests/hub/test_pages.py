"""The web pages: one login with the hub, by OAuth with PKCE; everybody sees what their roles let them see."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sandbox.audit.event import EventKind
from sandbox.console.words import LANGUAGES, WORDS, preferred
from tests.hub.browser import Person
from tests.hub.conftest import Public
from tests.hub.instance import Hub

HOME = "/services/sandbox/"
SEEN = {
    "opc": ("Your grants", "Open your notebooks", "Datasets"),
    "steward": ("Datasets",),
    "auditor": ("newest entries of the log",),
    "operator": ("sandbox doctor",),
}
ALL = {text for texts in SEEN.values() for text in texts}


def page(person: Person, **how: str) -> httpx.Response:
    return person.http.get(HOME, headers={"Accept-Language": how.pop("accept", "en")}, params=how)


def begun(person: Person) -> tuple[str, dict[str, list[str]]]:
    """Where a browser without a session is sent, and with what."""
    for cookie in list(person.http.cookies.jar):
        if cookie.name == "sandbox-session":
            person.http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
    sent = person.http.get(HOME, follow_redirects=False)
    assert sent.status_code == 303, sent.text
    return sent.headers["location"], parse_qs(urlsplit(sent.headers["location"]).query)


ROLES = [
    ("mo", {"opc"}),
    ("wang", {"steward"}),
    ("zhao", {"auditor"}),
    ("chen", {"operator"}),
    ("sun", {"opc", "auditor"}),
]


@pytest.mark.parametrize(("name", "roles"), ROLES)
def test_everybody_sees_what_their_roles_let_them_see(hub: Hub, name: str, roles: set[str]) -> None:
    shown = page(hub.person(name))
    assert shown.status_code == 200, shown.text
    assert shown.url.path == HOME
    assert f"<strong>{name}</strong>" in shown.text
    seen = {text for role in roles for text in SEEN[role]}
    assert {text for text in ALL if text in shown.text} == seen
    assert shown.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "<script" not in shown.text


def test_budgets_are_those_of_the_api(hub: Hub) -> None:
    token = hub.token("mo")
    reply = httpx.get(
        f"{hub.url}{HOME}v1/budgets/mos", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )
    shown = page(hub.person("mo")).text
    accounts = reply.json()["budgets"]
    assert accounts
    for account in accounts:
        assert f"<td>{account['account']}</td><td>{account['epsilon']}</td>" in shown


def test_looking_at_the_log_is_in_the_log(hub: Hub) -> None:
    zhao = hub.person("zhao")
    page(zhao)
    again = page(zhao).text
    newest = re.findall(
        r"<tr><td>\d+</td><td>[^<]+</td><td>([^<]+)</td><td>([^<]+)</td><td>([^<]+)</td>", again
    )
    assert (EventKind.LOG_READ.value, "zhao", "console") in newest


def test_pages_speak_two_languages(hub: Hub) -> None:
    mo = hub.person("mo")
    assert '<html lang="zh-CN">' in page(mo, accept="zh-CN,zh;q=0.9,en;q=0.8").text
    assert "您的授权" in page(mo, lang="zh").text
    assert "Your grants" in page(mo, accept="zh", lang="en").text
    assert preferred("", "fr, de") == preferred("xx", "") == "en"
    assert all(len(both) == len(LANGUAGES) and all(both) for both in WORDS.values())


def test_a_stranger_is_sent_to_the_hub_with_state_and_challenge(hub: Hub) -> None:
    nobody = Person(hub.url, "nobody")
    where, asked = begun(nobody)
    assert urlsplit(where).path == "/hub/api/oauth2/authorize"
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) == 43
    assert asked["response_type"] == ["code"]
    landed = nobody.http.get(where)
    assert landed.url.path == "/hub/login"
    cookie = next(c for c in nobody.http.cookies.jar if c.name == "sandbox-login")
    assert cookie.path == HOME
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.value == asked["state"][0]


def test_a_code_opens_one_session_for_the_browser_that_asked_for_it(hub: Hub) -> None:
    mo, other = hub.person("mo"), Person(hub.url, "other")
    where, asked = begun(mo)
    back = mo.http.get(where, follow_redirects=False)
    assert back.status_code == 302, back.text
    callback = back.headers["location"]
    for stolen in (callback, callback.replace(asked["state"][0], begun(other)[1]["state"][0])):
        refused = other.http.get(stolen, follow_redirects=False)
        assert refused.status_code == 403, refused.text
        assert "token-invalid" in refused.text
        assert not any(c.name == "sandbox-session" for c in other.http.cookies.jar)
    once = mo.http.get(callback, follow_redirects=False)
    # The state was taken with a verifier of its own: what another browser sent did not use it up.
    assert once.status_code == 303, once.text
    assert mo.http.get(callback, follow_redirects=False).status_code == 403
    assert page(mo).status_code == 200


def test_a_session_that_was_made_up_is_none(hub: Hub) -> None:
    nobody = Person(hub.url, "nobody")
    nobody.http.cookies.set("sandbox-session", "x" * 43, domain="127.0.0.1", path=HOME)
    assert nobody.http.get(HOME, follow_redirects=False).status_code == 303


def test_a_logout_ends_the_session_for_good(hub: Hub) -> None:
    mo = hub.person("mo")
    page(mo)
    session = next(c.value for c in mo.http.cookies.jar if c.name == "sandbox-session")
    assert mo.http.get(f"{HOME}logout").status_code in (404, 405)  # nobody is logged out by a link
    assert mo.http.post(f"{HOME}logout", follow_redirects=False).status_code == 303
    mo.http.cookies.set("sandbox-session", session or "", domain="127.0.0.1", path=HOME)
    assert mo.http.get(HOME, follow_redirects=False).status_code == 303


def test_the_api_is_still_the_api(hub: Hub) -> None:
    unknown = httpx.get(f"{hub.url}{HOME}v1/nothing", trust_env=False)
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"


def test_cookies_are_secure_where_the_hub_is(public: Public) -> None:
    sent = public.person("nobody").http.get(HOME, follow_redirects=False)
    assert sent.status_code == 303
    assert "Secure" in sent.headers["set-cookie"]
