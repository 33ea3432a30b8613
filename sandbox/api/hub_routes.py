"""Paths for the hub and its servers: what they tell the log. People have no business here."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from sandbox.api.routes import Caller, Here, bearer
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Role, Via
from sandbox.service import hub
from sandbox.service.home import need
from sandbox.service.tokens import invalid_token

router = APIRouter(prefix="/v1", include_in_schema=False)
Name = Annotated[str, Field(min_length=1, max_length=128)]


class HubEvent(BaseModel):
    """Something that happened at the hub."""

    model_config = ConfigDict(extra="forbid")

    event: Literal["logged-in", "server-started", "server-ended"]
    person: Name


class KernelEvent(BaseModel):
    """Something that happened to a kernel."""

    model_config = ConfigDict(extra="forbid")

    event: Literal["started", "ended"]
    kernel: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class AllowedReply(BaseModel):
    """What somebody's grants let their kernels use up."""

    memory_mb: int | None
    cpus: Decimal | None
    processes: int | None
    work_mb: int | None


@router.post("/hub-events", response_model=AllowedReply)
async def hub_event(
    here: Here, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)], body: HubEvent
) -> AllowedReply:
    """Log a login, or the start or end of a server. For the hub itself."""
    if here.hub is None or sent is None:
        raise invalid_token()
    await run_in_threadpool(here.hub.require_reporter, sent.credentials)
    await run_in_threadpool(hub.hub_event, here.home, body.event, body.person)
    return AllowedReply(**asdict(hub.allowed(here.home, body.person)))


@router.post("/kernel-events", response_model=AllowedReply)
async def kernel_event(here: Here, caller: Caller, body: KernelEvent) -> AllowedReply:
    """Log the start or end of a kernel. For notebook servers; a door does not let its kernel come here."""
    need(caller, Role.OPC, "Starting a kernel")
    if here.hub is not None and caller.via is not Via.KERNEL:
        raise SandboxError(
            ErrorCode.ROLE_REFUSED, "Only a notebook server may say this.", "Start a kernel in a notebook."
        )
    await run_in_threadpool(hub.kernel_event, here.home, caller, body.event, body.kernel)
    return AllowedReply(**asdict(hub.allowed(here.home, caller.id)))
