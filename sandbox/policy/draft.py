"""The text of a first policy file: everything doubtful hidden, a `because` for each choice.

Nothing in it was measured: no minimum, maximum, count or null rate of the data is copied. Bounds come from
what everybody knows of a quantity, or from a private estimate that was charged, keys from a public code list;
contribution bounds are the tightest, for the steward to loosen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import yaml

from sandbox.policy.types import ColumnPolicy, Kind, Scalar, Use

_WIDE = 100_000


@dataclass(frozen=True, slots=True)
class DraftTable:
    """One table: its columns, each with use and `because`, and the column that identifies a unit."""

    columns: Mapping[str, ColumnPolicy]
    unit_column: str
    unit_because: str


@dataclass(frozen=True, slots=True)
class DraftPolicy:
    """What a draft is made of; the steward said all but the columns."""

    dataset: str
    publisher: str
    licence: str
    steward: str
    unit: str
    tables: Mapping[str, DraftTable]


@dataclass(frozen=True, slots=True)
class Estimated:
    """Bounds that a steward had estimated privately.

    Attributes:
        column: as it is published.
        between: the bounds; None when the noisy answer told of no values.
        how: within which range, and what was paid, for people.

    """

    column: ColumnPolicy
    between: tuple[Scalar, Scalar] | None
    how: str

    def applied(self, drafted: ColumnPolicy, *, doubtful: bool) -> ColumnPolicy:
        """The drafted column with these bounds; what is doubtful for another reason stays hidden.

        A hidden column declares none: there they are said in `because`, for the steward to go on from.
        """
        kind = {name: getattr(self.column, name) for name in ("type", "digits", "decimals")}
        if self.between is None:
            because = f"{drafted.because} Bounds {self.how} came out empty."
            return drafted.model_copy(update={**kind, "use": Use.HIDDEN, "between": None, "because": because})
        if doubtful:
            because = f"{drafted.because} Bounds {self.between[0]} to {self.between[1]} {self.how}."
            return drafted.model_copy(update={**kind, "because": because})
        because = f"Nothing suspicious was seen. Bounds {self.how}."
        return drafted.model_copy(
            update={**kind, "use": Use.SUM_MEAN, "between": self.between, "because": because}
        )


def policy_text(draft: DraftPolicy) -> str:
    """The draft as YAML, which lints without errors and warnings where unit and steward are known."""
    return "\n".join(_lines(draft)) + "\n"


def is_usable_name(name: str) -> bool:
    """Whether a column may be called so in a policy; see the lint rules `name-form` and `name-reserved`."""
    return (
        unicodedata.is_normalized("NFC", name)
        and name.isprintable()
        and name == name.strip()
        and '"' not in name
        and not name.startswith("__")
        and 0 < len(name) <= 128
    )


def _lines(draft: DraftPolicy) -> Iterator[str]:
    yield "# A draft: a steward confirms each line before publishing it. Whatever seemed doubtful is hidden."
    yield "# 草案：发布前由数据管理员逐行确认；凡有疑问的列一律隐藏。"
    yield _flow({"dataset": draft.dataset})
    yield "title: {en: '', zh: ''}"
    yield _flow({"publisher": draft.publisher})
    yield _flow({"licence": draft.licence})
    yield _flow({"stewards": [draft.steward]})
    yield ""
    yield "people: [opc]"
    yield "purposes: [research]"
    yield "settings: [query]"
    yield ""
    yield "privacy:                                     # for life; the steward sets them before publishing"
    yield "  budget: {epsilon: 10, delta: 1e-6}"
    yield "  project: {epsilon: 4, delta: 1e-7}"
    yield "  question: {epsilon: 1, delta: 1e-8}"
    yield "  minimum_group: 10"
    yield ""
    yield "tables:"
    for name, table in draft.tables.items():
        yield f"  {_flow({name: None}).removesuffix(': null')}:"
        unit = {"name": draft.unit, "column": table.unit_column, "when_null": "drop"}
        yield f"    # {table.unit_because}"
        yield f"    {_flow({'unit': unit})}"
        yield "    bounds: {rows_per_unit: 1}    # the tightest; set it from what is known, not from data"
        yield "    columns:"
        for column, said in table.columns.items():
            yield f"      {_flow({column: _column(said)})}"


def _column(said: ColumnPolicy) -> dict[str, object]:
    block: dict[str, object] = {"type": said.type.value}
    if said.type is Kind.DECIMAL:
        block |= {"digits": said.digits, "decimals": said.decimals}
    block["use"] = said.use.name.lower()
    if said.between is not None:
        block["between"] = [
            bound if isinstance(bound, Decimal) else int(str(bound)) for bound in said.between
        ]
    if said.use is not Use.HIDDEN and said.values is not None:
        block["values"] = list(said.values)
    if said.codelist is not None:
        block["codelist"] = said.codelist
    return block | {"because": said.because}


class _Dumper(yaml.SafeDumper):
    """As safe as its base; decimals are plain numbers."""


def _decimal(dumper: _Dumper, value: Decimal) -> yaml.ScalarNode:
    text = f"{value:f}"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


_Dumper.add_representer(Decimal, _decimal)


def _flow(block: Mapping[str, object]) -> str:
    text = yaml.dump(
        dict(block),
        Dumper=_Dumper,
        default_flow_style=True,
        allow_unicode=True,
        sort_keys=False,
        width=_WIDE,
    )
    return str(text).strip()[1:-1]
