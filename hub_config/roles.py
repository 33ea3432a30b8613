"""Groups, roles and scopes: who may do what at the hub and at the sandbox.

Rules
- A person's groups come from the identity provider. Group, role and the sandbox's scope have one name.
- Roles never imply one another: only an OPC starts a server, and only with the scope of an OPC.
"""

from __future__ import annotations

from typing import Any

SERVICE = "sandbox"
ROLES = {
    "opc": "asks questions under grants, in notebooks",
    "steward": "writes and publishes policies, reviews",
    "auditor": "reads and proves the log",
    "operator": "looks after people and servers; decides nothing",
}
# Events are written by the hub itself, with a token that nobody else has.
REPORTER = "hub-reporter"
REPORT = "custom:sandbox:report"


def scope(role: str) -> str:
    """The sandbox's scope of a role."""
    return f"custom:sandbox:{role}"


def custom_scopes() -> dict[str, dict[str, str]]:
    """What hub and sandbox call the rights at the sandbox."""
    known = {scope(role): {"description": f"At the sandbox: {what}."} for role, what in ROLES.items()}
    return known | {REPORT: {"description": "Tell the sandbox's log who logged in and whose server runs."}}


def service(url: str) -> dict[str, Any]:
    """The sandbox as a service of the hub, without what starts it or lets it in."""
    return {
        "name": SERVICE,
        "url": url,
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": [scope(role) for role in ROLES],
        "display": False,
    }


def hub_roles() -> list[dict[str, Any]]:
    """Roles of the hub. `user`, which everybody has, can only say who it is."""
    to_sandbox = [f"access:services!service={SERVICE}", "tokens!user"]
    more = {
        "opc": ["servers!user", "access:servers!user", "users:activity!user"],
        "operator": ["admin-ui", "list:users", "read:users", "read:servers", "delete:servers", "read:hub"],
    }
    return [
        {"name": "user", "scopes": ["read:users:name!user", "read:users:groups!user"]},
        *(
            {
                "name": role,
                "description": what,
                "groups": [role],
                "scopes": [scope(role), *to_sandbox, *more.get(role, [])],
            }
            for role, what in ROLES.items()
        ),
        {"name": REPORTER, "services": [REPORTER], "scopes": [REPORT, to_sandbox[0]]},
    ]


def server_scopes() -> list[str]:
    """What the token of a person's notebook server may do: be their server, and ask as an OPC."""
    return [
        "access:servers!server",
        "users:activity!user",
        "read:users:name!user",
        "read:users:groups!user",
        f"access:services!service={SERVICE}",
        scope("opc"),
    ]
