"""What a missing or unwelcome reply means, above all whether the question may have been charged."""

from __future__ import annotations

from typing import Any

import httpx

from sandbox.client.faults import ReplyLost, SandboxFailed, SandboxFault, SandboxRefused, SandboxUnreachable


def unreachable(url: str, error: Exception) -> SandboxFault:
    """Nobody listens: the request never left."""
    fault = SandboxUnreachable(
        "service-unreachable", f"No sandbox answers at {url}.", "Is it up? Is the URL right?"
    )
    fault.__cause__ = error
    return fault


def lost(error: Exception, *, safe: bool) -> SandboxFault:
    """The request left and no whole reply came; `safe` ones charge nothing and may be repeated."""
    fault: SandboxFault
    if safe:
        fault = SandboxUnreachable(
            "service-unreachable", "The connection to the sandbox was lost.", "Try again."
        )
    else:
        fault = ReplyLost(
            "service-unreachable",
            "The question was sent but no reply came; it may have been charged.",
            "Wait a minute, then ask the very same question: if it was answered, its answer is free.",
        )
    fault.__cause__ = error
    return fault


def fault(reply: httpx.Response, *, safe: bool) -> SandboxFault:
    """The fault that an error reply tells of."""
    try:
        found = reply.json()
        code = str(found["code"])
        place = found.get("place")
        told: dict[str, Any] = {
            "message": str(found.get("detail", "")),
            "hint": str(found.get("hint", "")),
            "place": place if isinstance(place, dict) else None,
            "rules": tuple(str(rule) for rule in found.get("rules") or ()),
            "instance": str(found.get("instance") or ""),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        if reply.status_code in (502, 503, 504) and safe:
            return SandboxUnreachable("service-unreachable", "The sandbox is not ready.", "Try again.")
        return not_ours(reply)
    if code == "service-busy" and (safe or "retry-after" in reply.headers):
        return SandboxUnreachable(code, **told)
    return (SandboxFailed if reply.status_code >= 500 else SandboxRefused)(code, **told)


def not_ours(reply: httpx.Response) -> SandboxFault:
    """Something else answered, or another version of the service."""
    return SandboxFailed(
        "service-unreachable",
        f"The reply (status {reply.status_code}) is not one of a sandbox.",
        "Is the URL right? Does something stand in between? See `.budget()` for what was charged.",
    )


def retry_after(reply: httpx.Response) -> float:
    """How many seconds the service asks to wait; at most a minute."""
    asked = reply.headers.get("retry-after", "")
    return min(float(asked), 60.0) if asked.isdecimal() else 0.0
