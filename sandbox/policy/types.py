"""Policies, grants, privacy units and people as frozen types: the closed vocabulary.

One class per block of a file; a key that is not a field here is an error. Numbers are Decimals.
Everything is denied unless said: a column that is absent is hidden, a table that is absent is refused.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


INT64 = 2**63


def is_exactly(kind: Kind, value: Scalar) -> bool:
    """Whether `value` has the one Python type of `kind`.

    Integer: int within 64 bits. Decimal and double: finite Decimal. Date: date. Timestamp: datetime
    without a zone. Boolean: bool. Text: str.
    """
    match kind:
        case Kind.INTEGER:
            return type(value) is int and -INT64 <= value < INT64
        case Kind.DECIMAL | Kind.DOUBLE:
            return type(value) is Decimal and value.is_finite()
        case Kind.DATE:
            return type(value) is date
        case Kind.TIMESTAMP:
            return type(value) is datetime and value.tzinfo is None
        case Kind.BOOLEAN:
            return type(value) is bool
        case Kind.TEXT:
            return type(value) is str


def _exact(kind: Kind, value: Scalar) -> Scalar:
    if kind in {Kind.DECIMAL, Kind.DOUBLE} and type(value) is int:
        return Decimal(value)
    if not is_exactly(kind, value):
        raise ValueError(f"{value!r} is not of type {kind.value}")
    return value


class Titles(Block):
    """A text in Chinese and English."""

    en: str = ""
    zh: str = ""


class BudgetBlock(Block):
    """An (epsilon, delta) limit."""

    epsilon: Annotated[Decimal, Field(gt=0, le=1000, decimal_places=12)]
    delta: Annotated[Decimal, Field(ge=0, lt=1, decimal_places=18)] = Decimal(0)


class Mask(Block):
    """What is shown instead of the raw value: exactly one of these.

    `band`: a number, lowered to a multiple of this width. `prefix`: the first characters of a text.
    `truncate`: a date or timestamp, cut to its year, quarter, month or day.
    """

    band: Annotated[Decimal, Field(gt=0)] | None = None
    prefix: Annotated[int, Field(ge=1, le=64)] | None = None
    truncate: Literal["year", "quarter", "month", "day"] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(part is not None for part in (self.band, self.prefix, self.truncate)) != 1:
            raise ValueError("a mask is exactly one of band, prefix, truncate")
        return self


class ColumnPolicy(Block):
    """One column.

    Attributes:
        type: kind of value; `digits` and `decimals` complete `decimal` (as DECIMAL(digits, decimals));
            `decimals` on `double` is the fixed point to which sums are exact.
        use: how far it may be used.
        between: public bounds, both inclusive; values outside are clamped to them in arithmetic.
        values: public keys: every one of them appears in a grouped answer.
        codelist: `codelists/<codelist>.txt` beside the policy holds `values`, one per line; reading a
            policy fills `values` from it.
        nullable: whether NULL can occur (a NULL key is then one of the public keys).
        null_share: share of nulls in dummy rows; declared, never measured.
        shown_as: the mask that every question sees instead of the raw value.
        grade: key class of the encrypted column.

    """

    type: Kind
    use: Use = Use.HIDDEN
    digits: Annotated[int, Field(ge=1, le=18)] = 18
    decimals: Annotated[int, Field(ge=0, le=9)] = 0
    between: tuple[Scalar, Scalar] | None = None
    values: tuple[Scalar, ...] | None = None
    codelist: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] | None = None
    nullable: bool = True
    null_share: Annotated[Decimal, Field(ge=0, le=1)] | None = None
    shown_as: Mask | None = None
    grade: Literal["open", "restricted"] = "restricted"
    because: str = ""
    title: Titles = Titles()

    @model_validator(mode="after")
    def _typed(self) -> Self:
        # a frozen model may still settle its own fields while it is being made
        if self.between is not None:
            low, high = self.between
            object.__setattr__(self, "between", (_exact(self.type, low), _exact(self.type, high)))
        if self.values is not None:
            object.__setattr__(self, "values", tuple(_exact(self.type, value) for value in self.values))
        return self


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

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.column is None) == (self.through is None):
            raise ValueError("a unit is found by exactly one of column, through")
        return self


class Bounds(Block):
    """Contribution bounds of one unit: rows in all, groups (l0), rows in one group (l-infinity).

    Attributes:
        totals: what holds one unit's part of a sum or count: what these bounds (and `between`) declare, or a
            clamp within it that each question finds privately, from a share of its epsilon.

    """

    rows_per_unit: Annotated[int, Field(ge=1, le=1_000_000)]
    groups_per_unit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    rows_per_group: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    totals: Literal["declared", "found_privately"] = "declared"


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

    @property
    def operands(self) -> tuple[Scalar, ...]:
        """The values that the rule compares with; none for `is_null`."""
        single = (self.equals, self.not_equals, self.at_least, self.at_most)
        return (*(value for value in single if value is not None), *(self.one_of or ()))

    @model_validator(mode="after")
    def _one(self) -> Self:
        conditions = (self.equals, self.not_equals, self.one_of, self.at_least, self.at_most, self.is_null)
        if sum(part is not None for part in conditions) != 1:
            raise ValueError(
                "a row rule has exactly one of equals, not_equals, one_of, at_least, at_most, is_null"
            )
        return self

    def typed(self, kind: Kind) -> RowRule:
        """The same rule with operands of exactly the column's type."""
        return self.model_copy(
            update={
                name: tuple(_exact(kind, item) for item in value)
                if isinstance(value, tuple)
                else _exact(kind, value)
                for name in ("equals", "not_equals", "one_of", "at_least", "at_most")
                if (value := getattr(self, name)) is not None
            }
        )


class Checks(Block):
    """What a load must keep to, beyond types and nulls.

    Attributes:
        unique: keys; two rows with one key refuse the load.
        references: column to `table.column` of this dataset whose values it must have.
        only_declared: columns whose values outside `between`, or not among `values`, set the row aside.

    """

    unique: tuple[tuple[Name, ...], ...] = ()
    references: dict[Name, str] = {}
    only_declared: tuple[Name, ...] = ()


class TablePolicy(Block):
    """One table: protected by differential privacy, or open (public, answered exactly).

    Attributes:
        never_together: groups of columns; one question may not use all columns of one group.

    """

    protection: Literal["protected", "open"] = "protected"
    unit: UnitBlock | None = None
    bounds: Bounds | None = None
    columns: dict[Name, ColumnPolicy]
    rows: tuple[RowRule, ...] = ()
    never_together: tuple[tuple[Name, ...], ...] = ()
    checks: Checks = Checks()
    title: Titles = Titles()

    @model_validator(mode="after")
    def _typed(self) -> Self:
        # a rule on a column that is not here stays as it is: `lint` refuses it by name
        rules = tuple(
            rule.typed(self.columns[rule.column].type) if rule.column in self.columns else rule
            for rule in self.rows
        )
        object.__setattr__(self, "rows", rules)
        return self


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

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.last < self.first:
            raise ValueError("the last day is before the first")
        return self


class Compute(Block):
    """Compute that a grant pays for. Of what a kernel may use up, zero says: as the operator set."""

    cpu_hours: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    memory_gb: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    cpus: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    processes: Annotated[int, Field(ge=0)] = 0
    disk_gb: Annotated[Decimal, Field(ge=0)] = Decimal(0)


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
