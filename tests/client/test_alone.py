"""The client works where nothing of the sandbox's other dependencies is installed."""

from __future__ import annotations

import subprocess
import sys

from tests.client.wire import reply, serving
from tests.house.tree import ROOT

PROGRAM = """
import sys

# What pip installs for httpx and pyarrow, and nothing else.
ALLOWED = {"httpx", "httpcore", "h11", "anyio", "idna", "certifi", "pyarrow", "sniffio", "typing_extensions"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in ALLOWED:
            return None
        if name == "sandbox" or name == "sandbox.client" or name.startswith("sandbox.client."):
            return None
        raise ModuleNotFoundError(f"not installed here: {name}", name=name)

sys.meta_path.insert(0, Refuse())
from sandbox.client import Sandbox

for name in ("pydantic", "fastapi", "sandbox.errors", "pandas", "duckdb"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} was not refused: this test proves nothing")
box = Sandbox(sys.argv[1], "t", grant="g")
answer = box.sql("SELECT 1")
print(answer)
print(answer.to_arrow(errors=True).column_names, len(answer._repr_html_()) > 100)
"""


def test_httpx_and_pyarrow_are_enough() -> None:
    from sandbox.service.documents import answer_arrow  # noqa: PLC0415  (the service's side, not the client's)
    from tests.api.test_forms import an_answer, pa  # noqa: PLC0415

    stream = answer_arrow(an_answer(pa.table({"n": [7]}), pa.table({"n": [1.5]}), {"n"}))
    with serving(reply("200 OK", stream, "application/vnd.apache.arrow.stream")) as wire:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, wire.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "7 ±1.5" in done.stdout
    assert "['n', 'n__half_width'] True" in done.stdout
