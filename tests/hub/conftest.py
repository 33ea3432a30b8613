from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from tests.hub.browser import Person
from tests.hub.instance import Hub, running
from tests.hub.issuer import SECRET, Issuer, issuing
from tests.ports import free_port

MAIL = "li.wang@city.example"
EVERYBODY: Mapping[str, Mapping[str, Any]] = {
    "li": {"groups": ["opc"]},
    "wang": {"groups": ["steward", "everybody", "admin"]},
    "zhao": {"groups": ["auditor"]},
    "sun": {"groups": ["opc", "auditor"]},
    "chen": {"groups": ["operator"]},
    MAIL: {"groups": ["opc"]},
    "root": {"groups": ["opc"]},
    "yi": {"groups": ["steward"]},
}
NOBODY: Mapping[str, Mapping[str, Any]] = {
    "nemo": {},
    "wu": {"groups": []},
    "another": {"groups": ["opcs", "OPC", "user", "admin", "hub-reporter"]},
    "a-word": {"groups": "opc"},
    "a-mapping": {"groups": {"opc": True}},
    "operator": {"groups": ["operator"]},
    "Li": {"groups": ["opc"]},
    "li wang": {"groups": ["opc"]},
    "../li": {"groups": ["opc"]},
    "..": {"groups": ["opc"]},
    "-li": {"groups": ["opc"]},
    "l" * 64: {"groups": ["opc"]},
    "li\u200b": {"groups": ["opc"]},
}


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that serves an instance with the patients in it, in a folder whose path no socket could have."""
    with running(tmp_path_factory.mktemp("hub-" + "x" * 100)) as here:
        yield here


@dataclass(frozen=True, slots=True)
class Public:
    """A hub as production has it: people log in at an OpenID Connect provider, over TLS."""

    hub: Hub
    issuer: Issuer
    trusting: ssl.SSLContext

    def person(self, name: str) -> Person:
        """Somebody with an empty browser."""
        return Person(self.hub.url, name, self.trusting)


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Public]:
    """A hub with a certificate of an authority made here, and an issuer with a few people."""
    folder = tmp_path_factory.mktemp("public")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    files = {name: folder / name for name in ("certificate", "key", "secret")}
    for name, content in (
        ("certificate", b"".join(pem.bytes() for pem in certificate.cert_chain_pems)),
        ("key", certificate.private_key_pem.bytes()),
        ("secret", SECRET.encode()),
    ):
        files[name].touch(0o600)
        files[name].write_bytes(content)
    listen = f"127.0.0.1:{free_port()}"
    callback = f"https://{listen}/hub/oauth_callback"
    with (
        issuing(callback, {**EVERYBODY, **NOBODY}) as issuer,
        running(
            folder,
            SANDBOX_HUB_LISTEN=listen,
            SANDBOX_HUB_CERTIFICATE=str(files["certificate"]),
            SANDBOX_HUB_KEY=str(files["key"]),
            SANDBOX_OIDC_ISSUER=issuer.url,
            SANDBOX_OIDC_CLIENT="sandbox",
            SANDBOX_OIDC_SECRET_FILE=str(files["secret"]),
            SANDBOX_OIDC_CALLBACK=callback,
        ) as hub,
    ):
        yield Public(hub, issuer, trusting)
