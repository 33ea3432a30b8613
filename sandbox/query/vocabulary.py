"""The closed vocabulary of questions: which constructs and functions may occur at all.

Everything that is not listed here is refused before anything else looks at it. A listed function
still needs a lowering rule (`expressions.py`) where it meets protected rows; above the private
boundary it runs on noisy or public tables as it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from sqlglot import exp

STAMPS = (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ)
"""What the parser makes of TIMESTAMP: times without a zone."""

STRUCTURE: frozenset[type] = frozenset(
    {
        exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered,
        exp.Limit, exp.Offset, exp.With, exp.CTE, exp.Subquery, exp.Table, exp.TableAlias, exp.Column,
        exp.Identifier, exp.Alias, exp.Star, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple,
        exp.Distinct, exp.Filter, exp.Window, exp.WindowSpec, exp.Qualify, exp.Interval, exp.Var,
        exp.DataType, exp.DataTypeParam, exp.Cast, exp.TryCast, exp.Union, exp.Intersect, exp.Except,
        exp.Exists, exp.Rollup, exp.Cube, exp.GroupingSets,
    }
)  # fmt: skip

OPERATORS: frozenset[type] = frozenset(
    {
        exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ,
        exp.NullSafeNEQ, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.SimilarTo, exp.Add, exp.Sub,
        exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.DPipe, exp.Case, exp.If,
    }
)  # fmt: skip

SCALARS: frozenset[type] = frozenset(
    {
        exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Abs, exp.Sign, exp.Round, exp.Floor, exp.Ceil,
        exp.Sqrt, exp.Ln, exp.Log, exp.Exp, exp.Pow, exp.Lower, exp.Upper, exp.Length, exp.Substring,
        exp.Left, exp.Right, exp.Trim, exp.Concat, exp.StartsWith, exp.EndsWith, exp.Contains,
        exp.RegexpLike, exp.SplitPart, exp.TimeToStr, exp.Year, exp.Quarter,
        exp.Month, exp.Day, exp.Week, exp.DayOfWeek, exp.DayOfYear, exp.Hour, exp.Extract,
        exp.TimestampTrunc, exp.DateTrunc, exp.DateDiff, exp.Dayname, exp.Monthname, exp.Minute, exp.Second,
        exp.DayOfWeekIso,
        exp.Grouping, exp.GroupingId,
    }
)  # fmt: skip

AGGREGATES: frozenset[type] = frozenset(
    {
        exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Variance, exp.VariancePop, exp.Stddev,
        exp.StddevSamp, exp.StddevPop, exp.CovarPop, exp.CovarSamp, exp.Corr, exp.RegrSlope,
        exp.RegrIntercept, exp.RegrR2, exp.RegrCount, exp.Median, exp.PercentileCont, exp.PercentileDisc,
        exp.Quantile, exp.ApproxQuantile, exp.Mode,
        exp.AnonymousAggFunc,  # HISTOGRAM, which only `spellings.py` makes into one
    }
)  # fmt: skip

# Only before OVER (…); aggregates may stand there too.
WINDOW_FUNCTIONS: frozenset[type] = frozenset(
    {
        exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead,
        exp.FirstValue, exp.LastValue, exp.NthValue,
    }
)  # fmt: skip
OF_PLACE: frozenset[type] = frozenset({exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist})

ALLOWED: frozenset[type] = STRUCTURE | OPERATORS | SCALARS | AGGREGATES | WINDOW_FUNCTIONS

# The only bare words: sqlglot writes a `Var` into SQL as it is, and makes one of a text constant too
# (DATE_TRUNC('…', x)), so any other word could carry SQL of its own past the allow-list.
TIME_UNITS: frozenset[str] = frozenset(
    {
        *(unit + plural for unit in ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
          for plural in ("", "S")),
        "DOW", "DAYOFWEEK", "ISODOW", "DOY", "DAYOFYEAR",
    }
)  # fmt: skip

# Parts that a construct may have here; any other part (PIVOT, SAMPLE, INTO, RECURSIVE, …) is refused.
PARTS: dict[type, frozenset[str]] = {
    exp.Select: frozenset(
        {
            "with_",
            "expressions",
            "from_",
            "joins",
            "where",
            "group",
            "having",
            "order",
            "limit",
            "offset",
            "distinct",
            "qualify",
            "windows",
        }
    ),
    **dict.fromkeys(
        (exp.Union, exp.Intersect, exp.Except),
        frozenset({"this", "expression", "distinct", "with_", "order", "limit", "offset"}),
    ),
    exp.Exists: frozenset({"this"}),
    **dict.fromkeys(
        (exp.Rollup, exp.Cube, exp.GroupingSets, exp.Grouping, exp.GroupingId), frozenset({"expressions"})
    ),
    exp.Window: frozenset({"this", "partition_by", "order", "spec", "alias", "over"}),
    exp.WindowSpec: frozenset({"kind", "start", "start_side", "end", "end_side"}),
    exp.Ntile: frozenset({"this"}),
    **dict.fromkeys(OF_PLACE, frozenset()),
    exp.Subquery: frozenset({"this", "alias"}),
    exp.Table: frozenset({"this", "alias", "db"}),
    exp.Column: frozenset({"this", "table", "db"}),
    exp.Join: frozenset({"this", "on", "side", "kind", "using"}),
    exp.Group: frozenset({"expressions", "all"}),
    exp.Distinct: frozenset({"expressions"}),
    exp.Star: frozenset(),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Order: frozenset({"expressions"}),
    exp.Concat: frozenset({"expressions", "safe", "coalesce"}),
    exp.Contains: frozenset({"this", "expression"}),
    exp.Substring: frozenset({"this", "start", "length"}),
    exp.Interval: frozenset({"this", "unit"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.TryCast: frozenset({"this", "to", "requires_string", "safe"}),
    exp.DataType: frozenset({"this", "expressions", "nested"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Trim: frozenset({"this"}),
    exp.Week: frozenset({"this"}),
    exp.RegexpLike: frozenset({"this", "expression"}),
    exp.SplitPart: frozenset({"this", "delimiter", "part_index"}),
    exp.TimeToStr: frozenset({"this", "format"}),
    exp.Log: frozenset({"this", "expression"}),
    exp.DateDiff: frozenset({"this", "expression", "unit", "date_part_boundary"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Round: frozenset({"this", "decimals"}),
    exp.Ceil: frozenset({"this"}),
    exp.Floor: frozenset({"this"}),
    exp.Length: frozenset({"this"}),
    exp.Min: frozenset({"this"}),
    exp.Max: frozenset({"this"}),
    exp.CountIf: frozenset({"this"}),
    exp.Median: frozenset({"this"}),
    exp.PercentileCont: frozenset({"this", "expression"}),
    exp.PercentileDisc: frozenset({"this", "expression"}),
    exp.Quantile: frozenset({"this", "quantile"}),
    exp.ApproxQuantile: frozenset({"this", "quantile"}),
    exp.Mode: frozenset({"this"}),
}

_INSTEAD: dict[str, str] = {
    "QUANTILE": "Supported: MIN(x), MAX(x), MEDIAN(x), QUANTILE_CONT(x, 0.9) and QUANTILE_DISC.",
    "SUBQUERY": "Write it as a join on the unit, or as a CTE.",
    "VALUES": "Count by value instead: SELECT x, COUNT(*) … GROUP BY x.",
    "SHAPE": "How x is spread: STDDEV(x), QUANTILE_CONT(x, [0.1, 0.5, 0.9]), HISTOGRAM(x, [10, 20, 30]).",
}

_HINTS: dict[type, str] = {
    exp.WithinGroup: _INSTEAD["QUANTILE"],
    exp.Array: "A list holds the fractions of a quantile, as in QUANTILE_CONT(x, [0.25, 0.75]).",
    exp.Min: _INSTEAD["QUANTILE"],
    exp.Max: _INSTEAD["QUANTILE"],
    exp.Any: _INSTEAD["SUBQUERY"],
    exp.IgnoreNulls: _INSTEAD["VALUES"],
    exp.WidthBucket: "Write WIDTH_BUCKET(x, 20, 100, 8): constants, the lower first, and 1 to 200 buckets.",
}

_PARTS_INSTEAD: dict[tuple[type, str], str] = {
    (
        exp.Table,
        "sample",
    ): "Leave it out: every row counts, and what an answer costs does not depend on how many.",
    (exp.Group, "rollup"): "Write GROUP BY ROLLUP (a, b).",
    (exp.Group, "cube"): "Write GROUP BY CUBE (a, b).",
}


def has_aggregate(node: exp.Expr) -> bool:
    """Whether `node` aggregates, a SELECT inside it apart: that one's aggregates are its own.

    `SUM(x) OVER (…)` does not, `SUM(COUNT(*)) OVER (…)` does.
    """
    inner = node.walk(prune=lambda n: isinstance(n, exp.Subquery | exp.Select))
    return any(type(n) in AGGREGATES and not is_windowed(n) for n in inner)


def is_windowed(node: exp.Expr) -> bool:
    """Whether `node` is the function before OVER."""
    if isinstance(node.parent, exp.Filter) and node.arg_key == "this":
        node = node.parent
    return isinstance(node.parent, exp.Window) and node.arg_key == "this"


def sources_of(select: exp.Select) -> Iterator[exp.Expr]:
    """The items of FROM and JOIN."""
    from_ = select.args.get("from_")
    if from_ is not None:
        yield from_.this
    for join in select.args.get("joins") or ():
        yield join.this


_SPOKEN: dict[type, str] = {
    exp.Placeholder: "parameter", exp.Parameter: "parameter", exp.Dot: "access by a dot",
    exp.TableColumn: "whole row as a value", exp.ColumnDef: "type with parts",
    exp.PropertyEQ: "named argument", exp.IgnoreNulls: "ANY_VALUE", exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>", exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|", exp.SimilarTo: "SIMILAR TO", exp.RawString: "text in dollars",
    exp.ByteString: "text with escapes", exp.National: "national text",
    exp.PercentileCont: "QUANTILE_CONT", exp.PercentileDisc: "QUANTILE_DISC",
}  # fmt: skip
_NEAREST: tuple[tuple[tuple[str, ...], str], ...] = (
    (("REGEXP", "SIMILAR"), "Use LIKE 'a%', STARTS_WITH, CONTAINS or ENDS_WITH."),
    (
        ("NOW", "TODAY", "CURRENT_DATE", "CURRENT_TIME", "GETDATE", "GET_CURRENT"),
        "Write the day itself: DATE '2026-01-31'. An answer must not depend on when it is asked.",
    ),
    (("RAND", "SETSEED", "UUID", "GEN_RANDOM"), "Noise is the sandbox's own; ask for the aggregate."),
    (
        ("READ_", "SCAN", "PARQUET_", "GLOB", "SNIFF"),
        "FROM takes tables of the grant; `sandbox datasets` lists them.",
    ),
    (
        ("HISTOGRAM", "WIDTH_BUCKET", "EQUI_WIDTH", "BIN_EXACT"),
        "Write HISTOGRAM(x), or with bins as constants: HISTOGRAM(x, [10, 20, 30]); or count by bands: "
        "SELECT FLOOR(x / 10) * 10 AS band, COUNT(*) … GROUP BY band.",
    ),
    (
        ("LIST", "ARRAY_AGG", "STRING_AGG", "GROUP_CONCAT", "FIRST", "LAST", "ANY_VALUE", "ARG_M"),
        _INSTEAD["VALUES"],
    ),
    (("GEOMEAN", "GEOMETRIC", "PRODUCT"), "Write EXP(AVG(LN(x))), or EXP(SUM(LN(x))), for x above 0."),
    (("SKEW", "KURT", "ENTROPY", "MAD"), _INSTEAD["SHAPE"]),
    (("BOOL_", "LOGICAL_", "EVERY"), "Count them: COUNT_IF(x) > 0, or COUNT_IF(x) = COUNT(*)."),
)


def spoken_name(node: exp.Expr) -> str:
    """The name under which a person knows this construct."""
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return str(node.this)[:64]
    if type(node) in _SPOKEN:
        return _SPOKEN[type(node)]
    if isinstance(node, exp.Func):
        return node.sql_name()
    return type(node).__name__.upper()


def instead_of(node: exp.Expr, name: str = "", part: str = "") -> str:
    """What is supported instead of `node`, or of a part of it, in a sentence.

    `name` is how a function was called.
    """
    if (type(node), part) in _PARTS_INSTEAD:
        return _PARTS_INSTEAD[type(node), part]
    for kind, hint in _HINTS.items():
        if isinstance(node, kind):
            return hint
    if not isinstance(node, exp.Func):
        return "Supported: SELECT, JOIN on the unit, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, WITH."
    classes = (SCALARS | AGGREGATES | WINDOW_FUNCTIONS) - {exp.AnonymousAggFunc}
    names = sorted({t.sql_name() for t in classes if issubclass(t, exp.Func)} | {"HISTOGRAM"})
    asked = {name.upper(), spoken_name(node).upper()} - {""}
    for starts, hint in _NEAREST:
        if any(one.startswith(starts) for one in asked):
            return hint
    close = [found for one in sorted(asked) for found in difflib.get_close_matches(one, names, 1, 0.75)]
    mean = f"Did you mean {close[0]}? " if close else ""
    return f"{mean}Supported functions: {', '.join(names)}."


def needed(node: exp.Func) -> tuple[str, ...]:
    """Arguments without which a function of the vocabulary means nothing; the parser lets some go missing."""
    many = (exp.Case, exp.Concat, exp.Grouping, exp.GroupingId, exp.Array)
    if isinstance(node, many) or type(node) in OF_PLACE:
        return ()
    if isinstance(node, exp.NthValue):
        return ("this", "offset")
    if isinstance(node, exp.RegrSlope | exp.RegrIntercept | exp.RegrR2 | exp.RegrCount):
        return ("this", "expression")
    if isinstance(node, exp.PercentileCont | exp.PercentileDisc):
        return ("this", "expression")
    if isinstance(node, exp.Quantile | exp.ApproxQuantile):
        return ("this", "quantile")
    if isinstance(node, exp.SplitPart):
        return ("this", "delimiter", "part_index")
    if isinstance(node, exp.DateDiff):
        return ("this", "expression", "unit")
    if isinstance(node, exp.TimeToStr):
        return ("this", "format")
    return ("this", "start") if isinstance(node, exp.Substring) else ("this",)


def strange_part(node: exp.Expr) -> str | None:
    """The argument of `node` that is not supported here; None when all are."""
    allowed = PARTS.get(type(node))
    if allowed is None:
        return None
    for name, value in node.args.items():
        if value and name not in allowed:
            return name
    return None


def conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    """The parts of a condition that AND connects."""
    return _connected(node, exp.And)


def alternatives(node: exp.Expr) -> Iterator[exp.Expr]:
    """The parts of a condition that OR connects."""
    return _connected(node, exp.Or)


def _connected(node: exp.Expr, by: type[exp.Connector]) -> Iterator[exp.Expr]:
    node = node.unnest()
    if isinstance(node, by):
        yield from _connected(node.left, by)
        yield from _connected(node.right, by)
    else:
        yield node
