"""A first spec of one's own: from a template that explains itself, or from another spec."""
