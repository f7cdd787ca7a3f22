"""Training and validation rows of the disentangler, in batches."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from disentangled_audio.models.encoding import Views, check_finite
from disentangled_audio.models.factor_targets import FactorTarget
from disentangled_audio.models.views import VIEW_NAMES
from disentangled_audio.parameters import DisentanglerParameters

# Label of a training row whose class is unknown.
NO_LABEL = -1


class Rows:
    """Some rows of the views, with the labels that the losses need; only batches are copied."""

    def __init__(
        self,
        views: Views,
        labels: NDArray[np.integer],
        rows: NDArray[np.bool_],
        n_classes: int,
        parameters: DisentanglerParameters,
        targets: dict[str, FactorTarget],
    ) -> None:
        own = labels[rows]
        known = own != NO_LABEL
        self.n_rows = len(own)
        self._views = {name: views[name] for name in VIEW_NAMES}
        self._index = np.flatnonzero(rows)
        target = np.zeros((len(own), n_classes), dtype=np.float32)
        target[known, own[known]] = 1.0
        # Scaled so that a mean over all rows is the mean over rows of known class.
        known_weight = known.astype(np.float32) * np.float32(len(own) / known.sum())
        weight = known_weight.copy()
        if parameters.losses.balance_classes:
            weight[known] *= _class_weights(own[known], n_classes)
        self._labels = {"target": target, "known": known_weight, "weight": weight}
        for name, factor in targets.items():
            self._labels[f"values of {name}"] = factor.values[rows]
            self._labels[f"known of {name}"] = factor.known[rows]
            self._labels[f"cells of {name}"] = factor.cells[rows]

    def batch(self, numbers: NDArray[np.integer]) -> dict[str, tf.Tensor]:
        """Views and labels of the rows with these numbers, counted among the chosen rows."""
        index = self._index[numbers]
        views = {name: tf.constant(view[index], tf.float32) for name, view in self._views.items()}
        return views | {name: tf.constant(values[numbers]) for name, values in self._labels.items()}

    def specification(self) -> dict[str, tf.TensorSpec]:
        """Type and shape of a batch of any number of rows."""
        one = self.batch(np.arange(1))
        return {
            name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
            for name, tensor in one.items()
        }


def some_rows(rows: NDArray[np.bool_], max_rows: int, seed: int) -> NDArray[np.bool_]:
    """At most `max_rows` of the rows; of more, a random part."""
    if rows.sum() <= max_rows:
        return rows
    some = np.zeros_like(rows)
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(rows), max_rows, replace=False)
    some[chosen] = True
    return some


def _class_weights(labels: NDArray[np.integer], n_classes: int) -> NDArray[np.float32]:
    """Weights of mean 1 with the same total for each class that occurs."""
    counts = np.bincount(labels, minlength=n_classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights[labels].astype(np.float32)


def check_rows(
    views: Views,
    labels: NDArray[np.integer],
    train_rows: NDArray[np.bool_],
    validation_rows: NDArray[np.bool_],
    n_classes: int,
) -> None:
    """Raise ValueError if parts differ in length, are empty or overlap, or if a view has NaN or
    infinity or a label is missing."""
    lengths = {name: len(views[name]) for name in VIEW_NAMES}
    lengths |= {
        "labels": len(labels),
        "train_rows": len(train_rows),
        "validation_rows": len(validation_rows),
    }
    if len(set(lengths.values())) > 1:
        raise ValueError(f"numbers of rows differ: {lengths}")
    for name, rows in (("training", train_rows), ("validation", validation_rows)):
        if not rows.any():
            raise ValueError(f"there is no {name} row")
    if (train_rows & validation_rows).any():
        raise ValueError("some rows are both training and validation rows")
    check_finite(views)
    used = labels[train_rows | validation_rows]
    if used.min() < NO_LABEL or used.max() >= n_classes:
        raise ValueError(f"labels must lie between 0 and {n_classes - 1}, or be {NO_LABEL}")
    if (labels[validation_rows] == NO_LABEL).any():
        raise ValueError("a validation row has no label; only training rows may have none")
    missing = sorted(set(range(n_classes)) - set(labels[train_rows].tolist()))
    if missing:
        raise ValueError(f"no training row of class {', '.join(map(str, missing))}")
