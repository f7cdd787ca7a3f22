"""Safe storage of results: atomic writes, locks, chunked arrays, checked files, workers."""
