"""Everything that needs a GPU, in one command: benchmarks/gpu.sh."""
