"""Tables as comma-separated values."""

from kedro_datasets import pandas

from disentangled_audio.datasets.atomic import AtomicFile


class CSVDataset(AtomicFile, pandas.CSVDataset):
    """The dataset of kedro-datasets; a version appears whole or not at all."""
