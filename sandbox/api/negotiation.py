"""Choosing the form of a reply by `Accept` (RFC 9110, 12.5.1)."""

from __future__ import annotations

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"


def choose(accept: str | None, offered: tuple[str, ...]) -> str | None:
    """The media type of `offered` that the caller likes most, the earlier one on a tie.

    Args:
        accept: the `Accept` header; None means that anything will do.
        offered: what the path can send.

    Returns:
        None when the caller accepts none of them.

    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(item) for item in accept.split(",")]
    liked = {
        form: max(
            (rank for rank in ranges if rank is not None and _covers(rank[0], form)),
            key=_specific,
            default=None,
        )
        for form in offered
    }
    best = max(offered, key=lambda form: (liked[form] or ("", 0.0))[1])
    chosen = liked[best]
    return best if chosen is not None and chosen[1] > 0 else None


def _range(item: str) -> tuple[str, float] | None:
    name, *parameters = (part.strip() for part in item.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                return None
            if not 0 <= quality <= 1:
                return None
    return name.lower(), quality


def _covers(pattern: str, form: str) -> bool:
    return pattern in ("*/*", form, form.partition("/")[0] + "/*")


def _specific(rank: tuple[str, float]) -> tuple[int, float]:
    return (2 - rank[0].count("*"), rank[1])
