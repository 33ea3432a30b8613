"""Every rule of the policy files by its stable name: its severity and what it asks for.

docs/policy-guide.md lists them all, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sandbox.policy.diagnostic import Diagnostic, Path, Places, Severity, dotted, place_of

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

READING: Mapping[str, str] = {
    "file": "The file can be opened.",
    "file-kind": "The name of a file tells its kind.",
    "yaml": "The file is strict YAML: UTF-8, one document, no tab, anchor, tag, bare null or repeated key.",
    "unknown-key": "Every key is one of the guide's.",
    "missing-key": "Every key without a default is there.",
    "type": "Every value is spelled as its type says; numbers, booleans and days are not in quotes.",
    "word": "A key with a closed list of words has one of them.",
    "value": "Every value is within the limits that the guide names for its key.",
    "codelist": "A code list is there, holds one key of the column's type on each line, and none twice.",
    "row-rule-column": "A row rule names a column of its table.",
}

LINT: Mapping[str, tuple[Severity, str]] = {
    "file-name": (_ERROR, "The name of a file is that of the dataset or grant in it."),
    "unit-missing": (_ERROR, "A protected table says whose rows these are."),
    "bounds-missing": (_ERROR, "A protected table bounds what one unit contributes."),
    "privacy-missing": (_ERROR, "A dataset with a protected table has budgets."),
    "open-unit": (
        _ERROR,
        "An open table has no unit and no contribution bounds: nothing would enforce them.",
    ),
    "unit-unknown": (_ERROR, "A unit is one of units.yaml."),
    "unit-column": (_ERROR, "The column that identifies the unit is a column of the table."),
    "unit-use": (_ERROR, "A column that identifies the unit is used for joining at most."),
    "through": (_ERROR, "A foreign key leads to a column of a protected table with the same unit and type."),
    "through-cycle": (_ERROR, "Foreign keys lead to a table that holds the unit itself."),
    "bounds-order": (_ERROR, "Groups per unit and rows per group do not exceed rows per unit."),
    "totals-narrow": (_WARNING, "A clamp is found privately only where one unit's totals may be 8 or more."),
    "budget-order": (_ERROR, "A question's budget fits its project's, and a project's fits the dataset's."),
    "delta-zero": (_WARNING, "Keys that only the data knows need a delta; with none they are never shown."),
    "delta-large": (_WARNING, "A delta above 1e-4 may reveal whole rows."),
    "between-missing": (_ERROR, "A number that may be summed in a protected table has public bounds."),
    "between-type": (_ERROR, "Bounds belong to numbers, days and times."),
    "between-order": (_ERROR, "The lower bound is below the upper."),
    "value-fit": (_ERROR, "Bounds and keys are exact in the column's digits and decimals."),
    "values-empty": (_ERROR, "A list of public keys is not empty."),
    "values-twice": (_ERROR, "A public key is listed once."),
    "values-outside": (_ERROR, "Public keys lie within the bounds."),
    "double-keys": (_ERROR, "A double is no key of a group; give it a band, or declare a decimal."),
    "double-decimals": (
        _WARNING,
        "A double that may be summed says its decimals: sums are exact to these only.",
    ),
    "use-type": (
        _WARNING,
        "Only numbers can be summed; `sum_mean` gives other types no more than `group_by`.",
    ),
    "digits-type": (_ERROR, "`digits` belongs to decimal columns, `decimals` to decimal and double columns."),
    "digits-order": (_ERROR, "A decimal column has at least as many digits as decimals."),
    "overflow": (_ERROR, "The sum over one unit, in fixed point, fits in 64 bits."),
    "mask-type": (
        _ERROR,
        "A mask fits its column's type: band a number, truncate a day or time, prefix a text.",
    ),
    "mask-fit": (_ERROR, "Bands are exact in the column's decimals, and masked values fit the column."),
    "hidden-declared": (_WARNING, "Bounds, keys and masks of a hidden column have no effect."),
    "row-rule-type": (
        _ERROR,
        "`at_least` and `at_most` compare numbers, days and times; `one_of` is not empty.",
    ),
    "never-together": (_ERROR, "A never_together group names at least two different columns of its table."),
    "checks": (
        _ERROR,
        "A check names columns of its table that declare what it checks, and columns of other tables.",
    ),
    "never-together-hidden": (_WARNING, "A never_together group with a hidden column has no effect."),
    "name-case": (_ERROR, "Names differ by more than their case: SQL does not see it."),
    "name-reserved": (_ERROR, "Names do not begin with two underscores."),
    "name-form": (
        _ERROR,
        "Names are visible, composed (NFC) text without quotes or outer spaces; tables have no dot.",
    ),
    "people-empty": (_WARNING, "Without roles nobody may use the dataset."),
    "purposes-empty": (_WARNING, "Without purposes nobody may use the dataset."),
    "settings-empty": (_WARNING, "Without settings nobody may use the dataset."),
    "steward-unknown": (_WARNING, "Stewards are people of people.yaml with the role steward."),
    "grant-dataset": (_ERROR, "A grant names datasets that have a policy."),
    "grant-purpose": (_ERROR, "A grant's purpose is one that every dataset's policy allows."),
    "grant-setting": (_ERROR, "A grant's settings are ones that every dataset's policy allows."),
    "grant-budget": (_WARNING, "A grant's budget fits the project budget of its datasets."),
    "grant-people": (_WARNING, "People of a grant are in people.yaml, with a role that the policy allows."),
    "window-past": (_WARNING, "A grant's last day is not over."),
    "unit-in-use": (_ERROR, "A unit that a published policy names stays in units.yaml."),
}


@dataclass(slots=True)
class Findings:
    """Collects what lint finds in one file."""

    places: Places
    found: list[Diagnostic] = field(default_factory=list)

    def add(self, rule: str, path: Path, message: str, hint: str = "") -> None:
        """Note that `rule` is broken at `path`."""
        severity, _ = LINT[rule]
        where = place_of(self.places, path)
        self.found.append(Diagnostic(rule, severity, f"{dotted(path)}: {message}", hint, where))


def documented() -> Iterator[tuple[str, str]]:
    """Every rule's name and what it asks for."""
    yield from READING.items()
    yield from ((rule, text) for rule, (_, text) in LINT.items())
