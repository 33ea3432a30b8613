"""The paths of version 1: each reads the request, calls one function of the service, writes the reply.

Rules
- Who calls is settled before anything is done for them; which form the reply has, before anything is charged.
- The service is called in a thread, through a desk: questions wait for questions, look-ups for look-ups.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sandbox.api import examples, forms
from sandbox.api.desk import Desk
from sandbox.api.negotiation import ARROW, JSON, choose
from sandbox.api.running import Running
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.policy.decide import Decision
from sandbox.query.answer import Estimate
from sandbox.service import auditor, documents, hub, opc
from sandbox.service.home import Home, authenticate
from sandbox.service.hub_login import HubLogin
from sandbox.service.reports import LogFilter
from sandbox.service.tokens import PREFIX

SQL = "One SELECT statement in DuckDB's dialect."
GRANT = "The grant that the question is asked under."


@dataclass(frozen=True, slots=True)
class Counter:
    """What the paths stand on: the opened instance, and one desk for questions, one for look-ups."""

    home: Home
    questions: Desk
    lookups: Desk
    hub: HubLogin | None = None
    running: Running = field(default_factory=Running)


WantedWidth = Annotated[str, Field(max_length=40)]


class ExplanationBody(BaseModel):
    """A question whose decision is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.EXPLANATION_BODY]})

    sql: Annotated[str, Field(description=SQL)]
    grant: Annotated[str, Field(max_length=128, description=GRANT)]


class QuestionBody(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.QUESTION_BODY]})

    sql: Annotated[str, Field(description=SQL)]
    grant: Annotated[str, Field(max_length=128, description=GRANT)]
    epsilon: Annotated[
        Decimal | None,
        Field(
            description="Privacy loss to spend, as a decimal string; without it, a tenth of the grant's, "
            "at most what the policy allows one question. With `within`, the most to spend."
        ),
    ] = None
    within: Annotated[
        WantedWidth | Annotated[dict[str, WantedWidth], Field(max_length=100)] | None,
        Field(
            description='Wanted 95 % half-width, as `"5"` in the column\'s unit or `"5%"` of its numbers; '
            "for every column, or an object of widths by column. The least epsilon that meets it is spent."
        ),
    ] = None


class LogQuery(BaseModel):
    """Which entries of the log to show; all conditions hold together."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[tuple[str, ...], Field(description="Kinds of event, as `question.settled`.")] = ()
    person: Annotated[str | None, Field(max_length=128)] = None
    grant: Annotated[str | None, Field(max_length=128)] = None
    dataset: Annotated[str | None, Field(max_length=128)] = None
    since: Annotated[AwareDatetime | None, Field(description="First moment, with a time zone.")] = None
    until: Annotated[AwareDatetime | None, Field(description="Last moment, with a time zone.")] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Most entries to show; the newest are shown.")] = (
        50
    )


bearer = HTTPBearer(auto_error=False, description="A token made by `sandbox token create`.")


def _counter(request: Request) -> Counter:
    counter: Counter = request.app.state.counter
    return counter


Here = Annotated[Counter, Depends(_counter)]


async def _caller(here: Here, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Actor:
    if sent is None:
        raise SandboxError(
            ErrorCode.TOKEN_INVALID,
            "The request carries no bearer token.",
            "Send `Authorization: Bearer TOKEN`; the operator makes tokens with `sandbox token create`.",
        )
    if here.hub is not None and not sent.credentials.startswith(PREFIX):
        return await run_in_threadpool(here.hub.caller, here.home, sent.credentials)
    return await run_in_threadpool(authenticate, here.home, sent.credentials)


Caller = Annotated[Actor, Depends(_caller)]


def _form(*offered: str) -> Callable[[Request], Awaitable[str]]:
    async def chosen(request: Request) -> str:
        form = choose(request.headers.get("accept"), offered)
        if form is None:
            raise HTTPException(406, " or ".join(offered))
        return form

    return chosen


_as_json = Depends(_form(JSON))
AnswerForm = Annotated[str, Depends(_form(JSON, ARROW))]

router = APIRouter(prefix="/v1")


@router.post(
    "/questions",
    summary="Ask a question",
    response_model=forms.AnswerReply,
    responses=examples.answer(ARROW),
)
async def ask(here: Here, caller: Caller, form: AnswerForm, body: QuestionBody) -> Response:
    """Charge for a question, run it, and return its answer with its error bars, price and receipt.

    The same question asked again under the same grant returns the stored answer and costs nothing. After a
    lost reply, wait until the first one must have ended, then ask the same question again.
    """
    write = documents.answer_arrow if form == ARROW else documents.answer_json

    def call() -> bytes:
        with here.running.question(caller.id) as tell:
            return write(opc.ask(here.home, caller, body.sql, body.grant, body.epsilon, body.within, tell))

    return Response(await here.questions.serve(caller.id, call), media_type=form)


@router.get(
    "/progress",
    summary="How far one's questions have come",
    response_model=forms.ProgressReply,
    responses=examples.reply(examples.PROGRESS),
    dependencies=[_as_json],
)
async def progress(here: Here, caller: Caller) -> Response:
    """List the caller's own questions that run now. Tells nothing that the time they take does not tell."""
    reply = forms.ProgressReply(here.running.of(caller.id))
    return Response(documents.json_bytes(reply), media_type=JSON)


@router.post(
    "/estimates",
    summary="Price a question",
    response_model=Estimate,
    responses=examples.reply(examples.ESTIMATE),
    dependencies=[_as_json],
)
async def estimate(here: Here, caller: Caller, body: QuestionBody) -> Response:
    """Say what a question would cost and how wide its error bars would be. Costs nothing, touches no data."""
    return await _json(
        here.questions,
        caller,
        lambda: opc.estimate(here.home, caller, body.sql, body.grant, body.epsilon, body.within),
    )


@router.post(
    "/explanations",
    summary="Explain a decision",
    response_model=Decision,
    responses=examples.reply(examples.EXPLANATION),
    dependencies=[_as_json],
)
async def explain(here: Here, caller: Caller, body: ExplanationBody) -> Response:
    """Say whether a question is allowed, by which rules, and why. Costs nothing, touches no data."""
    return await _json(here.questions, caller, lambda: opc.explain(here.home, caller, body.sql, body.grant))


@router.get(
    "/datasets",
    summary="What may be asked about",
    response_model=forms.DatasetsReply,
    responses=examples.reply(examples.DATASETS),
    dependencies=[_as_json],
)
async def datasets(here: Here, caller: Caller) -> Response:
    """List the datasets that the person may use, as their policies declare them; nothing is counted."""
    return await _lookup(here, caller, lambda: forms.DatasetsReply(opc.datasets(here.home, caller)))


@router.get(
    "/dummy/{dataset}/{table}",
    summary="Dummy rows to try code on",
    response_model=forms.DummyReply,
    responses=examples.rows(ARROW),
)
async def dummy(
    here: Here,
    caller: Caller,
    form: AnswerForm,
    dataset: Annotated[str, Path(max_length=128)],
    table: Annotated[str, Path(max_length=128)],
    rows: Annotated[int, Query(ge=1, le=opc.MOST_ROWS, description="How many.")] = 100,
    seed: Annotated[int, Query(ge=0, le=2**63 - 1, description="The same seed gives the same rows.")] = 0,
) -> Response:
    """Make rows from what the policy declares. Nothing in them comes from the data; costs nothing."""
    write = documents.rows_arrow if form == ARROW else documents.rows_json

    def call() -> bytes:
        return write(opc.dummy(here.home, caller, dataset, table, rows, seed))

    return Response(await here.lookups.serve(caller.id, call), media_type=form)


@router.get(
    "/budgets/{grant}",
    summary="What is left of a grant's budgets",
    response_model=forms.BudgetsReply,
    responses=examples.reply(examples.BUDGETS),
    dependencies=[_as_json],
)
async def budget(here: Here, caller: Caller, grant: Annotated[str, Path(max_length=128)]) -> Response:
    """List every budget that a question under the grant would be charged to."""
    return await _lookup(here, caller, lambda: forms.BudgetsReply(opc.budget(here.home, caller, grant)))


@router.get(
    "/log",
    summary="Read the log",
    response_model=forms.LogReply,
    responses=examples.reply(examples.LOG),
    dependencies=[_as_json],
)
async def log(here: Here, caller: Caller, query: Annotated[LogQuery, Query()]) -> Response:
    """Show entries of the log, newest last. For auditors; the reading is itself logged."""
    which = LogFilter(
        kinds=query.kind,
        person=query.person,
        grant=query.grant,
        dataset=query.dataset,
        since=query.since,
        until=query.until,
        limit=query.limit,
    )
    return await _lookup(here, caller, lambda: {"entries": auditor.show_log(here.home, caller, which)})


@router.get("/health", summary="Is the service up", response_model=forms.HealthReply, dependencies=[_as_json])
async def health() -> Response:
    """Say that the service reads requests. Needs no token and tells nothing of the instance."""
    return Response(documents.json_bytes(forms.HealthReply("ok", version("data-sandbox"))), media_type=JSON)


async def _json(desk: Desk, caller: Actor, call: Callable[[], Any]) -> Response:
    return Response(await desk.serve(caller.id, lambda: documents.json_bytes(call())), media_type=JSON)


async def _lookup(here: Counter, caller: Actor, call: Callable[[], Any]) -> Response:
    """As `_json`, for a call that is no question: a refusal for want of a role or a grant is logged."""
    try:
        return await _json(here.lookups, caller, call)
    except SandboxError as refusal:
        if refusal.code in (ErrorCode.ROLE_REFUSED, ErrorCode.GRANT_REFUSED):
            await run_in_threadpool(hub.call_refused, here.home, caller, refusal)
        raise
