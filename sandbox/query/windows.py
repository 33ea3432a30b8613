"""Window functions as a question writes them: where they may stand, their frames, windows with a name.

Rules
- They stand in SELECT, ORDER BY and QUALIFY, not in one another.
- Frames are counted in whole rows, or reach over RANGE from the first row, or to the last, or to the
  current one; RANGE may also reach over a constant number or interval.
- Numbers of rows (of LAG, NTILE, NTH_VALUE) are constants: one that a row could choose could make it fail.
"""

from __future__ import annotations

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.vocabulary import AGGREGATES, WINDOW_FUNCTIONS, is_windowed, spoken_name

MOST_OFFSET = 1_000_000
_PLACES = ("expressions", "order", "qualify", "windows")


def wrong_window(node: exp.Expr) -> tuple[str, str] | None:
    """What is wrong with a window or its function, and what to write instead; None when nothing is."""
    match node:
        case exp.Window():
            return _wrong_place(node)
        case exp.WindowSpec():
            return _wrong_frame(node)
        case exp.Ntile() if not _whole(node.this, 1):
            return ("NTILE takes a whole number of at least 1.", "Write NTILE(4).")
        case exp.Lag() | exp.Lead() | exp.NthValue() if (offset := node.args.get("offset")) is not None:
            if not _whole(offset, 1):
                name = spoken_name(node)
                return (f"{name} takes a whole number of rows.", f"Write {name}(x, 1).")
    if type(node) in WINDOW_FUNCTIONS and not is_windowed(node):
        name = spoken_name(node)
        return (f"{name} needs OVER.", f"Write {name}(…) OVER (PARTITION BY … ORDER BY …).")
    return None


def _wrong_place(node: exp.Window) -> tuple[str, str] | None:
    if isinstance(node.parent, exp.Select) and node.arg_key == "windows":
        return None
    function = node.this.this if isinstance(node.this, exp.Filter) else node.this
    if type(function) not in WINDOW_FUNCTIONS | AGGREGATES:
        return (
            f"{spoken_name(function)} is no window function here.",
            "Before OVER stands an aggregate, or ROW_NUMBER, RANK, LAG, FIRST_VALUE and the like.",
        )
    part: exp.Expr = node
    while part.parent is not None and not isinstance(part.parent, exp.Select):
        part = part.parent
        if isinstance(part, exp.Window):
            return (
                "A window function may not stand in another.",
                "Compute the inner one in a subquery.",
            )
    if part.arg_key not in _PLACES:
        return (
            "Window functions stand in SELECT, ORDER BY and QUALIFY.",
            "Compute it in a subquery, or write QUALIFY.",
        )
    return None


def _wrong_frame(node: exp.WindowSpec) -> tuple[str, str] | None:
    kind = str(node.args.get("kind") or "")
    ends = [node.args.get("start"), node.args.get("end")]
    offsets = [end for end in ends if isinstance(end, exp.Expr)]
    counted = all(_whole(end, 0) for end in offsets)
    if kind == "ROWS" and counted:
        return None
    if kind == "RANGE" and (counted or all(isinstance(e, exp.Interval) or _whole(e, 0) for e in offsets)):
        return None
    return (
        "This frame of a window is not supported.",
        "Write ROWS BETWEEN 6 PRECEDING AND CURRENT ROW, or RANGE UNBOUNDED PRECEDING.",
    )


def _whole(node: exp.Expr | None, least: int) -> bool:
    if not isinstance(node, exp.Literal) or node.is_string:
        return False
    text = str(node.this)
    return text.isascii() and text.isdigit() and len(text) <= 7 and least <= int(text) <= MOST_OFFSET


def expand_named(tree: exp.Expr) -> None:
    """Write named windows (`WINDOW w AS (…)`) out where they are named. Changes `tree`.

    Raises:
        SandboxError: `sql-name-unknown`.

    """
    for select in list(tree.find_all(exp.Select)):
        named: dict[str, exp.Window] = {}
        for definition in select.args.get("windows") or ():
            _fill(definition, named)
            named[definition.this.name.lower()] = definition
        for window in list(select.find_all(exp.Window)):
            if window.parent_select is select and window.arg_key != "windows":
                _fill(window, named)
        select.set("windows", None)


def _fill(window: exp.Window, named: dict[str, exp.Window]) -> None:
    name = window.args.get("alias")
    if name is None:
        return
    definition = named.get(name.name.lower())
    if definition is None:
        raise SandboxError(
            ErrorCode.SQL_NAME_UNKNOWN,
            f"There is no window {name.name[:80]} here.",
            "Define it: SELECT … FROM … WINDOW w AS (PARTITION BY … ORDER BY …).",
        )
    for part in ("partition_by", "order", "spec"):
        value = definition.args.get(part)
        if value and not window.args.get(part):
            window.set(part, [v.copy() for v in value] if isinstance(value, list) else value.copy())
    window.set("alias", None)
