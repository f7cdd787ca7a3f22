"""Datasets that kedro-datasets lacks, and those it has with versions that appear whole."""
