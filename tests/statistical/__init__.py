"""Tests by many answers: privacy loss, thresholds, distributions and half-widths, by the service.

`make test-slow` runs them. Every comparison goes through `unlikely`, or states its own rate below
`FALSE_ALARM`: it fails with that probability at most though nothing is wrong. There are fewer than
`CHECKS` of them (a fixture counts), so that a whole run raises a false alarm once in a million times at
most, by the union bound, whatever hangs together.
"""

from __future__ import annotations

FALSE_ALARMS = 1e-6  # of a whole run
CHECKS = 1000
FALSE_ALARM = FALSE_ALARMS / CHECKS

made = 0


def unlikely(probability: float) -> bool:
    """Whether this comes by chance less than `FALSE_ALARM` of the time. Counts the checks."""
    global made  # noqa: PLW0603 -- one number for a whole run
    made += 1
    return probability < FALSE_ALARM
