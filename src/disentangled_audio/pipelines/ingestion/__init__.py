"""Ingestion: read recordings as fixed-length clips, and split them."""
