"""Audit: how well shortcuts predict the label."""
