"""What surrounds a run: its selection, checks, manifest, provenance, and old versions."""
