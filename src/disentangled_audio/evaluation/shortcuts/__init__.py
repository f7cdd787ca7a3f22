"""Controls that know nothing of the sound, leaks between parts, the audit."""
