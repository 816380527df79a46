"""Models written by hand, and the compiled ones that must compute the same."""
