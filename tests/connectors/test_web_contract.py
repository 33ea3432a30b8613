"""What every connector that fetches over HTTP owes, whatever protocol it speaks above it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.errors import ErrorCode
from sandbox.ingest.source import Source
from tests.connectors import web_server
from tests.connectors.subject import TABLE, texts
from tests.connectors.web_subjects import WEB, WebSubject
from tests.ingest.conftest import Read, refusal

UNREADABLE = ErrorCode.SOURCE_UNREADABLE
MANY = 1000


@pytest.fixture(params=WEB)
def opened(request: pytest.FixtureRequest, site: web_server.Site) -> Callable[[], Source]:
    return WebSubject(site, request.param).publish(TABLE)


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/", "http://10.1.2.3/a", "http://[::1]/a", "file:///etc/passwd"]
)
def test_a_redirect_to_a_private_address_is_refused(site, opened, target):
    site.everywhere = [(307, {"Location": target})] * MANY
    refusal(UNREADABLE, lambda: Read(opened()))


def test_a_redirect_on_this_site_is_followed_with_a_cap(site, opened):
    source = opened()
    site.everywhere = [(307, {"Location": "/nowhere"})] * MANY
    refusal(UNREADABLE, lambda: Read(source))
    assert MANY - len(site.everywhere) <= 6


@pytest.mark.parametrize("status", [429, 503])
def test_it_is_patient_with_a_cap(site, opened, status):
    site.everywhere = [(status, {"Retry-After": "0"})] * 3
    assert texts(opened(), TABLE.columns) == list(TABLE.rows)
    assert not site.everywhere
    site.everywhere = [(status, {"Retry-After": "0"})] * MANY
    refusal(UNREADABLE, lambda: Read(opened()))
    assert MANY - len(site.everywhere) == 5


@pytest.mark.parametrize("kind", ["json_pages", "ckan", "socrata", "ogc_features"])
def test_a_body_without_end_ends_the_reading(site, kind):
    """It says nothing of a size: what is limited is what was received. Files: see `test_web.py`."""
    source = WebSubject(site, kind).publish(TABLE)()
    site.endless = True

    def read() -> None:
        for number, _ in enumerate(source.batches(["编号"])):
            assert number < 10_000

    refusal(UNREADABLE, read)
