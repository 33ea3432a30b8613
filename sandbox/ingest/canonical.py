"""One text for one identifier, whatever type its column has: what units and foreign keys are compared by.

Rules
- Whole numbers are their digits: the integer 17850, the decimal 17850.00, the double 17850.0 and the
  texts `17850` and `17850.0` are all `17850`.
- Other decimals lose trailing zeros; doubles are their shortest text.
- Texts lose the white space around them and nothing else. `0017850` is another identifier than `17850`,
  upper and lower case differ, nothing is normalised. So declare the same type wherever identifiers have
  leading zeros.
- An empty text is no identifier: it counts as null.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute

# pyarrow's stubs give the results of compute functions wrong types.
pc: Any = pyarrow.compute

_EXACT_BELOW = 2.0**53


def canonical(values: Any) -> Any:
    """The canonical texts of an Arrow array, as a string array; null stays null."""
    texts = pc.cast(values, pa.string())
    if pa.types.is_string(values.type):
        texts = pc.utf8_trim_whitespace(texts)
        texts = pc.replace_substring_regex(texts, r"^(-?(?:0|[1-9][0-9]*))\.0+$", r"\1")
        return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if pa.types.is_decimal(values.type):
        texts = pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.0+$", r"\1")
        return pc.replace_substring_regex(texts, r"^(-?[0-9]+\.[0-9]*[1-9])0+$", r"\1")
    if pa.types.is_floating(values.type):
        whole = pc.and_(pc.equal(values, pc.trunc(values)), pc.less(pc.abs(values), _EXACT_BELOW))
        digits = pc.cast(pc.if_else(whole, values, pa.scalar(None, values.type)), pa.int64())
        return pc.coalesce(pc.cast(digits, pa.string()), texts)
    return texts
