"""Representation learning: train the disentangler and encode every clip."""
