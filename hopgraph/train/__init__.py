"""Data, the training loop and run folders."""
