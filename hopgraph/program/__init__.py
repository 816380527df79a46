"""The program: statements in the operations of one table."""
