"""Tests by many answers: privacy loss, thresholds, half-widths and times, end to end through the service.

`make test-slow` runs them. Every assertion states how often it fails though nothing is wrong; the sum
over a whole run is below `FALSE_ALARMS`.
"""

FALSE_ALARMS = 1e-4
# Of one assertion: there are fewer than a hundred.
FALSE_ALARM = 1e-6
