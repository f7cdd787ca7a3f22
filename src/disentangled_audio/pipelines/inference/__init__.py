"""Inference: classify new recordings with the models of an earlier run."""
