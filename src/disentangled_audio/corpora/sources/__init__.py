"""From configuration to files on disk: folders, archives, downloads, generated recordings."""
