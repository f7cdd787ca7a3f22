"""Adapters between the catalog and the library; the only place that knows the catalog."""
