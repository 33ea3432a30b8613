"""What nobody foresaw, and what only the operator can mend: no detail leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.api.intake import Intake
from sandbox.service import home as homes
from tests.api.instance import COUNT, Served, load_people, make, serving
from tests.api.test_errors import check

ROW = "row of patient 4711"


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError(ROW)


async def breaks_half_way(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError(ROW)


async def breaks_on_a_full_disk(scope: Scope, receive: Receive, send: Send) -> None:
    raise OSError(28, ROW)


def get(application: ASGIApp, home: Path) -> httpx.Response:
    """A request to a broken application inside the intake."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Intake(application, home, 1000, 1.0))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            return await http.get("/")

    return asyncio.run(ask())


def test_an_unforeseen_error_is_internal_and_its_text_stays_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reply = get(breaks, tmp_path)
    found = check(reply, 500, "internal")
    assert found.instance is not None
    assert found.instance in caplog.text
    written = (tmp_path / "operator.log").read_text("utf-8")
    assert "builtins.ValueError" in written
    assert "breaks" in written
    assert ROW not in reply.text + written + caplog.text


def test_a_full_disk_is_named_as_such(tmp_path: Path) -> None:
    reply = get(breaks_on_a_full_disk, tmp_path)
    check(reply, 507, "storage-full")
    assert ROW not in reply.text


def test_a_reply_that_breaks_off_says_nothing_of_why(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"^$") as broken:
        get(breaks_half_way, tmp_path)
    assert ROW not in repr(broken.value)
    assert broken.value.__cause__ is None
    assert broken.value.__suppress_context__


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[Served]:
    """A served instance whose data files lost a byte each."""
    home = make(tmp_path)
    load_people(home, tmp_path)
    files = [path for path in home.folder.rglob("*.parquet") if path.is_file()]
    assert files
    for path in files:
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with serving(home) as served:
        yield served
    homes.close(home)


def test_damaged_data_is_reported_without_saying_where(
    damaged: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with damaged.http() as http:
        reply = http.post("/v1/questions", json={"sql": COUNT, "grant": "plenty"})
    assert reply.status_code == 500
    assert "parquet" not in reply.text
    assert str(damaged.home.folder) not in reply.text
    assert httpx.get(f"{damaged.url}/v1/health").status_code == 200
