"""Cells of a benchmark: plan, run, statistics, report."""
