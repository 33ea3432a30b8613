"""Random tests draw anew on a person's machine, and the same examples every time where a change is judged.

None has a deadline: how long an example takes says how busy the machine is.

A forked child collects no garbage: its parent's engines would wait for threads that it does not have.
"""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]
settings.register_profile("here", deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "judged", deadline=None, suppress_health_check=SLOW, derandomize=True, print_blob=True
)
settings.load_profile("judged" if os.environ.get("CI") else "here")
os.register_at_fork(after_in_child=gc.disable)
