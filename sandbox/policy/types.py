"""Policies, grants, privacy units and people as frozen types: the closed vocabulary.

One class per block of a file; a key that is not a field here is an error. Numbers are Decimals.
Everything is denied unless said: a column that is absent is hidden, a table that is absent is refused.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.identity import Role

Scalar = bool | int | Decimal | date | datetime | str
Name = Annotated[str, Field(min_length=1, max_length=128)]


class Block(BaseModel):
    """A block of a policy file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Use(IntEnum):
    """How far a column may be used; each step includes the ones before it."""

    HIDDEN = 0
    COUNT_DISTINCT_ONLY = 1
    JOIN_ONLY = 2
    FILTER = 3
    GROUP_BY = 4
    SUM_MEAN = 5
    OPEN = 6


class Kind(StrEnum):
    """Kinds of value."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TEXT = "text"


class Setting(StrEnum):
    """Settings of the Five Safes: the ways of using data."""

    QUERY = "query"
    TRAIN = "train"
    VALIDATE = "validate"
    SEALED_RUN = "sealed_run"


class Titles(Block):
    """A text in Chinese and English."""

    en: str = ""
    zh: str = ""


class BudgetBlock(Block):
    """An (epsilon, delta) limit."""

    epsilon: Annotated[Decimal, Field(gt=0, le=1000)]
    delta: Annotated[Decimal, Field(ge=0, lt=1)] = Decimal(0)


class Mask(Block):
    """What is shown instead of the raw value: exactly one of these.

    `band`: a number, lowered to a multiple of this width. `prefix`: the first characters of a text.
    `truncate`: a date or timestamp, cut to its year, quarter, month or day.
    """

    band: Annotated[Decimal, Field(gt=0)] | None = None
    prefix: Annotated[int, Field(ge=1, le=64)] | None = None
    truncate: Literal["year", "quarter", "month", "day"] | None = None


class ColumnPolicy(Block):
    """One column.

    Attributes:
        type: kind of value; `digits` and `decimals` complete `decimal` (as DECIMAL(digits, decimals));
            `decimals` on `double` is the fixed point to which sums are exact.
        use: how far it may be used.
        between: public bounds, both inclusive; values outside are clamped to them in arithmetic.
        values: public keys: every one of them appears in a grouped answer.
        codelist: file in `policies/codelists/` that holds `values`, one per line.
        nullable: whether NULL can occur (a NULL key is then one of the public keys).
        shown_as: the mask that every question sees instead of the raw value.
        grade: key class of the encrypted column.

    """

    type: Kind
    use: Use = Use.HIDDEN
    digits: Annotated[int, Field(ge=1, le=18)] = 18
    decimals: Annotated[int, Field(ge=0, le=9)] = 0
    between: tuple[Scalar, Scalar] | None = None
    values: tuple[Scalar, ...] | None = None
    codelist: str | None = None
    nullable: bool = True
    shown_as: Mask | None = None
    grade: Literal["open", "restricted"] = "restricted"
    because: str = ""
    title: Titles = Titles()


class Through(Block):
    """A foreign key that leads to the unit: `column` of this table is `references` (table.column)."""

    column: Name
    references: str


class UnitBlock(Block):
    """Whose rows these are: the unit (of units.yaml) by its own column, or through a foreign key."""

    name: Name
    column: Name | None = None
    through: Through | None = None
    when_null: Literal["drop", "row_is_unit"]


class Bounds(Block):
    """Contribution bounds of one unit: rows in all, groups (l0), rows in one group (l-infinity)."""

    rows_per_unit: Annotated[int, Field(ge=1, le=1_000_000)]
    groups_per_unit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    rows_per_group: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class RowRule(Block):
    """A row filter: exactly one condition on one column; rows for which it is not true do not exist."""

    column: Name
    equals: Scalar | None = None
    not_equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    at_least: Scalar | None = None
    at_most: Scalar | None = None
    is_null: bool | None = None
    because: str = ""


class TablePolicy(Block):
    """One table: protected by differential privacy, or open (public, answered exactly)."""

    protection: Literal["protected", "open"] = "protected"
    unit: UnitBlock | None = None
    bounds: Bounds | None = None
    columns: dict[Name, ColumnPolicy]
    rows: tuple[RowRule, ...] = ()
    never_together: tuple[tuple[Name, ...], ...] = ()
    title: Titles = Titles()


class PrivacyBlock(Block):
    """Budgets and floors of a dataset.

    Attributes:
        budget: over the life of the dataset and over all projects together.
        project: over the life of one project, per privacy unit.
        question: most that one question may spend.
        minimum_group: a group whose noisy count of units is below this is not shown.
        share_answers: whether a stored answer is free to other grants.

    """

    budget: BudgetBlock
    project: BudgetBlock
    question: BudgetBlock
    minimum_group: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    share_answers: bool = False


class Policy(Block):
    """What a dataset may be used for (`<dataset>.policy.yaml`)."""

    dataset: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    title: Titles
    publisher: str
    licence: str
    stewards: Annotated[tuple[Name, ...], Field(min_length=1)]
    people: tuple[Role, ...] = ()
    purposes: tuple[Name, ...] = ()
    settings: tuple[Setting, ...] = ()
    privacy: PrivacyBlock | None = None
    tables: Annotated[dict[Name, TablePolicy], Field(min_length=1)]


class Window(Block):
    """First and last day (inclusive, UTC) of a grant."""

    first: date
    last: date


class Compute(Block):
    """Compute that a grant pays for."""

    cpu_hours: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    memory_gb: Annotated[Decimal, Field(ge=0)] = Decimal(0)


class Grant(Block):
    """What one project of an OPC got (`grants/<grant>.yaml`; 数据券/合约)."""

    grant: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    people: Annotated[tuple[Name, ...], Field(min_length=1)]
    purpose: Name
    datasets: Annotated[tuple[Name, ...], Field(min_length=1)]
    settings: Annotated[tuple[Setting, ...], Field(min_length=1)] = (Setting.QUERY,)
    budget: BudgetBlock
    window: Window
    compute: Compute = Compute()
    runs: Annotated[int, Field(ge=0)] = 0
    obligations: tuple[str, ...] = ()


class PrivacyUnit(Block):
    """A privacy unit that datasets share: what one 'one' is whose presence is hidden."""

    title: Titles
    because: str = ""


class Units(Block):
    """`units.yaml`."""

    units: Annotated[dict[Name, PrivacyUnit], Field(min_length=1)]


class PersonBlock(Block):
    """One person of a stand-alone home."""

    organisation: str
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]


class People(Block):
    """`people.yaml`."""

    people: Annotated[dict[Name, PersonBlock], Field(min_length=1)]
