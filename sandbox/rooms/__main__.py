"""Whether this machine can seal a room: exit code 0, or 1 and the reason on standard error."""

from __future__ import annotations

import sys

from sandbox.errors import SandboxError
from sandbox.rooms import port
from sandbox.rooms.bubblewrap import Bubblewrap
from sandbox.settings import Settings

if __name__ == "__main__":
    try:
        port.require(Bubblewrap(Settings.model_validate({}).room_cgroup).self_test())
    except SandboxError as error:
        sys.exit(str(error))
