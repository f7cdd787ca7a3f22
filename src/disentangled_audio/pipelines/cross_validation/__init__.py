"""Cross-validation: all folds of a protocol, scored together."""
