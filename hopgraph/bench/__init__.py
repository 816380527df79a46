"""Measurements: benchmarks, the comparison of variants, the report."""
