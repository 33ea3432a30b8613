"""How people log in: by passwords of a file, or by OpenID Connect where an issuer is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hub_config.passwords import PasswordAuthenticator

PEOPLE_FILE = "passwords.json"
# What can stand in an address, a log and a grant as it is. `match` is what the hub asks the pattern.
NAMES = r"[a-z0-9][a-z0-9._@+-]{0,62}\Z"
# In the log, this is whoever holds the keys at the machine itself.
RESERVED = frozenset({"operator"})
REFUSED = (
    "You are nobody here: your account has none of the groups opc, steward, auditor and operator, or a name "
    "that cannot be used. Ask whoever looks after accounts. "
    "您的账号没有本沙盒的角色组，或账号名不可用；请联系管理员。"
)


def configure(c: Any, state: Path) -> None:
    """Set the authenticator. Whoever logs in has at least one of the sandbox's groups."""
    c.Authenticator.username_pattern = NAMES
    c.Authenticator.blocked_users = set(RESERVED)
    if os.environ.get("SANDBOX_OIDC_ISSUER"):
        from hub_config import openid  # noqa: PLC0415  (only where it is used)

        openid.configure(c)
        c.OpenIDAuthenticator.custom_403_message = REFUSED
        return
    c.JupyterHub.authenticator_class = PasswordAuthenticator
    c.PasswordAuthenticator.path = str(state / PEOPLE_FILE)
    c.PasswordAuthenticator.manage_groups = True
    c.PasswordAuthenticator.allow_all = True
    c.PasswordAuthenticator.enable_auth_state = False
