"""Tests of the benchmarks: that each one still runs."""
