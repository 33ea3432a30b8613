"""A decision in sentences, in English or Chinese: what `sandbox policy explain` says."""

from __future__ import annotations

from typing import Literal

from sandbox.policy.decide import Decision
from sandbox.policy.reasons import Reason

Language = Literal["en", "zh"]


def explain(decision: Decision, language: Language = "en") -> tuple[str, ...]:
    """One sentence for the outcome, one for each reason with its rule, one for what decided."""
    chinese = language == "zh"
    heads = ("Allowed.", "允许。") if decision.allowed else ("Refused.", "拒绝。")
    sentences = [heads[chinese], *(_sentence(reason, chinese) for reason in decision.reasons)]
    if decision.decided_by:
        sources = ("、" if chinese else ", ").join(decision.decided_by)
        sentences.append(f"依据：{sources}。" if chinese else f"Decided by {sources}.")
    return tuple(sentences)


def _sentence(reason: Reason, chinese: bool) -> str:
    sign = "+" if reason.allows else "-"
    at = f" [{reason.place}]" if reason.place is not None else ""
    text = reason.text_zh if chinese else reason.text
    hint = reason.hint_zh if chinese else reason.hint
    rule = f"（{reason.rule}）" if chinese else f" ({reason.rule})"
    space = " " if hint and not chinese else ""
    return f"{sign}{at} {text}{rule}{space}{hint}"
