"""Reasons of a decision: the rule that spoke, what it said, and what to do, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sandbox.errors import ErrorCode, Place
from sandbox.policy.diagnostic import Path, dotted
from sandbox.policy.types import Setting, Use


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule's part in a decision.

    Attributes:
        rule: the rule's id: file and path, such as `nafld.policy.yaml#tables.labs.columns.id.use`; where
            nothing is said and the default denies, the block that does not say it.
        code: why it refuses; None when it allows.
        text: one sentence in English; `text_zh` the same in Chinese.
        hint: what to do next; may be empty. `hint_zh` the same in Chinese.
        place: the part of the question that it is about.

    """

    rule: str
    code: ErrorCode | None
    text: str
    text_zh: str
    hint: str = ""
    hint_zh: str = ""
    place: Place | None = None

    @property
    def allows(self) -> bool:
        """Whether it lets the question pass."""
        return self.code is None


class Because(Enum):
    """Everything a rule can say: its code (None: allows), the sentence and the hint, English then Chinese."""

    PERSON_UNKNOWN = (
        ErrorCode.PERSON_UNKNOWN,
        "{person} is not known here.",
        "这里不认识 {person}。",
        "Ask the operator to add the person to people.yaml.",
        "请运营方在 people.yaml 中登记。",
    )
    PERSON_KNOWN = (None, "{person} is known here.", "{person} 已登记。")
    GRANT_UNKNOWN = (
        ErrorCode.GRANT_UNKNOWN,
        "There is no published grant {grant}.",
        "没有已发布的授权 {grant}。",
        "`sandbox datasets` names your grants.",
        "`sandbox datasets` 会列出你的授权。",
    )
    GRANT_NOT_YOURS = (
        ErrorCode.GRANT_REFUSED,
        "Grant {grant} does not name {person}.",
        "授权 {grant} 没有写明 {person}。",
        "Use a grant of your own, or ask a steward to add you.",
        "请使用自己的授权，或请数据管理员加上你。",
    )
    GRANT_YOURS = (None, "Grant {grant} names {person}.", "授权 {grant} 写明了 {person}。")
    WINDOW_SHUT = (
        ErrorCode.GRANT_REFUSED,
        "Grant {grant} runs from {first} to {last}; today is {today}.",
        "授权 {grant} 的期限是 {first} 至 {last}，今天是 {today}。",
        "Ask a steward for a grant that covers today.",
        "请向数据管理员申请覆盖今天的授权。",
    )
    WINDOW_OPEN = (
        None,
        "Grant {grant} runs from {first} to {last}.",
        "授权 {grant} 的期限是 {first} 至 {last}。",
    )
    POLICY_MISSING = (
        ErrorCode.POLICY_MISSING,
        "No policy is published for dataset {dataset}; without one everything is refused.",
        "数据集 {dataset} 没有已发布的策略；没有策略，一律拒绝。",
        "A steward publishes one: `sandbox policy publish`.",
        "请数据管理员发布策略：`sandbox policy publish`。",
    )
    GRANT_NOT_DATASET = (
        ErrorCode.GRANT_REFUSED,
        "Grant {grant} does not cover dataset {dataset}.",
        "授权 {grant} 不包括数据集 {dataset}。",
        "Ask for a grant that covers it.",
        "请申请包括它的授权。",
    )
    GRANT_DATASET = (None, "Grant {grant} covers dataset {dataset}.", "授权 {grant} 包括数据集 {dataset}。")
    GRANT_NOT_SETTING = (
        ErrorCode.GRANT_REFUSED,
        "Grant {grant} does not cover the setting {setting}.",
        "授权 {grant} 不包括使用方式“{setting_zh}”。",
        "Ask for a grant that covers it.",
        "请申请包括它的授权。",
    )
    GRANT_SETTING = (
        None,
        "Grant {grant} covers the setting {setting}.",
        "授权 {grant} 包括使用方式“{setting_zh}”。",
    )
    ROLE_REFUSED = (
        ErrorCode.ROLE_REFUSED,
        "The policy of {dataset} allows the roles {allowed}; {person} has {roles}.",
        "{dataset} 的策略允许的角色是 {allowed}；{person} 的角色是 {roles}。",
        "A steward decides which roles may use the dataset.",
        "哪些角色可以使用，由数据管理员决定。",
    )
    ROLE_ALLOWED = (
        None,
        "The policy of {dataset} allows the role {roles}.",
        "{dataset} 的策略允许角色 {roles}。",
    )
    PURPOSE_REFUSED = (
        ErrorCode.POLICY_REFUSED,
        "The policy of {dataset} does not allow the purpose {purpose}, which grant {grant} is for.",
        "{dataset} 的策略不允许授权 {grant} 的用途 {purpose}。",
        "Ask for a grant with a purpose that the policy names.",
        "请申请用途合乎策略的授权。",
    )
    PURPOSE_ALLOWED = (
        None,
        "The policy of {dataset} allows the purpose {purpose}.",
        "{dataset} 的策略允许用途 {purpose}。",
    )
    SETTING_REFUSED = (
        ErrorCode.POLICY_REFUSED,
        "The policy of {dataset} does not allow the setting {setting}.",
        "{dataset} 的策略不允许使用方式“{setting_zh}”。",
        "Use the dataset in a way that its policy names.",
        "请按策略写明的方式使用。",
    )
    SETTING_ALLOWED = (
        None,
        "The policy of {dataset} allows the setting {setting}.",
        "{dataset} 的策略允许使用方式“{setting_zh}”。",
    )
    TABLE_MISSING = (
        ErrorCode.POLICY_MISSING,
        "The policy of {dataset} names no table {table}; what it does not name is refused.",
        "{dataset} 的策略没有写明表 {table}；没有写明的，一律拒绝。",
        "{known}",
        "{known_zh}",
    )
    TABLE_PROTECTED = (
        None,
        "Table {table} is protected: it is answered with noise only.",
        "表 {table} 受保护：只给出加噪的结果。",
    )
    TABLE_OPEN = (
        None,
        "Table {table} is open: it is answered exactly.",
        "表 {table} 是开放的：给出准确的结果。",
    )
    ROWS_FILTERED = (
        None,
        "Only the rows of {table} that the rule lets through exist for a question.",
        "对于提问，表 {table} 中只有符合该规则的行存在。",
    )
    COLUMN_HIDDEN = (
        ErrorCode.COLUMN_HIDDEN,
        "Table {table} has no column {column} that may be used.",
        "表 {table} 没有可以使用的列 {column}。",
        "{known}",
        "{known_zh}",
    )
    COLUMN_USE = (
        ErrorCode.COLUMN_USE,
        "Column {column} of {table} may be used for {most} at most; the question uses it for {use}.",
        "表 {table} 的列 {column} 最多可用于“{most_zh}”，而问题把它用于“{use_zh}”。",
        "Use it for {most}, or leave it out.",
        "请只用于“{most_zh}”，或者不用这一列。",
    )
    COLUMN_ALLOWED = (
        None,
        "Column {column} of {table} may be used for {most}; the question uses it for {use}.",
        "表 {table} 的列 {column} 可用于“{most_zh}”，问题把它用于“{use_zh}”。",
    )
    COLUMN_MASKED = (
        None,
        "Column {column} of {table} is shown through its mask: {mask}.",
        "表 {table} 的列 {column} 以遮盖形式出现：{mask}。",
    )
    TOGETHER = (
        ErrorCode.POLICY_REFUSED,
        "The columns {columns} of {table} may not be used together in one question.",
        "表 {table} 的列 {columns} 不得在同一个问题中一起使用。",
        "Leave one of them out.",
        "请去掉其中一列。",
    )

    @property
    def code(self) -> ErrorCode | None:
        """Why it refuses; None when it allows."""
        code: ErrorCode | None = self.value[0]
        return code

    def reason(self, rule: str, facts: Mapping[str, str], place: Place | None = None) -> Reason:
        """The reason, its sentences filled with `facts`."""
        text, text_zh, hint, hint_zh = (
            *(str(template).format_map(facts) for template in self.value[1:]),
            *([""] * (5 - len(self.value))),
        )
        return Reason(rule, self.code, text, text_zh, hint, hint_zh, place)


USE_WORDS: Mapping[Use, tuple[str, str]] = {
    Use.HIDDEN: ("nothing", "不可用"),
    Use.COUNT_DISTINCT_ONLY: ("counting distinct values", "去重计数"),
    Use.JOIN_ONLY: ("joining", "关联"),
    Use.FILTER: ("filtering", "筛选"),
    Use.GROUP_BY: ("grouping", "分组"),
    Use.SUM_MEAN: ("sums and means", "求和与均值"),
    Use.OPEN: ("any question", "任何提问"),
}

SETTING_WORDS: Mapping[Setting, str] = {
    Setting.QUERY: "查询",
    Setting.TRAIN: "训练",
    Setting.VALIDATE: "验证",
    Setting.SEALED_RUN: "封闭运行",
}


def rule_id(file: str, *path: str | int) -> str:
    """`file#path`, the stable id of a rule."""
    way: Path = path
    return f"{file}#{dotted(way)}" if path else file


def policy_file(dataset: str) -> str:
    """Name of the policy file of a dataset."""
    return f"{dataset}.policy.yaml"


def grant_file(grant: str) -> str:
    """Name of the file of a grant."""
    return f"grants/{grant}.yaml"
