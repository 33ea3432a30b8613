"""Generated Chinese records with right check digits: nobody's. For tests and for measuring the classifier."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from stdnum import luhn
from stdnum.cn import ric, uscc

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任沈"
)
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建国文玉兰春梅红志海波宇婷雪晨轩梓涵子墨欣怡浩然"
AREAS = ["110101", "310104", "440305", "330106", "510107", "420106", "610113", "320102"]
ROADS = ["人民路", "中山北路", "解放大道", "文一西路", "天府三街", "建设巷", "和平里"]
CITIES = ["杭州市西湖区", "上海市徐汇区", "广东省深圳市南山区", "成都市武侯区", "武汉市武昌区"]
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def day(r: random.Random) -> tuple[int, int, int]:
    return r.randint(1945, 2015), r.randint(1, 12), r.randint(1, 28)


def resident_id(r: random.Random) -> str:
    body = r.choice(AREAS) + "{:04d}{:02d}{:02d}".format(*day(r)) + f"{r.randint(0, 999):03d}"
    return body + ric.calc_check_digit(body + "0")


def credit_code(r: random.Random) -> str:
    body = r.choice(["91", "92", "12", "51"]) + r.choice(AREAS) + "".join(r.choices(_USCC, k=9))
    return body + uscc.calc_check_digit(body)


def card(r: random.Random) -> str:
    body = r.choice(["622202", "621700", "436742", "622848"]) + f"{r.randrange(10**12):012d}"
    return body + luhn.calc_check_digit(body)


def plate(r: random.Random) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
    return r.choice("京沪粤浙苏川鄂陕") + r.choice("ABCDE") + "".join(r.choices(letters, k=5))


def name(r: random.Random) -> str:
    return r.choice(SURNAMES) + "".join(r.choices(GIVEN, k=r.choice([1, 2, 2])))


def address(r: random.Random) -> str:
    place = r.choice(CITIES) + r.choice(ROADS)
    return f"{place}{r.randint(1, 999)}号{r.randint(1, 30)}幢{r.randint(101, 2909)}室"


def born(r: random.Random) -> str:
    return "{:04d}-{:02d}-{:02d}".format(*day(r))


VALUES: Mapping[str, Callable[[random.Random], str]] = {
    "resident_id": resident_id,
    "uscc": credit_code,
    "mobile": lambda r: f"1{r.choice('3456789')}{r.randrange(10**9):09d}",
    "landline": lambda r: (
        f"0{r.choice(['10', '21', '571', '755'])}-{r.randint(2, 8)}{r.randrange(10**7):07d}"
    ),
    "bank_card": card,
    "plate": plate,
    "passport": lambda r: f"{r.choice('EG')}{r.randrange(10**8):08d}",
    "email": lambda r: f"u{r.randrange(10**6)}@{r.choice(['example.com', 'mail.example.cn'])}",
    "person_name": name,
    "address": address,
    "birth_date": born,
    "gps": lambda r: f"{r.uniform(73, 190):.5f}",
}
"""Makers of one value, by the kind that it is of."""

HEADERS: Mapping[str, tuple[str, ...]] = {
    "resident_id": ("身份证号", "sfzh", "GMSFHM", "身分證字號", "c1"),
    "uscc": ("统一社会信用代码", "credit_code", "TYSHXYDM", "c2"),
    "mobile": ("手机号", "mobile", "LXDH", "携帯電話", "c3"),
    "landline": ("固定电话", "phone", "gddh", "ＴＥＬ", "c4"),
    "bank_card": ("银行卡号", "card_number", "yhkh", "c5"),
    "plate": ("车牌号", "plate", "HPHM", "c6"),
    "passport": ("护照号码", "passport_no", "hzhm", "c7"),
    "email": ("电子邮箱", "email", "メールアドレス", "c8"),
    "person_name": ("姓名", "name", "XM", "氏名", "c9"),
    "address": ("家庭住址", "address", "jtzz", "住所", "c10"),
    "birth_date": ("出生日期", "birth_date", "csrq", "生年月日"),
    "gps": ("经度", "longitude", "long", "経度"),
}
"""Names that columns have, in Chinese, English, Pinyin and Japanese; `c1` and the like say nothing."""


def values(kind: str, count: int, seed: int, blank: float = 0.05) -> list[str | None]:
    """A column; some cells are empty, and of long ones some are wrong, as in real records."""
    r = random.Random(f"{kind}-{seed}")
    made: list[str | None] = []
    for _ in range(count):
        value = VALUES[kind](r)
        if r.random() < 0.03 and len(value) > 10:
            value = value[:-2] + "??"
        made.append(None if r.random() < blank else value)
    return made
