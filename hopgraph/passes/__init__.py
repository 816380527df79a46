"""The passes, a file each, from the spec to the program."""
