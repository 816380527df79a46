"""The published architectures, each written out plainly in PyTorch from its paper, with the names of its published tensors."""
