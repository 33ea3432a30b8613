"""What the name of a column says, in Chinese and English.

A Chinese word counts anywhere in the name; an English one only as a whole word of it (`birth_date`,
`BirthDate` and `birth date` hold the word `birth`), so that `message` holds no `age`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from sandbox.ingest.sensitive import Sensitive

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_ZH: Mapping[Sensitive, tuple[str, ...]] = {
    Sensitive.RESIDENT_ID: ("身份证", "公民身份", "证件号", "身份號", "身分證"),
    Sensitive.USCC: ("统一社会信用代码", "社会信用代码", "信用代码", "信用碼"),
    Sensitive.MOBILE: ("手机", "移动电话", "手機", "联系电话", "联系方式", "电话", "電話"),
    Sensitive.LANDLINE: ("固定电话", "座机", "办公电话", "市話", "电话", "電話", "传真"),
    Sensitive.BANK_CARD: ("银行卡", "卡号", "银行账号", "银行账户", "帳號", "账号"),
    Sensitive.PLATE: ("车牌", "号牌", "車牌"),
    Sensitive.PASSPORT: ("护照", "護照", "通行证"),
    Sensitive.EMAIL: ("邮箱", "电子邮件", "電郵", "电邮"),
    Sensitive.PERSON_NAME: (
        "姓名", "名字", "联系人", "法定代表人", "法人代表", "负责人", "户主", "经办人", "代表者",
    ),
    Sensitive.ADDRESS: ("地址", "住址", "住所", "门牌", "門牌", "位置", "所在地", "籍贯"),
    Sensitive.GPS: ("经度", "纬度", "經度", "緯度", "坐标", "座標", "经纬度"),
    Sensitive.BIRTH_DATE: ("出生", "生日"),
    Sensitive.IDENTIFIER: ("编号", "编码", "流水号", "序号", "編號", "代码", "代碼", "コード"),
    Sensitive.QUASI_IDENTIFIER: (
        "性别", "年龄", "民族", "职业", "学历", "婚姻", "邮编", "邮政编码", "籍贯", "國籍", "国籍",
        "性別", "年齡",
    ),
}  # fmt: skip

_EN: Mapping[Sensitive, tuple[str, ...]] = {
    Sensitive.RESIDENT_ID: ("resident id", "id card", "identity number", "national id", "id number", "sfz"),
    Sensitive.USCC: ("uscc", "credit code"),
    Sensitive.MOBILE: ("mobile", "cell", "cellphone", "phone", "telephone", "tel"),
    Sensitive.LANDLINE: ("landline", "phone", "telephone", "tel", "fax"),
    Sensitive.BANK_CARD: ("card number", "card no", "bank card", "bank account", "account number", "pan"),
    Sensitive.PLATE: ("plate", "license plate", "licence plate", "number plate"),
    Sensitive.PASSPORT: ("passport",),
    Sensitive.EMAIL: ("email", "e mail", "mail"),
    Sensitive.PERSON_NAME: (
        "person", "name", "surname", "firstname", "lastname", "fullname", "first name", "last name",
        "full name", "contact", "owner", "patient name", "responsible person",
    ),
    Sensitive.ADDRESS: ("address", "addr", "street"),
    Sensitive.GPS: (
        "lat", "lon", "lng", "long", "latitude", "longitude", "gps", "coordinates", "location", "geometry",
    ),
    Sensitive.BIRTH_DATE: ("birth", "birthday", "birthdate", "dob", "born"),
    Sensitive.IDENTIFIER: (
        "id", "nbr", "number", "code", "key", "uuid", "guid", "pid", "encounter id", "tailnum",
        "invoice",
    ),
    Sensitive.QUASI_IDENTIFIER: (
        "sex", "gender", "male", "female", "age", "race", "ethnicity", "postcode", "zip", "occupation",
        "education", "marital", "nationality", "native country", "married", "religion", "educ", "workclass",
        "afam", "hispanic",
        "relationship",
    ),
}  # fmt: skip

_PUBLIC: Mapping[str, tuple[int | Decimal, int | Decimal]] = {
    "age": (0, 120),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "weekday": (0, 7),
    "percent": (0, 100),
    "latitude": (-90, 90),
    "lat": (-90, 90),
    "longitude": (-180, 180),
    "lon": (-180, 180),
    "年龄": (0, 120),
    "月份": (1, 12),
    "月": (1, 12),
    "小时": (0, 23),
    "百分比": (0, 100),
    "纬度": (-90, 90),
    "经度": (-180, 180),
}


def kinds_named(column: str) -> tuple[Sensitive, ...]:
    """The kinds that a column's name speaks of, in the order of `Sensitive`."""
    spaced = f" {' '.join(words_of(column))} "
    return tuple(
        kind
        for kind in Sensitive
        if any(word in column for word in _ZH.get(kind, ()))
        or any(f" {word} " in spaced for word in _EN.get(kind, ()))
    )


def public_bounds(column: str) -> tuple[int | Decimal, int | Decimal] | None:
    """Bounds that everybody knows of a quantity with this name; nothing about the data."""
    if column in _PUBLIC:
        return _PUBLIC[column]
    words = words_of(column)
    return _PUBLIC.get(words[0]) if len(words) == 1 else None


def words_of(column: str) -> tuple[str, ...]:
    """The English words of a name, in small letters."""
    return tuple(word.lower() for word in _WORD.findall(column))
