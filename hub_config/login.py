"""How people log in: by passwords of a file, or by OpenID Connect where an issuer is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hub_config import roles
from hub_config.passwords import PasswordAuthenticator

PEOPLE_FILE = "passwords.json"


def configure(c: Any, state: Path) -> None:
    """Set the authenticator. Whoever logs in has at least one of the sandbox's groups."""
    issuer = os.environ.get("SANDBOX_OIDC_ISSUER", "").rstrip("/")
    if issuer:
        _openid(c, issuer)
        return
    c.JupyterHub.authenticator_class = PasswordAuthenticator
    c.PasswordAuthenticator.path = str(state / PEOPLE_FILE)
    c.PasswordAuthenticator.manage_groups = True
    c.PasswordAuthenticator.allow_all = True
    c.PasswordAuthenticator.enable_auth_state = False


def _openid(c: Any, issuer: str) -> None:
    """OpenID Connect by oauthenticator, with PKCE; the claim of groups says the roles."""
    from oauthenticator.generic import GenericOAuthenticator  # noqa: PLC0415  (only where it is used)

    claim = os.environ.get("SANDBOX_OIDC_GROUPS", "groups")
    c.JupyterHub.authenticator_class = GenericOAuthenticator
    login = c.GenericOAuthenticator
    login.client_id = os.environ["SANDBOX_OIDC_CLIENT"]
    login.client_secret = Path(os.environ["SANDBOX_OIDC_SECRET_FILE"]).read_text("utf-8").strip()
    login.authorize_url = os.environ.get("SANDBOX_OIDC_AUTHORIZE_URL", f"{issuer}/auth")
    login.token_url = os.environ.get("SANDBOX_OIDC_TOKEN_URL", f"{issuer}/token")
    login.userdata_url = os.environ.get("SANDBOX_OIDC_USERINFO_URL", f"{issuer}/me")
    login.oauth_callback_url = os.environ["SANDBOX_OIDC_CALLBACK"]
    login.scope = ["openid", "profile", claim]
    login.username_claim = os.environ.get("SANDBOX_OIDC_NAME", "sub")
    login.auth_state_groups_key = f"oauth_user.{claim}"
    login.manage_groups = True
    login.enable_pkce = True
    login.allowed_groups = set(roles.ROLES)
    login.login_service = os.environ.get("SANDBOX_OIDC_TITLE", "your organisation")
