"""Ingestion: recordings on disk to fixed-length clips and splits."""
