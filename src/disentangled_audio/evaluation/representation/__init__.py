"""What codes say: probes, leakage, swaps, block scores."""
