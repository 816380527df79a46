"""The laws of the mathematics, over random shapes, in float64."""
