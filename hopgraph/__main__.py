"""`python -m hopgraph`: the command line."""

from hopgraph.cli import main

main()
