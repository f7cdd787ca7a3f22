"""Corpora: describe them, find or fetch their files, and generate the simulated ones."""
