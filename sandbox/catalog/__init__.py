"""Datasets, their tables and immutable versions."""
