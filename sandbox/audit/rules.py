"""The rules that the entries of a log must keep, replayed from the entries alone.

Shares nothing with what writes the log: plain JSON in, broken rules out. Standard library only.

Rules
1. Entry n says `seq` n, is canonical JSON (RFC 8785) without binary fractions, and of a known kind.
2. A question is asked once: free, on open tables, or intended. Intended, it is settled at most once.
3. An answer given again was settled before.
4. An intent charges accounts of all kinds, each once, and after it every account keeps to every limit
   that the intent names: the deltas of partition selection add up to at most half of delta, and
   either the pure losses add up to at most epsilon, or the zCDP losses add up to a rho that is
   (epsilon, the other half of delta). The first way ends for an account with its first loss that is
   not pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

KINDS = frozenset(
    {
        "home.created",
        "home.backed-up",
        "home.restored",
        "ledger.accepted",
        "dataset.loaded",
        "dataset.load-refused",
        "dataset.rolled-back",
        "dataset.versions-dropped",
        "dataset.quarantine-read",
        "policy.published",
        "grant.published",
        "people.published",
        "units.published",
        "question.intended",
        "question.settled",
        "question.refused",
        "question.repeated",
        "question.open",
        "keys.rotated",
        "token.created",
        "token.revoked",
        "hub.logged-in",
        "hub.server-started",
        "hub.server-ended",
        "kernel.started",
        "kernel.ended",
        "call.refused",
        "log.read",
        "log.exported",
    }
)
ACCOUNT_KINDS = frozenset({"grant-dataset", "project-unit", "dataset"})
TOLERANCE = 1e-9
_DELTA_STEP = Fraction(1, 10**18)
_FIELDS = {"v", "seq", "time", "nonce", "kind", "actor", "facts"}
_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Malformed(ValueError):
    """An entry that does not read as its kind should."""


@dataclass(slots=True)
class _Account:
    """What an account has spent. `pure` is None after the first loss that is not pure."""

    pure: Fraction | None = Fraction(0)
    rho: Fraction = Fraction(0)
    delta: Fraction = Fraction(0)


@dataclass(slots=True)
class _Past:
    """What the entries so far have said."""

    accounts: dict[str, _Account] = field(default_factory=dict)
    intended: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found: broken rules as (index, what), and questions that never had an outcome."""

    broken: tuple[tuple[int, str], ...]
    unsettled: int


def replay(entries: Iterable[bytes]) -> Replayed:
    """Replay the leaves of a whole log, from its first entry on."""
    past = _Past()
    broken = []
    for index, leaf in enumerate(entries):
        try:
            broken += [(index, what) for what in _replay_one(past, index, leaf)]
        except Malformed as error:
            broken.append((index, str(error)))
    return Replayed(tuple(broken), len(past.intended - past.settled))


def zcdp_delta(rho: float, epsilon: float) -> float:
    """The least delta for which rho-zCDP is known to be (epsilon, delta)-DP, at most 1.

    The minimum over alpha > 1 of exp((alpha−1)(alpha·rho−epsilon)) / (alpha−1) · (1−1/alpha)^alpha:
    Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential Privacy", Corollary 13.
    Its logarithm is convex, so the zero of its derivative is found by bisection.
    """
    if rho <= 0:
        return 0.0
    low, high = 1.0 + 1e-9, (epsilon + 1) / (2 * rho) + 2
    for _ in range(200):
        alpha = (low + high) / 2
        if (2 * alpha - 1) * rho - epsilon + math.log1p(-1 / alpha) < 0:
            low = alpha
        else:
            high = alpha
    log_delta = (high - 1) * (high * rho - epsilon) + high * math.log1p(-1 / high) - math.log(high - 1)
    return math.exp(min(log_delta, 0.0))


def _replay_one(past: _Past, index: int, leaf: bytes) -> Iterator[str]:
    content = _read(leaf)
    if content["v"] != 1 or isinstance(content["v"], bool):
        raise Malformed("is of a version that this verifier does not know")
    if content["seq"] != index or isinstance(content["seq"], bool):
        yield f"says that it is entry {content['seq']!r}"
    kind, facts = content["kind"], content["facts"]
    if kind not in KINDS:
        yield f"is of the unknown kind {kind!r}"
    elif kind == "question.refused":
        _text(facts, "code")
    elif kind in ("question.intended", "question.open"):
        question = _text(facts, "question")
        if question in past.intended or question in past.opened:
            yield f"asks question {question} a second time"
        if kind == "question.open":
            past.opened.add(question)
        else:
            past.intended.add(question)
            yield from _charge(past, facts)
    elif kind == "question.settled":
        question = _text(facts, "question")
        if question not in past.intended:
            yield f"settles question {question}, which was never intended"
        if question in past.settled:
            yield f"settles question {question} a second time"
        past.settled.add(question)
        if isinstance(facts.get("answer_digest"), str):
            past.answers.add(facts["answer_digest"])
    elif kind == "question.repeated" and _text(facts, "answer_digest") not in past.answers:
        yield "repeats an answer that was never settled, so never paid for"


def _charge(past: _Past, facts: Mapping[str, Any]) -> Iterator[str]:
    loss, accounts = facts.get("loss"), facts.get("accounts")
    if not isinstance(loss, dict) or not isinstance(accounts, list):
        raise Malformed("intends a question without a loss or without accounts")
    pure = None if loss.get("epsilon") is None else _amount(loss, "epsilon")
    rho, delta = _amount(loss, "rho"), _amount(loss, "delta")
    if pure != 0 and not rho:
        yield "claims noise that loses nothing"
    ids = [_text(account, "id") for account in accounts]
    if missing := ACCOUNT_KINDS - {id_.partition(":")[0] for id_ in ids}:
        yield f"charges no account of kind {', '.join(sorted(missing))}"
    for id_ in dict.fromkeys(ids):
        if id_.partition(":")[0] not in ACCOUNT_KINDS:
            yield f"charges the account {id_} of an unknown kind"
        spent = past.accounts.setdefault(id_, _Account())
        spent.pure = None if spent.pure is None or pure is None else spent.pure + pure
        spent.rho += rho
        spent.delta += delta
    for id_, limits in zip(ids, accounts, strict=True):
        if not _within(past.accounts[id_], _amount(limits, "epsilon"), _amount(limits, "delta")):
            yield f"takes the account {id_} beyond its budget"


def _within(spent: _Account, epsilon: Fraction, delta: Fraction) -> bool:
    half = Fraction(math.floor(delta / 2 / _DELTA_STEP)) * _DELTA_STEP
    if spent.delta > half:
        return False
    if spent.pure is not None and spent.pure <= epsilon:
        return True
    if spent.rho and delta == half:
        return False
    needed = zcdp_delta(float(spent.rho), float(epsilon) * (1 + TOLERANCE))
    return needed <= float(delta - half) * (1 + TOLERANCE)


def _read(leaf: bytes) -> dict[str, Any]:
    try:
        text = leaf.decode()
        content = json.loads(text, parse_float=_refused, parse_constant=_refused)
        canonical = _canonical(content)
    except (ValueError, RecursionError):
        raise Malformed("is not JSON as this log writes it") from None
    if canonical != text:
        raise Malformed("is not canonical JSON: the same content has a second spelling")
    fields = set(content) - {"commitment"} if isinstance(content, dict) else set()
    if (
        fields != _FIELDS
        or not isinstance(content["kind"], str)
        or not isinstance(content["facts"], dict)
        or not isinstance(content["actor"], dict)
        or not isinstance(content["time"], str)
        or not _TIME.fullmatch(content["time"])
    ):
        raise Malformed("does not have the fields of a log entry")
    return dict(content)


def _canonical(value: object) -> str:
    """RFC 8785 for JSON without binary fractions: keys ordered by their UTF-16 code units."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_canonical(key)}:{_canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _refused(_: str) -> None:
    raise ValueError("binary fractions are not kept")


def _text(facts: object, name: str) -> str:
    value = facts.get(name) if isinstance(facts, dict) else None
    if not isinstance(value, str) or not value:
        raise Malformed(f"lacks the text {name}")
    return value


def _amount(facts: object, name: str) -> Fraction:
    text = _text(facts, name)
    if not _NUMBER.fullmatch(text):
        raise Malformed(f"has no amount as {name}")
    return Fraction(text)
