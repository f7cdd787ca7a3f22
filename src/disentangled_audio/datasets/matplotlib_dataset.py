"""Figures."""

from kedro_datasets import matplotlib

from disentangled_audio.datasets.atomic import AtomicFile


class MatplotlibDataset(AtomicFile, matplotlib.MatplotlibDataset):
    """The dataset of kedro-datasets with atomic saving."""
