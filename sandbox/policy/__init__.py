"""Policies and grants as types: read, lint, decide, explain, publish. Touches no data."""
