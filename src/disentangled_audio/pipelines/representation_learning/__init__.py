"""Representation learning: train the disentangler, encode every clip."""
