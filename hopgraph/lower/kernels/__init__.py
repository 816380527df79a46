"""Operators of our own, registered with torch: each has plain parts that it equals, and a kernel where one applies."""
