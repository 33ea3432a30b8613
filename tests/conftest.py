"""Random tests draw anew on a person's machine, and the same examples every time where a change is judged."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("judged", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("judged")
