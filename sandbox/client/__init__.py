"""The SDK that an OPC imports in a notebook: httpx and pyarrow only.

from sandbox.client import Sandbox

sb = Sandbox("http://127.0.0.1:8765", token="sbx_…")
sb.sql("SELECT male, avg(age) FROM nafld.people GROUP BY male")

In a sealed notebook, or where the environment names the sandbox, without any configuration:

import sandbox.client as sb

sb.sql("SELECT male, avg(age) FROM nafld.people GROUP BY male")
"""

from sandbox.client.answer import Answer
from sandbox.client.connection import Sandbox
from sandbox.client.default import budget, datasets, estimate, explain, sql
from sandbox.client.faults import ReplyLost, SandboxFailed, SandboxFault, SandboxRefused, SandboxUnreachable
from sandbox.client.model import (
    BudgetState,
    Column,
    Cost,
    Dataset,
    Estimate,
    Explanation,
    Listing,
    Note,
    Reason,
    Share,
)

__all__ = [
    "Answer",
    "BudgetState",
    "Column",
    "Cost",
    "Dataset",
    "Estimate",
    "Explanation",
    "Listing",
    "Note",
    "Reason",
    "ReplyLost",
    "Sandbox",
    "SandboxFailed",
    "SandboxFault",
    "SandboxRefused",
    "SandboxUnreachable",
    "Share",
    "budget",
    "datasets",
    "estimate",
    "explain",
    "sql",
]
