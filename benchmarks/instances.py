"""Data and instances to measure: TPC-H from its own generator, and homes that hold it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.identity import Actor, Via, operator_of_this_machine
from sandbox.ingest.report import LoadReport
from sandbox.service import home as homes
from sandbox.service import loading, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from sandbox.settings import Settings

HERE = Path(__file__).parent
DATA = HERE / "data"
PASSPHRASE = "a passphrase for measuring"
TPCH_TABLES = ("customer", "orders", "lineitem", "part", "supplier", "nation")
GRANT = "bench"
ANALYST = "chen"


def tpch_file(scale: float, table: str, form: str) -> Path:
    """A TPC-H table as `parquet` or `csv`, generated once by tpchgen-cli."""
    folder = DATA / f"sf{scale:g}"
    path = folder / f"{table}.{form}"
    if not path.exists():
        generator = str(Path(sys.executable).parent / "tpchgen-cli")
        unfinished = folder / "unfinished"
        options = ["-s", f"{scale:g}", "-T", table, "--no-progress", "--overwrite"]
        subprocess.run([generator, form, *options, f"--output-dir={unfinished}"], check=True)
        (unfinished / path.name).rename(path)
        unfinished.rmdir()
    return path


@contextmanager
def opened_home(policies: Path, people: str, steward_id: str, files: tuple[str, ...]) -> Iterator[Home]:
    """A fresh instance with these files published; gone afterwards."""
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA) as folder:
        settings = Settings(home=Path(folder) / "home")
        homes.init(settings, PASSPHRASE)
        home = homes.open_home(settings, PASSPHRASE)
        try:
            steward.publish(home, operator_of_this_machine(), policies / people)
            for name in files:
                steward.publish(home, homes.actor(home, steward_id, Via.CLI), policies / name)
            yield home
        finally:
            homes.close(home)


@contextmanager
def tpch_home() -> Iterator[Home]:
    """An instance with the TPC-H policy and a wide grant, and no data."""
    files = ("units.yaml", "tpch.policy.yaml", f"grants/{GRANT}.yaml")
    with opened_home(HERE / "tpch", "people.yaml", "sun", files) as home:
        yield home


def load_tpch(home: Home, scale: float, table: str, form: str) -> LoadReport:
    """Load one table as its next version."""
    request = LoadRequest(str(tpch_file(scale, table, form)), "tpch", table)
    return loading.load(home, operator_of_this_machine(), request)


def analyst(home: Home) -> Actor:
    """The person whom the TPC-H grant names."""
    return homes.actor(home, ANALYST, Via.CLI)
