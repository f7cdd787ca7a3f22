"""Disentanglement: what each code says of each factor, measured."""
