"""The sandbox's own answers, over the whole way: parsed, priced, charged, run, noised, signed."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

from benchmarks.instances import ANALYST, GRANT, opened_home
from benchmarks.peers.answers import Given
from benchmarks.peers.questions import PeerQuestion, day
from sandbox.errors import SandboxError
from sandbox.identity import Via, operator_of_this_machine
from sandbox.service import home as homes
from sandbox.service import loading, opc
from sandbox.service.reports import LoadRequest

POLICIES = Path(__file__).parent / "policies"
FILES = ("units.yaml", "nafld.policy.yaml", f"grants/{GRANT}.yaml")
TABLES = {"people": "nafld.people", "labs": "nafld.labs"}


def answers(questions: tuple[PeerQuestion, ...], data: Path, epsilon: float, times: int) -> dict[str, Given]:
    """Ask every question `times` times and once before.

    Args:
        questions: to ask.
        data: folder with `people.parquet` and `labs.parquet`.
        epsilon: of each answer.
        times: at least 1.

    """
    with opened_home(POLICIES, "people.yaml", "sun", FILES) as home:
        for table in TABLES:
            request = LoadRequest(str(data / f"{table}.parquet"), "nafld", table)
            loading.load(home, operator_of_this_machine(), request)
        me = homes.actor(home, ANALYST, Via.CLI)

        def asked(question: PeerQuestion) -> Given:
            taken, tables = [], []
            for number in range(times + 1):
                began = time.perf_counter()
                try:
                    got = opc.ask(
                        home, me, question.sql.format(**TABLES, n=day(number)), GRANT, Decimal(str(epsilon))
                    )
                except SandboxError as refusal:
                    return Given(f"{refusal.code}: {refusal}")
                taken.append(1000 * (time.perf_counter() - began))
                tables.append(tuple(tuple(row.values()) for row in got.table.to_pylist()))
            return Given("", tuple(taken[1:]), tuple(tables[1:]), epsilon)

        return {q.name: asked(q) for q in questions}
