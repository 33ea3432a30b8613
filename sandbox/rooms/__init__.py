"""Isolation: where other people's code runs, and what keeps it there."""
