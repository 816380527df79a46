"""The program to PyTorch, and the oracle that it is held against."""
