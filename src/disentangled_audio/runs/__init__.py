"""Runs: selection of data, checks, manifests, provenance, folds, and pruning."""
