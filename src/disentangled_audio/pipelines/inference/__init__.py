"""Inference: recordings of any origin, classified by the models of an earlier run."""
