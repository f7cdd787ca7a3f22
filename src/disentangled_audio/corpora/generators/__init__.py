"""Generators of simulated corpora: the twin of SLR28 and the factors corpus."""
