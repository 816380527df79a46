"""Lagrangians and linear maps: the records that the energy is made of."""
