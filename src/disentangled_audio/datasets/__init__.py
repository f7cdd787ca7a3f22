"""Datasets that kedro-datasets lacks: folders, zarr arrays, skops and Keras models."""
