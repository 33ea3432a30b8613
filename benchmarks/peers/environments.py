"""One virtual environment for each peer: they want versions of numpy and sqlglot that do not agree."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from benchmarks.instances import DATA
from benchmarks.peers.answers import Given
from benchmarks.peers.questions import PeerQuestion

HERE = Path(__file__).parent
REQUIRED = {
    "smartnoise": ("smartnoise-sql==1.0.10", "setuptools<81", "pyarrow==26.0.1"),
    "qrlew": ("pyqrlew==0.9.27", "psycopg2-binary==2.9.13", "duckdb==2.0.1", "pandas==3.0.6"),
    "pipelinedp": ("pipeline-dp==0.3.1", "pandas==3.1.1", "pyarrow==26.0.1"),
    "opendp": ("opendp[polars]==0.16.0",),
}


def answers(
    peer: str, questions: Sequence[PeerQuestion], data: Path, epsilon: float, times: int
) -> dict[str, Given]:
    """Every answer of one peer, asked in its own environment.

    Args:
        peer: a key of `REQUIRED`.
        questions: to ask.
        data: folder with `people.parquet` and `labs.parquet`.
        epsilon: of each answer.
        times: that each question is asked, after once that does not count.

    Raises:
        CalledProcessError: its environment could not be made, or it broke down as a whole.

    """
    asked = {
        "epsilon": epsilon,
        "times": times,
        "questions": [{"name": q.name, "sql": q.sql} for q in questions],
    }
    script = HERE / f"run_{peer}.py"
    done = subprocess.run(
        [environment(peer), script, data],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        done.check_returncode()
    return {name: _read(given) for name, given in json.loads(done.stdout).items()}


def environment(peer: str) -> Path:
    """The Python of a peer's environment, made once."""
    folder = DATA / "peers" / peer
    python = folder / "bin" / "python"
    ready = folder / "ready"
    wanted = "\n".join(REQUIRED[peer])
    if not ready.exists() or ready.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIRED[peer]], check=True)
        ready.write_text(wanted)
    return python


def _read(given: dict[str, object]) -> Given:
    if given["refused"]:
        return Given(str(given["refused"]))
    return Given(
        "",
        tuple(given["milliseconds"]),  # type: ignore[arg-type]
        tuple(tuple(tuple(row) for row in table) for table in given["tables"]),  # type: ignore[attr-defined]
        float(given["epsilon"]),  # type: ignore[arg-type]
    )
