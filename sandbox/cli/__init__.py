"""`sandbox …`: the command line of operator, steward, OPC and auditor.

Exit codes: 0 done; 1 refused or failed, with one coded error on stderr; 2 usage
(`audit verify`: 0 clean, 2 altered, 3 rule broken, 4 incomplete; 130 interrupted).
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; nothing but an exit code leaves here, never a traceback."""
    from sandbox.cli.app import run  # noqa: PLC0415 -- so that importing sandbox.cli costs nothing

    sys.exit(run())
