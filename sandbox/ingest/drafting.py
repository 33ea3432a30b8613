"""From sources to the columns of a first policy: types, what they seem to hold, what may be said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sandbox.ingest.classify import Classified, classify
from sandbox.ingest.header_words import public_bounds
from sandbox.ingest.infer import infer, sample
from sandbox.ingest.sensitive import Sensitive
from sandbox.ingest.source import Source
from sandbox.policy.draft import DraftTable, is_usable_name
from sandbox.policy.types import ColumnPolicy, Kind, Use

_SAYS: Mapping[Sensitive, str] = {
    Sensitive.RESIDENT_ID: "Looks like resident identity numbers (check digits are right)",
    Sensitive.USCC: "Looks like unified social credit codes (check characters are right)",
    Sensitive.MOBILE: "Looks like mobile numbers",
    Sensitive.LANDLINE: "Looks like telephone numbers",
    Sensitive.BANK_CARD: "Looks like bank card numbers (Luhn digits are right)",
    Sensitive.PLATE: "Looks like number plates",
    Sensitive.PASSPORT: "Looks like passport numbers",
    Sensitive.EMAIL: "Looks like e-mail addresses",
    Sensitive.PERSON_NAME: "Looks like names of people",
    Sensitive.ADDRESS: "Looks like addresses",
    Sensitive.GPS: "Looks like places on the map",
    Sensitive.BIRTH_DATE: "Looks like days of birth",
    Sensitive.DAYS_OF_DECADES: "Days over decades, which could be days of birth",
    Sensitive.IDENTIFIER: "Looks like an identifier",
    Sensitive.QUASI_IDENTIFIER: "May single somebody out together with other columns",
}
_UNITS = (Sensitive.RESIDENT_ID, Sensitive.USCC, Sensitive.PASSPORT, Sensitive.IDENTIFIER)
_NO_UNIT = (Kind.DOUBLE, Kind.BOOLEAN)
_NEARLY_ALL = 0.95


def draft_table(
    source: Source, codelists: Mapping[str, frozenset[str]], unit_column: str | None = None
) -> tuple[DraftTable, tuple[Classified, ...]]:
    """A table for a draft, and the evidence behind it, which belongs to operator and steward only.

    Args:
        source: the table's rows; its head is read.
        codelists: public keys by the name of their list.
        unit_column: says whose rows these are; None: the likeliest column is taken, and marked as a guess.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    types = infer(source)
    found = classify(source)
    rows = sample(source)
    columns: dict[str, ColumnPolicy] = {}
    folded: set[str] = set()
    for one in found:
        if not is_usable_name(one.column) or one.column.casefold() in folded:
            continue
        folded.add(one.column.casefold())
        listed = None
        if one.kind is None and types[one.column].type is Kind.TEXT:
            cells = Counter(str(v).strip() for v in rows.column(one.column).drop_null().to_pylist())
            del cells[""]
            listed = _listed(cells, codelists)
        columns[one.column] = _said(one, types[one.column], listed)
    chosen = unit_column or _likeliest(found, columns)
    because = "As said." if unit_column else "A guess, as nobody said: confirm whose rows these are."
    return DraftTable(columns, chosen, because), found


def _said(found: Classified, kind: ColumnPolicy, codelist: str | None) -> ColumnPolicy:
    if found.kind is not None:
        because = (
            f"{_SAYS[found.kind]}; hidden until a steward says otherwise (GB/T 43697 level {found.level})."
        )
        return kind.model_copy(update={"use": Use.HIDDEN, "because": because})
    if codelist is not None:
        because = f"Its values are in the public code list {codelist}."
        return kind.model_copy(update={"use": Use.GROUP_BY, "codelist": codelist, "because": because})
    if kind.type is Kind.BOOLEAN:
        because = "Yes or no, and nothing suspicious was seen."
        return kind.model_copy(update={"use": Use.GROUP_BY, "values": (True, False), "because": because})
    bounds = public_bounds(found.column)
    if kind.type is Kind.INTEGER and bounds is not None:
        because = "Bounds that everybody knows of such a quantity."
        return kind.model_copy(update={"use": Use.SUM_MEAN, "between": bounds, "because": because})
    because = "Nothing suspicious was seen, but no public bounds or keys are known: a steward decides."
    return kind.model_copy(update={"use": Use.HIDDEN, "because": because})


def _listed(cells: Counter[str], codelists: Mapping[str, frozenset[str]]) -> str | None:
    """The shortest list that nearly all cells are in, however few rows say otherwise."""
    total = cells.total()
    if not total or cells.most_common(1)[0][1] > _NEARLY_ALL * total:
        return None
    shares = {name: sum(cells[key] for key in keys) / total for name, keys in codelists.items()}
    fitting = [name for name, share in shares.items() if share >= _NEARLY_ALL]
    return min(fitting, key=lambda name: (len(codelists[name]), name), default=None)


def _likeliest(found: tuple[Classified, ...], columns: Mapping[str, ColumnPolicy]) -> str:
    usable = [one for one in found if one.column in columns and columns[one.column].type not in _NO_UNIT]
    for kind in _UNITS:
        for one in usable:
            if one.kind is kind:
                return one.column
    return usable[0].column if usable else next(iter(columns))
