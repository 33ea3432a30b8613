"""Dummy tables for a kernel, as Parquet: made by the service from declared metadata, never from data."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx

from sandbox.rooms.upstream import Upstream

ARROW = "application/vnd.apache.arrow.stream"
MOST_TABLES = 200
AT_ONCE = 4
PATIENCE_SECONDS = 20.0


async def fill(folder: Path, upstream: Upstream) -> None:
    """Put a file `DATASET.TABLE.parquet` of dummy rows into `folder` for each table that the person may see.

    A kernel works without them: what the service does not give in time is left out.
    """
    places = asyncio.Semaphore(AT_ONCE)
    async with upstream.line(PATIENCE_SECONDS) as line:

        async def one(dataset: str, table: str) -> None:
            async with places:
                reply = await line.get(f"/v1/dummy/{dataset}/{table}", headers={"Accept": ARROW})
                reply.raise_for_status()
                await asyncio.to_thread(_write, folder / f"{dataset}.{table}.parquet", reply.content)

        with suppress(httpx.HTTPError):
            reply = await line.get("/v1/datasets")
            listed = reply.raise_for_status().json()["datasets"]
            names = [(each["dataset"], table["name"]) for each in listed for table in each["tables"]]
            names = [name for name in names if "/" not in "".join(name)]  # a policy names tables, not folders
            await asyncio.gather(*(one(*name) for name in names[:MOST_TABLES]))


def _write(path: Path, stream: bytes) -> None:
    import pyarrow as pa  # noqa: PLC0415  (takes a moment: beside the start of the kernel, not before it)
    import pyarrow.parquet as pq  # noqa: PLC0415

    pq.write_table(pa.ipc.open_stream(stream).read_all(), path)
    path.chmod(0o644)
