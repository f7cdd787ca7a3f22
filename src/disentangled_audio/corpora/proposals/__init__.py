"""What the names, tables and sounds of a stranger's folder say about its recordings."""
