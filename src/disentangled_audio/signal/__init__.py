"""Signal processing on arrays: NumPy and SciPy only."""
