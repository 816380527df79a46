"""The HAM graph and what is said of it without running it."""
