"""Audit: what the label can be told from beside the sound."""
