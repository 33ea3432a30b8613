"""Remarks beside an answer: what was held within bounds, dropped by threshold, or may look odd.

Every remark follows from the question, the policy and the price. None depends on a row or says a count.
"""

from __future__ import annotations

from decimal import Decimal

from sandbox.policy.types import Kind
from sandbox.query.answer import Note
from sandbox.query.boundary import Measure, Measures
from sandbox.query.grids import Grid, Reading
from sandbox.query.histograms import Reading as Counted
from sandbox.query.level_notes import noisy_notes
from sandbox.query.price import Priced, PricedBoundary
from sandbox.query.quantiles import extreme_rows, most_groups
from sandbox.query.ranks import RANKS_OF

_SIDES = {Reading.MIN: ("MIN", "below", "小于"), Reading.MAX: ("MAX", "above", "大于")}


def notes_on(priced: Priced | None) -> tuple[Note, ...]:
    """The remarks on a question."""
    if priced is None:
        return ()
    found: list[Note] = []
    for b in priced.boundaries:
        found += [*_groups(b), *_contribution(b), *_bounds(b), *_found(b), *_means(b), *_quantiles(b)]
    found += [*_cells(priced), *noisy_notes(priced)]
    return tuple(dict.fromkeys(found))


def _groups(b: PricedBoundary) -> list[Note]:
    if not b.boundary.keys or b.threshold <= 0:
        return []
    if b.boundary.selects:
        return [
            Note(
                f"The data names these groups: one of fewer than {b.threshold} units (noisy) is left out.",
                f"分组名称来自数据:加噪后单位数低于 {b.threshold} 的组不显示。",
            )
        ]
    return [
        Note(
            f"Every public group appears; it is empty where its noisy count is under {b.threshold} units.",
            f"所有公开分组都会列出;加噪后单位数低于 {b.threshold} 的组不给出数字。",
        )
    ]


def _contribution(b: PricedBoundary) -> list[Note]:
    boundary = b.boundary
    if boundary.once:
        return []
    counts = (Measures.ROWS, Measures.VALUES)
    most = max((m.high for m in boundary.measures if m.kind in counts and not m.found), default=0)
    values = max((m.high for m in boundary.measures if m.kind is Measures.DISTINCT), default=0)
    texts = []
    if most:
        texts.append((f"at most {most} rows in a group", f"每组最多 {most} 行"))
    if values:
        texts.append((f"at most {values} different values in a group", f"每组最多 {values} 个不同的值"))
    if boundary.limit_groups:
        texts.append((f"at most {boundary.groups} groups", f"最多 {boundary.groups} 个组"))
    if not texts:
        return []
    en, zh = ", ".join(t[0] for t in texts), "、".join(t[1] for t in texts)
    return [Note(f"One {boundary.unit} counts with {en}.", f"每个 {boundary.unit} 计入{zh}。")]


def _bounds(b: PricedBoundary) -> list[Note]:
    found = []
    for m in b.boundary.measures:
        if m.kind in (Measures.SUM, Measures.AVERAGED_SUM) and not m.found:
            low, high = Decimal(m.low).scaleb(-m.scale), Decimal(m.high).scaleb(-m.scale)
            span, unit = f"[{low.normalize():f}, {high.normalize():f}]", b.boundary.unit
            found.append(
                Note(
                    f"One {unit}'s part of {m.label} is held within {span}.",
                    f"每个 {unit} 对 {m.label} 的贡献限制在 {span} 内。",
                )
            )
    return found


def _found(b: PricedBoundary) -> list[Note]:
    notes = []
    for n in b.noise:
        if n.search is None:
            continue
        most, unit, label = _plain_in_unit(n.measure.most, n.measure), b.boundary.unit, n.measure.label
        if n.search.chosen is None:
            en = f"One {unit}'s part of {label} is held within a clamp, at most ±{most}, that is found "
            en += "privately: how wide the noise is, the answer tells."
            zh = f"每个 {unit} 对 {label} 的贡献限制由私密方式确定(最多 ±{most}):噪声大小随答案给出。"
        else:
            clamp = _plain_in_unit(n.search.chosen, n.measure)
            en = f"One {unit}'s part of {label} is held within ±{clamp}, which was found privately; "
            en += "error bars are those of the noise, not of what lies beyond."
            zh = f"每个 {unit} 对 {label} 的贡献限制在 ±{clamp} 内(私密确定);误差只含噪声,不含超出部分。"
        notes.append(Note(en, zh))
    return notes


def _means(b: PricedBoundary) -> list[Note]:
    found = []
    for n in b.noise:
        if n.measure.kind is Measures.AVERAGED_SUM and (n.search is None or n.search.chosen):
            width, label = _in_unit(n.half_width, n.measure), n.measure.label
            whole, hundred, more = _short(width), _short(width / 100), _short(width / 10_000)
            found.append(
                Note(
                    f"A mean from {label} is off by about {whole} / n, n being the rows in the group: "
                    f"{hundred} at 100 rows, {more} at 10,000.",
                    f"由 {label} 得到的均值误差约为 {whole} / n(n 为组内行数):"
                    f"100 行时约 {hundred},10,000 行时约 {more}。",
                )
            )
    return found


def _quantiles(b: PricedBoundary) -> list[Note]:
    found = []
    noises = {n.measure.name: n for n in b.noise}
    for tree in b.boundary.trees:
        n, label = noises[tree.measure.name], tree.measure.label.removeprefix(RANKS_OF)
        rank, cell, leaves = _short(_in_unit(n.half_width, n.measure)), _width(tree.grid), tree.grid.leaves
        found.append(
            Note(
                f"Quantiles of {label} come from noisy counts in {leaves:,} cells of {cell}: each is off by "
                f"up to {rank} rows in rank (95 %), which its half-width states as a value.",
                f"{label} 的分位数由 {leaves:,} 个宽度为 {cell} 的区间的加噪计数得出:"
                f"排名误差不超过 {rank} 行(95 %),半宽将其换算为数值。",
            )
        )
        for point in tree.points:
            if point.reading in (Reading.MIN, Reading.MAX):
                rows = _short(Decimal(extreme_rows(tree, n.mechanism, point)))
                name, side, zh_side = _SIDES[point.reading]
                found.append(
                    Note(
                        f"{name} is an extreme quantile of {label}: about {rows} rows lie {side} it. "
                        "The outermost value itself belongs to one unit and is not told.",
                        f"{name} 是 {label} 的极端分位数:约有 {rows} 行{zh_side}它。"
                        "真正的最外值属于某个个体,不予公布。",
                    )
                )
        if b.boundary.selects:
            most = most_groups(tree)
            found.append(
                Note(
                    f"Of groups that the data names, the first {most:,} have quantiles.",
                    f"名称来自数据的分组中,前 {most:,} 组给出分位数。",
                )
            )
    return found


def _cells(priced: Priced) -> list[Note]:
    """On counts in one cell, and what is told from them."""
    found = []
    counts = {b.boundary.name: b for b in priced.boundaries}
    for fold in priced.rewritten.analyzed.folds:
        source, text = counts[fold.source], fold.by.text
        (noise,) = (n for n in source.noise if n.measure.name == fold.measure)
        if fold.reading is Counted.HISTOGRAM:
            en = f"Each count in the histogram of {text} has the column's half-width."
            zh = f"{text} 的直方图中每个计数的半宽均为该列的半宽。"
            if source.boundary.selects:
                en += " The data names the groups: it holds values that pass the threshold by themselves."
                zh += "分组名称来自数据:只含自身达到门槛的取值。"
            found.append(Note(en, zh))
        elif noise.search is None or noise.search.chosen:
            near = _short(2 * _in_unit(noise.half_width, noise.measure))
            found.append(
                Note(
                    f"MODE is the value of {text} with the greatest noisy count; one that has fewer rows, "
                    f"by up to about {near}, may take its place.",
                    f"MODE 是 {text} 中加噪计数最大的取值;行数少约 {near} 以内的取值可能取而代之。",
                )
            )
    return found


def _width(grid: Grid) -> str:
    """The width of a cell, as a person reads it."""
    if grid.kind is Kind.DATE:
        return f"{grid.cell:f} d"
    if grid.kind is Kind.TIMESTAMP:
        return f"{_short(grid.cell / 1_000_000)} s"
    return _short(grid.cell)


def _in_unit(units: int, measure: Measure) -> Decimal:
    return Decimal(units).scaleb(-measure.scale)


def _plain_in_unit(units: int, measure: Measure) -> str:
    return f"{_in_unit(units, measure).normalize():f}"


def _short(value: Decimal) -> str:
    return f"{float(value):.3g}" if value < 1000 else f"{float(value):,.0f}"


def first_note(first: Decimal, most: Decimal) -> Note:
    """On an estimate whose wanted error only an answer can price."""
    return Note(
        f"How much the wanted error takes depends on the answer: a first question at epsilon {_plain(first)} "
        f"finds out, and a second is asked if needed; together at most epsilon {_plain(most)}.",
        f"所需误差的代价取决于答案:先以 ε {_plain(first)} 提问一次,"
        f"必要时再问第二次;合计最多 ε {_plain(most)}。",
    )


def derived_note(question: str) -> Note:
    """On an answer that follows from a stored one."""
    return Note(
        f"Derived, free: sums of the released groups of question {question}. "
        "What it counted of one unit, and that it counted listed groups only, holds here, too.",
        f"免费推导:由问题 {question} 已发布分组的数字相加得到;"
        "该问题对每个单位的计入上限及其公开分组范围同样适用。",
    )


def second_note(first: Decimal, second: Decimal, *, repeated: bool) -> Note:
    """On an answer that a first one priced."""
    paid = Decimal(0) if repeated else first
    return Note(
        f"A first answer at epsilon {_plain(first)} set the price of this one at {_plain(second)}: "
        f"together epsilon {_plain(paid + second)} now.",
        f"先以 ε {_plain(first)} 得到的答案决定了本次的代价 {_plain(second)}:"
        f"本次合计 ε {_plain(paid + second)}。",
    )


def _plain(epsilon: Decimal) -> str:
    return f"{epsilon.normalize():f}"
