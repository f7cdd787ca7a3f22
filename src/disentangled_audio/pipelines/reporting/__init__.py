"""Reporting: predictions, metrics, plots, report."""
