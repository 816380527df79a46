"""Bundles: what export writes, and the exporters that write into it."""
