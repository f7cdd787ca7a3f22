"""Datasets of the catalog, whose versions appear complete or not at all."""
