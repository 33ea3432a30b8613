"""Kinds of sensitive values, and how a text of each kind looks.

Where a kind has a check digit it must be right: ISO 7064 MOD 11-2 for resident identity numbers (GB 11643)
and MOD 31-3 for unified social credit codes (GB 32100), both by `python-stdnum`; Luhn for bank cards.
Patterns alone are weaker evidence, and some kinds (`needs_header`) are not believed without a word in the
column's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stdnum import luhn
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError


class Sensitive(StrEnum):
    """What a column may hold that identifies or describes a person or firm."""

    RESIDENT_ID = "resident_id"
    USCC = "uscc"
    MOBILE = "mobile"
    LANDLINE = "landline"
    BANK_CARD = "bank_card"
    PLATE = "plate"
    PASSPORT = "passport"
    EMAIL = "email"
    PERSON_NAME = "person_name"
    ADDRESS = "address"
    GPS = "gps"
    BIRTH_DATE = "birth_date"
    DAYS_OF_DECADES = "days_of_decades"
    IDENTIFIER = "identifier"
    QUASI_IDENTIFIER = "quasi_identifier"


@dataclass(frozen=True, slots=True)
class Look:
    """How values of one kind look.

    Attributes:
        fits: whether a trimmed text looks like it.
        alone: share of the distinct values that must fit for the kind to be believed by values alone;
            above 1: never.
        with_header: the share that is enough when the column's name says so.

    """

    fits: Callable[[str], bool]
    alone: float
    with_header: float


_MOBILE = re.compile(r"(\+?86[- ]?)?1[3-9][0-9](\*{4}|[0-9]{4}|[- ]?[0-9]{4}[- ]?)[0-9]{4}")
_LANDLINE = re.compile(r"(\(0[0-9]{2,3}\) ?|0[0-9]{2,3}[- ]?)[2-9][0-9]{6,7}([-转][0-9]{1,6})?")
_LOCAL = re.compile(r"[2-9][0-9]{6,7}([-转][0-9]{1,6})?|\+?[0-9][0-9 ().-]{6,18}[0-9]")
_CARD = re.compile(r"(?=[0-9]{14,19}$)(62|4|5[1-5]|2[2-7]|3[47]|35|60|9)[0-9]+")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][ ·-]?"
    r"([A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳]|[A-HJ-NP-Z0-9]{6})"
)
_PASSPORT = re.compile(r"E[A-HJ-NP-Z]?[0-9]{7,8}|[GDSP][0-9]{8}|[GDSP]E[0-9]{7}|[HM][0-9]{8,10}")
_EMAIL = re.compile(r"[\w.+*-]+@[\w-]+(\.[\w-]+)+")
_ADDRESS_ZH = re.compile(
    r"[\u4e00-\u9fff0-9○〇、,，.~\-－ ]{2,}"
    r"(路|街|道|巷|弄|里|村|段|镇|鄉|乡|胡同|小区|花园|大厦|广场|組|组)"
    r".*([0-9一二三四五六七八九十百０-９]+(号|號|室|栋|幢|楼|樓|单元|層|层|弄|巷|地號|~)|村|组)"
)
_ADDRESS_JA = re.compile(
    r".*[都道府県市区町村郡].*([0-9０-９一二三四五六七八九十]+(丁目|番地|番|号|[－‐−-][0-9０-９])).*"
)
_ADDRESS_EN = re.compile(
    r"(?is).*\b(street|st\.?|road|rd\.?|avenue|ave\.?|lane|drive|boulevard|blvd|way|court|close|park|house|"
    r"square|floor|suite|p\.?o\.? box|estate|place|centre|center|building)\b.*"
)
_LAT_LON = re.compile(r"\(?-?[0-9]{1,3}\.[0-9]{3,}[,; ]+-?[0-9]{1,3}\.[0-9]{3,}\)?|POINT ?\(.*\)")
# Tables of the Pacific count degrees east beyond 180.
_EASTERNMOST = 360
_COORDINATE = re.compile(r"-?[0-9]{1,3}(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{2,4}([-/.年])?[0-9]{1,2}([-/.月])?[0-9]{1,2}日?( .*|T.*)?|(19|20)[0-9]{2}")
_FULL_DAY = re.compile(
    r"(?P<year>(19|20)[0-9]{2})([-/.年]?)(0?[1-9]|1[0-2])([-/.月]?)(0?[1-9]|[12][0-9]|3[01])日?"
    r"([ T]00:00.*)?"
)
_HAN_NAME = re.compile(
    r"[\u4e00-\u9fff]{1,3}[\u4e00-\u9fff*某]|[\u4e00-\u9fff]{2,4}|[\u4e00-\u9fff]+·[\u4e00-\u9fff·]+"
)
_PLACE_END = tuple("省市区區县縣镇鎮乡鄉村州盟旗路街店厂部局院校所站")
_LATIN_NAME = re.compile(r"(?:[A-Z][A-Za-z'’.\-]*[ ,]+){1,4}(?:\(?[A-Z][A-Za-z'’.,()&\- ]*)")
_FIRM = re.compile(
    r"(?i)\b(ltd|limited|inc|plc|llc|corp|company|co|group|airlines?|airport|school|university|council|regional|municipal|field|sh\.?p\.?k)\b"
)
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟"
    "谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐"
    "易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管"
    "柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边"
    "卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘"
    "陳張劉楊黃趙吳孫馬鄭謝羅許韓馮鄧蕭蔣葉蘇呂盧鍾譚陸賈韋鄒閻龍賀顧龔嚴湯溫齊喬龐顏莊聶魯歐關蘭寧紀畢單駱藍蒙鮑華饒陽農"
)


def _resident_id(text: str) -> bool:
    # Not its place of registration: that may be one that was founded after the birth.
    try:
        return (
            len(text) == 18
            and text[-1].upper() == ric.calc_check_digit(text)
            and bool(ric.get_birth_date(text))
        )
    except (ValueError, ValidationError):
        return False


def _uscc(text: str) -> bool:
    return len(text) == 18 and bool(uscc.is_valid(text))


def _card(text: str) -> bool:
    plain = text.replace(" ", "").replace("-", "")
    return bool(_CARD.fullmatch(plain)) and bool(luhn.is_valid(plain))


def _name(text: str) -> bool:
    if _HAN_NAME.fullmatch(text):
        return "·" in text or (text[0] in _SURNAMES and not text.endswith(_PLACE_END))
    return False


def is_latin_name(text: str) -> bool:
    """Capitalised words that are no firm's: a name of a person only where the column's name says so."""
    return bool(_LATIN_NAME.fullmatch(text)) and not _FIRM.search(text) and not any(c.isdigit() for c in text)


def _address(text: str) -> bool:
    return bool(_ADDRESS_ZH.match(text) or _ADDRESS_JA.fullmatch(text) or _ADDRESS_EN.fullmatch(text))


def _place(text: str) -> bool:
    if _COORDINATE.fullmatch(text):
        return abs(float(text)) <= _EASTERNMOST
    return bool(_LAT_LON.fullmatch(text))


def _passport(text: str) -> bool:
    return bool(_PASSPORT.fullmatch(text))


NEVER = 2.0
LOOKS: Mapping[Sensitive, Look] = {
    Sensitive.RESIDENT_ID: Look(_resident_id, 0.6, 0.3),
    Sensitive.USCC: Look(_uscc, 0.6, 0.3),
    Sensitive.EMAIL: Look(lambda text: bool(_EMAIL.fullmatch(text)), 0.7, 0.3),
    Sensitive.MOBILE: Look(lambda text: bool(_MOBILE.fullmatch(text)), 0.8, 0.4),
    Sensitive.LANDLINE: Look(lambda text: bool(_LANDLINE.fullmatch(text)), 0.8, NEVER),
    Sensitive.BANK_CARD: Look(_card, 0.8, 0.4),
    Sensitive.PLATE: Look(lambda text: bool(_PLATE.fullmatch(text)), 0.7, 0.4),
    Sensitive.PASSPORT: Look(_passport, 0.95, 0.4),
    Sensitive.ADDRESS: Look(_address, 0.6, 0.2),
    Sensitive.PERSON_NAME: Look(_name, 0.9, 0.6),
    Sensitive.GPS: Look(_place, NEVER, 0.9),
    Sensitive.BIRTH_DATE: Look(lambda text: bool(_DAY.fullmatch(text)), NEVER, 0.7),
}
"""In the order in which they are tried: the strongest evidence first."""


def is_local_number(text: str) -> bool:
    """A telephone number that only its column's name makes one."""
    return bool(_LOCAL.fullmatch(text) or _LANDLINE.fullmatch(text) or _MOBILE.fullmatch(text))


def year_of_day(text: str) -> int | None:
    """The year of a text that is a whole day since 1900, with its year first; else None."""
    found = _FULL_DAY.fullmatch(text)
    return int(found["year"]) if found else None


def is_coordinate_pair(text: str) -> bool:
    """Latitude and longitude in one text, or a WKT point."""
    return bool(_LAT_LON.fullmatch(text))
