"""A data dictionary: one page (Markdown) for each dataset, in English or Chinese, from its policy alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sandbox.policy.types import Titles
from sandbox.service.reports import ColumnCard, DatasetCard, TableCard

Language = Literal["en", "zh"]

_WORDS: dict[str, tuple[str, str]] = {
    "publisher": ("Publisher", "发布者"),
    "licence": ("Licence", "许可"),
    "policy": ("Policy", "策略"),
    "purposes": ("Purposes", "用途"),
    "settings": ("Ways of use", "使用方式"),
    "none": ("none", "无"),
    "protected": (
        "Protected: one unit is one {unit}, with at most {rows} rows.",
        "受保护：一个单元是一个 {unit}，最多 {rows} 行。",
    ),
    "open": ("Open: answered exactly.", "公开：精确回答。"),
    "column": ("column", "列"),
    "type": ("type", "类型"),
    "use": ("use", "可用于"),
    "values": ("values", "取值"),
    "nulls": ("nulls", "空值"),
    "shown": ("shown as", "显示为"),
    "meaning": ("meaning", "含义"),
    "yes": ("yes", "可有"),
    "no": ("no", "无"),
    "attribution": ("Name this where you publish", "发表时请注明"),
    "note": (
        "Everything here was declared by a steward; nothing was measured. Hidden columns are not listed.",
        "本页内容均由数据管理员声明，没有任何一项来自数据本身；隐藏的列不列出。",
    ),
}
_USES = {
    "count_distinct_only": ("count distinct values", "去重计数"),
    "join_only": ("join", "关联"),
    "filter": ("filter", "筛选"),
    "group_by": ("filter, group", "筛选、分组"),
    "sum_mean": ("filter, group, sum, mean", "筛选、分组、求和、求均值"),
    "open": ("any question", "任何提问"),
}
_MOST_VALUES = 50


def dictionary_page(card: DatasetCard, language: Language) -> str:
    """The page of one dataset."""
    return "\n".join(_lines(card, language)) + "\n"


def _lines(card: DatasetCard, language: Language) -> Iterator[str]:
    at = 0 if language == "en" else 1

    def word(name: str) -> str:
        return _WORDS[name][at]

    title = _title(card.title, language) or card.dataset
    yield f"# {_cell(title)} (`{card.dataset}`)"
    yield ""
    yield word("note")
    yield ""
    yield f"- {word('publisher')}: {_cell(card.publisher)}"
    yield f"- {word('licence')}: {_cell(card.licence)}"
    yield f"- {word('purposes')}: {', '.join(card.purposes) or word('none')}"
    yield f"- {word('settings')}: {', '.join(card.settings) or word('none')}"
    yield f"- {word('policy')}: `{card.policy}`"
    yield f"- {word('attribution')}: {_cell(f'{title}: {card.publisher}. {card.licence}')}"
    for table in card.tables:
        yield ""
        yield f"## {_cell(_title(table.title, language) or table.name)} (`{card.dataset}.{table.name}`)"
        yield ""
        yield word(table.protection).format(unit=table.unit, rows=table.rows_per_unit)
        yield ""
        yield from _table(table, language)


def _table(table: TableCard, language: Language) -> Iterator[str]:
    at = 0 if language == "en" else 1
    heads = [_WORDS[name][at] for name in ("column", "type", "use", "values", "nulls", "shown", "meaning")]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for column in table.columns:
        cells = (
            f"`{_cell(column.name)}`",
            column.type,
            _USES[column.use][at],
            _cell(_values(column)),
            _WORDS["yes" if column.nullable else "no"][at],
            _cell(column.shown_as),
            _cell(" ".join(part for part in (_title(column.title, language), column.because) if part)),
        )
        yield "| " + " | ".join(cells) + " |"


def _values(column: ColumnCard) -> str:
    if column.values is not None:
        shown = ", ".join(str(value) for value in column.values[:_MOST_VALUES])
        return shown + (", …" if len(column.values) > _MOST_VALUES else "")
    return "" if column.lower is None else f"{column.lower} … {column.upper}"


def _title(title: Titles, language: Language) -> str:
    return (title.en or title.zh) if language == "en" else (title.zh or title.en)


def _cell(text: str) -> str:
    """Text that cannot end a cell or a line."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
