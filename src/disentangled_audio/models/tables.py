"""Tables of the catalog: features and probabilities, one row per item."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX
from disentangled_audio.parameters import CODES


def feature_table(
    recording_id: pd.Series, values: NDArray[np.floating], prefix: str
) -> pd.DataFrame:
    """Table of `recording_id` and one numbered column per feature."""
    columns = [f"{prefix}_{number:03d}" for number in range(values.shape[1])]
    table = pd.DataFrame(values, columns=columns)
    table.insert(0, "recording_id", recording_id.to_numpy())
    return table


def code_table(recording_id: pd.Series, codes: dict[str, NDArray[np.floating]]) -> pd.DataFrame:
    """Table of `recording_id` and one numbered column per dimension of each code."""
    columns = {
        f"{name}_{number:02d}": codes[name][:, number]
        for name in CODES
        if name in codes
        for number in range(codes[name].shape[1])
    }
    return pd.DataFrame({"recording_id": recording_id.to_numpy(), **columns})


def features_of(table: pd.DataFrame) -> NDArray[np.float64]:
    """Feature columns of a table, (n_rows, n_features)."""
    return table.drop(columns="recording_id").to_numpy(dtype=float)


def probability_table(
    recording_id: pd.Series,
    probabilities: NDArray[np.floating],
    classes: list[str],
    temperature: float | None = None,
) -> pd.DataFrame:
    """Table of `recording_id` and one column `p_<class>` per class; attribute `temperature`."""
    table = pd.DataFrame(probabilities, columns=[f"{PROBABILITY_PREFIX}{name}" for name in classes])
    table.insert(0, "recording_id", recording_id.to_numpy())
    table.attrs["temperature"] = temperature
    return table


def probabilities_of(table: pd.DataFrame) -> NDArray[np.float64]:
    """Probability columns of a table, (n_rows, n_classes)."""
    return table.filter(regex=f"^{PROBABILITY_PREFIX}").to_numpy(dtype=float)


def training_classes(splits: pd.DataFrame) -> list[str]:
    """Classes of the training rows, sorted; the classes of every model."""
    return sorted(splits.loc[splits["role"] == "train", "target"].astype(str).unique())


def class_shares(splits: pd.DataFrame) -> dict[str, float]:
    """Share of each class among training rows, by its probability column."""
    target = splits.loc[splits["role"] == "train", "target"]
    shares = target.value_counts(normalize=True)
    return {f"{PROBABILITY_PREFIX}{name}": float(share) for name, share in shares.items()}


def code_blocks(codes: pd.DataFrame) -> dict[str, Any]:
    """Codes by name, each (n_items, n_dims)."""
    columns = codes.drop(columns="recording_id")
    names = columns.columns.str.rpartition("_").get_level_values(0)
    return {
        str(name): columns.loc[:, names == name].to_numpy(dtype=float)
        for name in dict.fromkeys(names)
    }
