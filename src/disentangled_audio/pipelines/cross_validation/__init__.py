"""Cross-validation: every fold of a protocol, scored together."""
