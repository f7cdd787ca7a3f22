"""Files that appear whole, locks, chunks, processes: what keeps results safe on disk."""
