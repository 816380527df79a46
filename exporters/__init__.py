"""Exporters. Each is one file with an EXPORTER, found by hopgraph through its entry point."""
