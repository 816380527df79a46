"""Recall: stored patterns put into a spec's weight, and its dynamics run to a fixed point."""
