"""Disentanglement: how well each factor is predicted from each code."""
