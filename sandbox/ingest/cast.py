"""Columns of a source to columns of the policy's types, vectorised; what does not fit is marked.

Arrow's parser takes the whole column if every value is plain. If not, the values that surely are plain
go through it together, and the others one by one through `sandbox.ingest.spelling`. Typed columns of
another type than the declared one go through their shortest text, so that a table gives the same values
from CSV and from Parquet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from sandbox.ingest.schema import arrow_type
from sandbox.ingest.spelling import exact_number, parser
from sandbox.policy.types import ColumnPolicy, Kind

Mask = npt.NDArray[np.bool_]
AnyArray: TypeAlias = Any
# pyarrow's stubs give the results of compute functions wrong types.
pc: Any = pyarrow.compute

_WIDE = pa.decimal128(38, 20)
_PLAIN = {
    Kind.INTEGER: r"^-?[0-9]{1,18}$",
    Kind.DECIMAL: r"^[+-]?[0-9]{1,17}(\.[0-9]{0,20})?$",
    Kind.DOUBLE: r"^[+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?$",
}


@dataclass(frozen=True, slots=True)
class Cast:
    """A cast column: `wrong` marks values that do not fit (None: all fit); `rounded` counts changed ones."""

    values: AnyArray
    wrong: Mask | None = None
    rounded: int = 0


def cast(column: AnyArray, policy: ColumnPolicy) -> Cast:
    """Cast a column of a source. NaN becomes null; infinity does not fit.

    Raises:
        pa.ArrowException: a type (nested, …) that has no text.

    """
    column = _without_nan(_plain_encoding(column))
    if policy.type is Kind.TEXT:
        return _texts(column)
    is_text = pa.types.is_string(column.type)
    plain = _fast(column, policy) if is_text else _native(column, policy)
    if plain is not None:
        return Cast(plain)
    texts = _texts(column)
    plain = None if is_text else _fast(texts.values, policy)
    done = Cast(plain) if plain is not None else _slow(texts.values, policy)
    wrong = [mask for mask in (texts.wrong, done.wrong) if mask is not None]
    return replace(done, wrong=np.logical_or.reduce(wrong) if wrong else None)


def _plain_encoding(column: AnyArray) -> AnyArray:
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    return column


def _without_nan(column: AnyArray) -> AnyArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _texts(column: AnyArray) -> Cast:
    if not pa.types.is_string(column.type):
        try:
            return _texts(pc.cast(column, pa.string()))
        except pa.ArrowInvalid:
            column = pc.cast(pc.cast(column, pa.binary()), pa.string(), safe=False)
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        wrong = np.array(
            [not _is_text(value) for value in pc.cast(column, pa.binary()).to_pylist()], np.bool_
        )
        kept = pc.if_else(pa.array(wrong), None, column)
        return Cast(kept, wrong)
    if least_byte(column) != 0:
        return Cast(column)
    return Cast(column, _numpy(pc.match_substring(column, "\0").fill_null(False)))


def _is_text(value: bytes | None) -> bool:
    try:
        return value is None or "\0" not in value.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _native(column: AnyArray, policy: ColumnPolicy) -> AnyArray | None:
    """The column by Arrow's own cast if it is of the declared kind and every value fits."""
    kinds: dict[Kind, Callable[[Any], bool]] = {
        Kind.INTEGER: pa.types.is_integer,
        Kind.DECIMAL: pa.types.is_decimal,
        Kind.DOUBLE: pa.types.is_floating,
        Kind.BOOLEAN: pa.types.is_boolean,
        Kind.DATE: pa.types.is_date,
        Kind.TIMESTAMP: pa.types.is_timestamp,
    }
    if not kinds[policy.type](column.type):
        return None
    try:
        values = pc.cast(column, arrow_type(policy))
    except pa.ArrowInvalid:
        return None
    return values if _is_sound(values, policy.type) else None


def _fast(column: AnyArray, policy: ColumnPolicy) -> AnyArray | None:
    # Arrow reads hexadecimal integers; letters are above every byte of a decimal one.
    if policy.type is Kind.INTEGER and greatest_byte(column) > ord("9"):
        return None
    try:
        values = pc.cast(column, arrow_type(policy))
    except pa.ArrowInvalid:
        return None
    return values if _is_sound(values, policy.type) else None


def _is_sound(values: AnyArray, kind: Kind) -> bool:
    if kind is Kind.DOUBLE:
        return bool(pc.all(pc.is_finite(values), min_count=0).as_py())
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        # Years that Python's dates do not know.
        years = pc.min_max(pc.year(values))
        return years["min"].as_py() is None or (years["min"].as_py() >= 1 and years["max"].as_py() <= 9999)
    return True


def _slow(column: AnyArray, policy: ColumnPolicy) -> Cast:
    texts = pc.utf8_trim_whitespace(column)
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    values, plain, rounded = _plain_values(texts, policy)
    rest = _numpy(pc.is_valid(texts)) & ~plain
    parse = parser(policy)
    distinct = pc.dictionary_encode(texts.filter(pa.array(rest)))
    known = distinct.dictionary.to_pylist()
    parsed = [parse(text) for text in known]
    filling = pa.array(parsed, arrow_type(policy)).take(distinct.indices)
    values = pc.replace_with_mask(values, pa.array(rest), filling)
    if policy.type is Kind.DECIMAL:
        changed = [
            value is not None and value != exact_number(text)
            for text, value in zip(known, parsed, strict=True)
        ]
        rounded += int(np.count_nonzero(np.array(changed, np.bool_)[_numpy(distinct.indices)]))
    return Cast(values, rest & ~_numpy(pc.is_valid(values)), rounded)


def _plain_values(texts: AnyArray, policy: ColumnPolicy) -> tuple[AnyArray, Mask, int]:
    """Values of the texts that Arrow surely reads (null elsewhere), which these are, and how many rounded."""
    nothing: AnyArray = pa.array([None] * len(texts), arrow_type(policy))
    if policy.type not in _PLAIN:
        return nothing, np.zeros(len(texts), np.bool_), 0
    plain = pc.match_substring_regex(texts, _PLAIN[policy.type]).fill_null(False)
    picked = pc.if_else(plain, texts, pa.scalar(None, pa.string()))
    if policy.type is not Kind.DECIMAL:
        return pc.cast(picked, arrow_type(policy)), _numpy(plain), 0
    wide = pc.cast(picked, _WIDE)
    rounded = pc.round(wide, ndigits=policy.decimals, round_mode="half_to_even")
    most = pa.scalar((Decimal(10) ** policy.digits - 1).scaleb(-policy.decimals), _WIDE)
    fits = pc.less_equal(pc.abs(rounded), most).fill_null(False)
    changed = pc.and_(fits, pc.not_equal(wide, rounded).fill_null(False))
    values = pc.cast(pc.if_else(fits, rounded, pa.scalar(None, _WIDE)), arrow_type(policy))
    return values, _numpy(fits), int(pc.sum(changed).as_py() or 0)


def _numpy(mask: AnyArray) -> npt.NDArray[Any]:
    return np.asarray(mask.to_numpy(zero_copy_only=False))


def _bytes(texts: AnyArray) -> npt.NDArray[np.uint8]:
    _, offsets, data = texts.buffers()
    if data is None or offsets is None:
        return np.zeros(0, np.uint8)
    ends = np.frombuffer(memoryview(offsets), np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(memoryview(data), np.uint8)[ends[0] : ends[-1]]


def least_byte(texts: AnyArray) -> int:
    """The least byte of all texts; 255 if there is none."""
    return int(_bytes(texts).min(initial=255))


def greatest_byte(texts: AnyArray) -> int:
    """The greatest byte of all texts; 0 if there is none."""
    return int(_bytes(texts).max(initial=0))
