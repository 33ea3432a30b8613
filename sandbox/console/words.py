"""What the pages say, in Chinese and English."""

from __future__ import annotations

import re

LANGUAGES = ("en", "zh")
WORDS: dict[str, tuple[str, str]] = {
    "title": ("Data sandbox", "公共数据沙盒"),
    "welcome": ("You are", "您是"),
    "roles": ("Roles", "角色"),
    "opc": ("one-person company", "一人公司（OPC）"),
    "steward": ("data steward", "数据管理员"),
    "auditor": ("auditor", "审计员"),
    "operator": ("operator", "运维人员"),
    "logout": ("Log out here", "退出本页"),
    "notebooks": ("Open your notebooks", "打开您的笔记本"),
    "your_grants": ("Your grants", "您的授权"),
    "grant": ("Grant", "授权"),
    "purpose": ("Purpose", "用途"),
    "until": ("Until", "截止日期"),
    "account": ("Budget", "预算账户"),
    "limit": ("ε in all", "ε 总额"),
    "spent": ("ε spent", "ε 已用"),
    "left": ("ε left", "ε 剩余"),
    "datasets": ("Datasets", "数据集"),
    "dataset": ("Dataset", "数据集"),
    "policy": ("Policy in force", "现行策略"),
    "tables": ("Tables", "表"),
    "publisher": ("Publisher", "发布方"),
    "no_grants": ("No grant names you. Ask a data steward.", "没有授权给您的记录，请联系数据管理员。"),
    "no_datasets": ("No policy is published.", "尚未发布任何策略。"),
    "log": ("The newest entries of the log", "最新日志条目"),
    "log_note": (
        "Reading them was logged, too. Take a copy away and prove it: sandbox audit export.",
        "本次查看也已记入日志。可导出副本并离线验证：sandbox audit export。",
    ),
    "number": ("No.", "序号"),
    "when": ("When (UTC)", "时间（UTC）"),
    "what": ("What", "事件"),
    "who": ("Who", "人员"),
    "by": ("By", "途径"),
    "operate": (
        "People and servers: at the hub. The rest: at the machine's command line, sandbox doctor.",
        "人员与服务器在 Hub 中管理；其余操作在本机命令行进行：sandbox doctor。",
    ),
    "hub": ("To the hub", "前往 Hub"),
    "failed": ("That did not work", "操作未成功"),
    "again": ("Begin again", "重新开始"),
    "other": ("中文", "English"),
}


def words(language: str) -> dict[str, str]:
    """Every word in one language."""
    at = LANGUAGES.index(language)
    return {name: both[at] for name, both in WORDS.items()}


def preferred(wanted: str, accepted: str) -> str:
    """The language of a page: the wanted one, or the first that the browser accepts and we have."""
    if wanted in LANGUAGES:
        return wanted
    tags = re.findall(r"(?:^|,)\s*([a-zA-Z]{2})", accepted)
    return next((tag.lower() for tag in tags if tag.lower() in LANGUAGES), LANGUAGES[0])
