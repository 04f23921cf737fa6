"""Boundaries to cells: GeoJSON read, checked, hashed and covered by the grid of the chain."""
