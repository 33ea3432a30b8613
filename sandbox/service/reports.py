"""What the service takes and gives back: frozen, printable, the same for every face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from sandbox.audit.event import Fact
from sandbox.identity import Role
from sandbox.ingest.classify import Classified
from sandbox.ingest.source import Option
from sandbox.policy.types import Scalar, Titles
from sandbox.privacy.loss import Budget


@dataclass(frozen=True, slots=True)
class InitReport:
    """A new home.

    Attributes:
        home: its folder, mode 0700.
        log_name: name of the log, the origin line of every checkpoint.
        log_key: public key of the log (C2SP signed-note verifier key): give it to the auditors.

    """

    home: Path
    log_name: str
    log_key: str


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to load, and how to read it.

    Attributes:
        location: a file, a pattern of files, a URL, or a source file.
        options: of the connector, by name; see `sandbox load --help`.
        max_bad_rows: a load with more bad rows is refused; None: more than a tenth of all rows.
        connector: name of the connector; empty: by the location.
        append: the rows follow those of the current version; else they replace them.
        accept_drift: the columns of the source may differ from those of the version before.
        incremental: only what the current version has not read yet, behind its rows; whole the first time.
        since: the value of the key after which an increment begins; None: the watermark that is kept.

    """

    location: str
    dataset: str
    table: str
    options: Mapping[str, Option] = field(default_factory=dict)
    max_bad_rows: int | None = None
    connector: str = ""
    append: bool = False
    accept_drift: bool = False
    incremental: bool = False
    since: str | None = None


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What a load would do; only the head of the source was read.

    Attributes:
        columns: name and declared type of every column that would be stored.
        left_out: columns of the source that the policy does not list.
        suggestion: where no policy names the table, `columns:` for one (YAML), by the first rows; the
            steward confirms it. Empty otherwise.
        rows: cells of the first rows, cut short; raw data, for the operator only.
        checked: records of the head that were checked against the policy.
        misfits: why some of them would be set aside, and how many, most frequent first.
        looks_like: columns that seem to hold something sensitive, by the head; also for the operator only.
        spellings: where no policy names the table, columns of text that would be typed if the source file
            said how they are written, each with every such spelling.

    """

    dataset: str
    table: str
    source: str
    columns: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    suggestion: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    checked: int = 0
    misfits: tuple[tuple[str, int], ...] = ()
    looks_like: tuple[Classified, ...] = ()
    spellings: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """What a first policy is drafted from.

    Attributes:
        tables: location of the source of each table.
        unit: a privacy unit of units.yaml.
        steward: who publishes it.
        codelists: folder of public code lists, one `<name>.txt` each.
        unit_columns: the column that identifies the unit, by table; else the likeliest is taken.
        options: of the connector, for every source.

    """

    dataset: str
    tables: Mapping[str, str]
    unit: str
    steward: str
    codelists: Path
    publisher: str = ""
    licence: str = ""
    unit_columns: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BoundsRequest:
    """Bounds that a steward wants to be estimated privately, of a column that is loaded.

    Attributes:
        low, high: a range that surely holds whatever can occur; known beforehand, not from the data.

    """

    table: str
    column: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class DraftReport:
    """The text of a draft, and the evidence by table: true shares, for steward and operator only."""

    text: str
    evidence: Mapping[str, tuple[Classified, ...]]


@dataclass(frozen=True, slots=True)
class ColumnCard:
    """One column as declared: never a minimum, maximum or null rate of the data."""

    name: str
    type: str
    use: str
    lower: Scalar | None
    upper: Scalar | None
    values: tuple[Scalar, ...] | None
    nullable: bool
    shown_as: str
    title: Titles
    because: str


@dataclass(frozen=True, slots=True)
class TableCard:
    """One table as declared. The bounds are what one unit may contribute at most."""

    name: str
    title: Titles
    protection: str
    unit: str | None
    rows_per_unit: int | None
    groups_per_unit: int | None
    rows_per_group: int | None
    loaded: bool
    columns: tuple[ColumnCard, ...]


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """One dataset as its published policy declares it; hidden columns are not named.

    Attributes:
        policy: digest of the published policy, as `nafld@sha256:…`.
        budget: over all projects, for the life of the dataset. None when every table is open.
        grants: grants that name this dataset and the person who asks.

    """

    dataset: str
    title: Titles
    publisher: str
    licence: str
    policy: str
    purposes: tuple[str, ...]
    settings: tuple[str, ...]
    budget: Budget | None
    project: Budget | None
    question: Budget | None
    minimum_group: int
    grants: tuple[str, ...]
    tables: tuple[TableCard, ...]


@dataclass(frozen=True, slots=True)
class GrantCard:
    """What one project got, as published.

    Attributes:
        version: name and digest of the published grant, as `liver-2026@sha256:…`.
        budget: for the life of the grant.
        first, last: days (UTC), both inclusive.

    """

    grant: str
    version: str
    project: str
    people: tuple[str, ...]
    purpose: str
    datasets: tuple[str, ...]
    settings: tuple[str, ...]
    budget: Budget
    first: date
    last: date
    obligations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeysStatus:
    """The keys of a home, without any key.

    Attributes:
        sealed_by: `keyring` (a passphrase), or the provider and the name of the key there.
        master: id of the master key.
        rotating: whether a rotation was begun and not ended.
        classes: dataset, key class, and generation of its newest key.

    """

    sealed_by: str
    master: str
    rotating: bool
    classes: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A bearer token. `secret` is shown once and kept nowhere."""

    id: str
    secret: str
    person: str
    role: Role
    expires: datetime


@dataclass(frozen=True, slots=True)
class TokenCard:
    """A bearer token without its secret."""

    id: str
    person: str
    role: Role
    created: datetime
    expires: datetime
    revoked: bool

    @property
    def state(self) -> str:
        """`live`, `expired` or `revoked`."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires <= datetime.now(UTC) else "live"


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which entries to show: all conditions hold together; None or empty means any."""

    kinds: tuple[str, ...] = ()
    person: str | None = None
    grant: str | None = None
    dataset: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of the log, as an auditor reads it."""

    index: int
    at: str
    kind: str
    person: str
    via: str
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A copy of the log: where, how many entries, and the key that its checkpoint must be signed by."""

    folder: Path
    size: int
    log_key: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of `doctor`; `ok` is None when it could not be made."""

    check: str
    ok: bool | None
    says: str
