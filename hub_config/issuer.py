"""The issuer of OpenID Connect as the settings name it: where it is, and whether it can be asked.

Rules
- Addresses come from the issuer's own discovery document, by https (http on the loopback only).
- What cannot work is said before anything starts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PATIENCE_SECONDS = 15.0
NEEDED = ("SANDBOX_OIDC_CLIENT", "SANDBOX_OIDC_SECRET_FILE", "SANDBOX_OIDC_CALLBACK")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


def discover(issuer: str) -> dict[str, Any]:
    """The addresses of an issuer, by its discovery document (OpenID Connect Discovery 1.0, section 4).

    Raises:
        ValueError: what is wrong with it.

    """
    if not _private(issuer):
        raise ValueError(f"SANDBOX_OIDC_ISSUER must begin with https://, not {issuer}")
    try:
        # Some issuers end with a slash, and are called so in their tokens.
        address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        reply = httpx.get(address, timeout=PATIENCE_SECONDS)
        found = reply.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, json.JSONDecodeError) as error:
        raise ValueError(f"The OpenID issuer {issuer} does not say where to log in: {error}") from None
    if not isinstance(found, dict) or found.get("issuer") != issuer:
        raise ValueError(f"What answers at {issuer} is another issuer: set SANDBOX_OIDC_ISSUER as it says")
    lacking = [name for name in ENDPOINTS if not _private(str(found.get(name, "")))]
    if lacking:
        raise ValueError(f"The OpenID issuer {issuer} has no https address for {', '.join(lacking)}")
    return found


def complaint() -> str:
    """What is wrong with the settings of OpenID Connect; empty when nothing, or when it is not used."""
    issuer = os.environ.get("SANDBOX_OIDC_ISSUER", "")
    if not issuer:
        return ""
    lacking = [name for name in NEEDED if not os.environ.get(name)]
    if lacking:
        return f"SANDBOX_OIDC_ISSUER is set, so set {', '.join(lacking)} too"
    try:
        secret = Path(os.environ["SANDBOX_OIDC_SECRET_FILE"])
        if secret.stat().st_mode & 0o077:
            return f"{secret} is open to others: chmod 600 {secret}"
        secret.read_text("utf-8")
        discover(issuer)
    except (OSError, ValueError) as error:
        return str(error).splitlines()[0]
    return ""


def _private(url: str) -> bool:
    """Whether nobody on the way can read or change what is said there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
