"""Pull the plug before and after every step of a question: never a lost charge, never an unpaid answer."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.audit.bundle import export_bundle
from sandbox.audit.verify import verify_bundle
from sandbox.privacy.loss import Account, AccountKind, Budget
from sandbox.query import pipeline
from sandbox.service import home as homes
from tests.query.instance import context, li, make, open_instance

SQL = "SELECT grp, COUNT(*) AS n FROM people WHERE age > 12 GROUP BY grp"
STEPS = (
    *("parse", "admit", "resolve", "authorize", "analyze", "rewrite", "price", "locate"),
    *("charge", "execute", "noise", "post_process", "settle"),
)
CHARGED = STEPS.index("charge")
SETTLED = STEPS.index("settle")
ACCOUNT = Account(AccountKind.GRANT_DATASET, "g/w", Budget(Decimal(20), Decimal("1e-5")))
CHILD = """
import os, signal, sys
from decimal import Decimal
from pathlib import Path
from sandbox.query import pipeline
from tests.query.instance import context, li, open_instance
from tests.query.test_crash import SQL

folder, step, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
home = open_instance(folder)
real = getattr(pipeline, step)

def die(*args, **kwargs):
    if when == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(pipeline, step, die)
pipeline.ask(pipeline.Question(SQL, "g", li(home), Decimal("0.5")), context(home))
"""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    make(folder, units=60)
    return folder


@pytest.mark.parametrize(
    ("step", "when"), [("charge", "before"), *((s, "after") for s in STEPS[STEPS.index("locate") :])]
)
def test_a_pulled_plug_leaves_a_charged_intent_and_a_log_that_verifies(
    prepared: Path, tmp_path: Path, step: str, when: str
) -> None:
    folder = tmp_path / "instance"
    shutil.copytree(prepared, folder)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), step, when],
        check=False, capture_output=True, cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()

    done = STEPS.index(step) - (when == "before")
    home = open_instance(folder)
    try:
        spent = home.ledger.state(ACCOUNT).pure
        intents = home.ledger.open_intents()
        assert spent == (Decimal("0.5") if done >= CHARGED else 0)
        assert len(intents) == (CHARGED <= done < SETTLED)
        export_bundle(home.store, tmp_path / "log")
        assert verify_bundle(tmp_path / "log").exit_code == 0

        again = pipeline.ask(pipeline.Question(SQL, "g", li(home), Decimal("0.5")), context(home))
        assert again.repeated == (done >= SETTLED)
        charges = (done >= CHARGED) + (not again.repeated)
        assert home.ledger.state(ACCOUNT).pure == charges * Decimal("0.5")
    finally:
        homes.close(home)


def test_the_steps_named_here_are_those_of_the_pipeline() -> None:
    """A new step must come under this test."""
    source = Path(pipeline.__file__).read_text()
    body = (
        source[source.index("def decide(") : source.index("def explain(")]
        + source[source.index("def ask(") :]
    )
    called = {step for step in STEPS if re.search(rf"\b{step}\(", body)}
    assert called == set(STEPS)
    assert body.index("charge(priced") < body.index("execute(rewritten")
