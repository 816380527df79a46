"""Code that builds the documentation."""
