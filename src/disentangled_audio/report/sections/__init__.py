"""Sections of the report, one file a subject: blocks by the part of the page where they stand."""
