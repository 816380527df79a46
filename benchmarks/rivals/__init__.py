"""The rivals: the architectures of the catalogue as one writes them by hand in plain PyTorch, under their published names."""
