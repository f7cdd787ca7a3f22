"""Datasets that kedro-datasets lacks: recording folders, zarr arrays, skops and Keras models."""
