"""Benchmarks: ours against a reference in the same run, as JSON under bench/results/."""
