"""Sources of recordings: folders, archives, downloads and generators."""
