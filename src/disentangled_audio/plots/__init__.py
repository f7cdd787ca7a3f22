"""Figures and the report, drawn from finished tables; nothing is computed from recordings here."""
