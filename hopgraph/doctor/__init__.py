"""What is installed on this machine, and what it can therefore do: `hopgraph doctor`.

Nothing here may raise: a doctor is asked where something is broken already.
"""
