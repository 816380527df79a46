"""What is measured of HopGraph, one command a table."""
