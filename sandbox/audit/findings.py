"""What a verification finds: verdicts, findings with the next step, the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Verdict(IntEnum):
    """Exit codes of `sandbox audit verify`."""

    CLEAN = 0
    ALTERED = 2
    RULE_BROKEN = 3
    INCOMPLETE = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do next."""

    verdict: Verdict
    where: str
    what: str
    next_step: str


class Wrong(Exception):
    """A finding that ends its check."""

    def __init__(self, verdict: Verdict, where: object, what: str, next_step: str) -> None:
        super().__init__(what)
        self.finding = Finding(verdict, str(where), what, next_step)


@dataclass(slots=True)
class Report:
    """What a verification found. `remarks` are worth knowing but break nothing.

    Attributes:
        origin: the log's name, as its checkpoint says; empty when no checkpoint could be read.
        size: entries that the checkpoint covers.
        key: verifier key that came with the bundle.

    """

    origin: str = ""
    size: int = 0
    key: str = ""
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The gravest finding: altered, then incomplete, then a broken rule."""
        found = {finding.verdict for finding in self.findings}
        order = (Verdict.ALTERED, Verdict.INCOMPLETE, Verdict.RULE_BROKEN)
        return next((verdict for verdict in order if verdict in found), Verdict.CLEAN)

    @property
    def exit_code(self) -> int:
        """0 clean, 2 altered, 3 rule broken, 4 incomplete."""
        return int(self.verdict)
