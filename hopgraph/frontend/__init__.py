"""YAML text to a validated spec that knows its positions."""
