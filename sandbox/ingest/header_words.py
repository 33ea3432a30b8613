"""What the name of a column says, in Chinese, Japanese and English, and in the first letters of Pinyin.

A Chinese or Japanese word counts anywhere in the name; an English one only as a whole word of it
(`birth_date`, `BirthDate` and `birth date` hold the word `birth`), so that `message` holds no `age`. So do
the first letters of its syllables in Pinyin, which databases of the administration often have in its place:
`sfzh` is 身份证号, `csrq` 出生日期. Letters of full width are what they look like.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from sandbox.ingest.sensitive import Sensitive

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_EAST_ASIAN: Mapping[Sensitive, tuple[str, ...]] = {
    Sensitive.RESIDENT_ID: (
        "身份证", "公民身份", "证件号", "身份號", "身分證", "身分证", "身份證", "證件號", "個人番号",
        "マイナンバー",
    ),
    Sensitive.USCC: ("统一社会信用代码", "社会信用代码", "信用代码", "信用碼"),
    Sensitive.MOBILE: (
        "手机", "移动电话", "手機", "联系电话", "联系方式", "电话", "電話", "携帯", "聯絡方式", "行動電話",
    ),
    Sensitive.LANDLINE: ("固定电话", "座机", "办公电话", "市話", "电话", "電話", "传真", "傳真"),
    Sensitive.BANK_CARD: (
        "银行卡", "卡号", "银行账号", "银行账户", "帳號", "账号", "卡號", "銀行帳", "口座番号",
    ),
    Sensitive.PLATE: ("车牌", "号牌", "車牌", "牌照"),
    Sensitive.PASSPORT: ("护照", "護照", "通行证", "旅券", "パスポート"),
    Sensitive.EMAIL: ("邮箱", "电子邮件", "電郵", "电邮", "電子郵件", "信箱", "メール"),
    Sensitive.PERSON_NAME: (
        "姓名", "名字", "联系人", "法定代表人", "法人代表", "负责人", "户主", "经办人", "代表者",
        "氏名", "名前", "担当者", "聯絡人", "負責人", "申请人", "当事人", "监护人", "业主", "股东", "董事",
        "所有权人", "所有權人", "患者", "收件人", "被保险人",
    ),
    Sensitive.ADDRESS: (
        "地址", "住址", "住所", "门牌", "門牌", "位置", "所在地", "籍贯", "坐落", "户籍", "居住地", "地点",
        "地點",
    ),
    Sensitive.GPS: ("经度", "纬度", "經度", "緯度", "坐标", "座標", "经纬", "経度"),
    Sensitive.BIRTH_DATE: ("出生", "生日", "生年月日"),
    Sensitive.IDENTIFIER: (
        "编号", "编码", "流水号", "序号", "編號", "代码", "代碼", "コード", "番号", "证号", "證號", "单号",
        "單號", "学号", "學號", "工号", "病历号", "住院号", "案号", "户号", "号码", "號碼",
    ),
    Sensitive.QUASI_IDENTIFIER: (
        "性别", "年龄", "民族", "职业", "学历", "婚姻", "邮编", "邮政编码", "籍贯", "國籍",
        "国籍", "性別", "年齡", "年齢", "職業", "學歷", "学歴", "郵便番号", "郵遞區號", "文化程度",
        "政治面貌", "宗教",
    ),
}  # fmt: skip

_LATIN: Mapping[Sensitive, tuple[str, ...]] = {
    Sensitive.RESIDENT_ID: (
        "resident id", "id card", "identity number", "national id", "id number", "ssn", "social security",
        "sfz", "sfzh", "sfzhm", "gmsfhm", "zjhm", "zjh",
    ),
    Sensitive.USCC: ("uscc", "credit code", "tyshxydm", "shxydm", "xydm"),
    Sensitive.MOBILE: (
        "mobile", "cell", "cellphone", "phone", "telephone", "tel", "sj", "sjh", "sjhm", "lxdh", "lxfs", "dh",
        "dhhm",
    ),
    Sensitive.LANDLINE: ("landline", "phone", "telephone", "tel", "fax", "gddh", "zj", "lxdh", "dh", "dhhm"),
    Sensitive.BANK_CARD: (
        "card number", "card no", "bank card", "bank account", "account number", "pan", "yhkh", "yhzh", "kh",
    ),
    Sensitive.PLATE: ("plate", "license plate", "licence plate", "number plate", "cph", "cphm", "hphm"),
    Sensitive.PASSPORT: ("passport", "hzh", "hzhm"),
    Sensitive.EMAIL: ("email", "e mail", "mail", "yx", "dzyx"),
    Sensitive.PERSON_NAME: (
        "person", "name", "surname", "firstname", "lastname", "fullname", "first name", "last name",
        "full name", "contact", "owner", "patient name", "responsible person", "forename", "given name",
        "family name", "xm", "lxr", "fddbr", "frdb", "fzr", "hz", "jbr",
    ),
    Sensitive.ADDRESS: ("address", "addr", "street", "dz", "zz", "zs", "jtzz", "jtdz", "hjdz", "txdz"),
    Sensitive.GPS: (
        "lat", "lon", "lng", "long", "latitude", "longitude", "gps", "coordinates", "location", "geometry",
    ),
    Sensitive.BIRTH_DATE: (
        "birth", "birthday", "birthdate", "dob", "yob", "born", "csrq", "csny", "csnyr", "sr",
    ),
    Sensitive.IDENTIFIER: (
        "id", "nbr", "number", "code", "key", "uuid", "guid", "pid", "encounter id", "tailnum",
        "invoice", "imei", "imsi", "vin", "bh", "dm", "lsh", "xh",
    ),
    Sensitive.QUASI_IDENTIFIER: (
        "sex", "gender", "male", "female", "age", "race", "ethnicity", "postcode", "zip", "occupation",
        "education", "marital", "nationality", "native country", "married", "religion", "educ", "workclass",
        "afam", "hispanic", "relationship", "xb", "nl", "mz", "hyzk", "whcd", "xl", "zy", "yb", "yzbm",
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
    plain = _plain(column)
    spaced = f" {' '.join(words_of(column))} "
    return tuple(
        kind
        for kind in Sensitive
        if any(word in plain for word in _EAST_ASIAN.get(kind, ()))
        or any(f" {word} " in spaced for word in _LATIN.get(kind, ()))
    )


def public_bounds(column: str) -> tuple[int | Decimal, int | Decimal] | None:
    """Bounds that everybody knows of a quantity with this name; nothing about the data."""
    if column in _PUBLIC:
        return _PUBLIC[column]
    words = words_of(column)
    return _PUBLIC.get(words[0]) if len(words) == 1 else None


def words_of(column: str) -> tuple[str, ...]:
    """The English words of a name, in small letters."""
    return tuple(word.lower() for word in _WORD.findall(_plain(column)))


def _plain(column: str) -> str:
    return unicodedata.normalize("NFKC", column)
