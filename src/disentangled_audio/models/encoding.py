"""Codes and class probabilities of any rows, by a trained network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Views = dict[str, NDArray[np.float32]]

# Rows that are read at a time.
_ENCODED_ROWS = 4096
# Batches that take longer than a trace.
_COMPILED_FROM = 6
# Rows at once of what many rows are encoded by.
LARGE_BATCH = 256


@dataclass(frozen=True)
class CompiledNetwork:
    """A network for many batches of one size, traced once; what is not wanted is not computed."""

    input: dict[str, Any]
    call: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]

    def __call__(self, batch: dict[str, tf.Tensor], *, training: bool) -> dict[str, tf.Tensor]:
        """Outputs of a batch, as the network's in inference."""
        return self.call(batch)


def compile_network(
    model: keras.Model, batch_size: int, outputs: Collection[str] | None = None
) -> CompiledNetwork:
    """Trace a network, which takes as long as some five batches without.

    Parameters
    ----------
    model : keras.Model
    batch_size : int
        The only one that it can then take.
    outputs : names, optional
        Which outputs are wanted; all by default.
    """
    wanted = list(outputs or model.output)

    def call(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        encoded = model(batch, training=False)
        return {name: encoded[name] for name in wanted}

    specification = {
        name: tf.TensorSpec((batch_size, *tensor.shape[1:]), tf.float32)
        for name, tensor in model.input.items()
    }
    # A function of one signature: TensorFlow would warn of others that are traced again and again.
    function = tf.function(call, autograph=False).get_concrete_function(specification)
    return CompiledNetwork(model.input, function)


def encode(
    model: keras.Model | CompiledNetwork,
    views: dict[str, Any],
    batch_size: int = 256,
    outputs: Collection[str] | None = None,
) -> Views:
    """Codes, class probabilities and reconstruction of all rows.

    The last batch is filled up with copies of its last row, so every row is computed in a batch
    of the same size, wherever it stands.

    Parameters
    ----------
    model : keras.Model or CompiledNetwork
        From `train_disentangler`; it is compiled where there are many batches.
    views : dict
        The model's inputs at least (`content_view`, `rhythm_view` and `pitch_view`, or `log_mel`),
        each (n_items, n_frames, n_bands), NumPy or zarr arrays; a part of their rows is read at a
        time.
    batch_size : int
        Rows computed together.
    outputs : names, optional
        Which outputs are wanted; all by default. The others are not held.

    Returns
    -------
    dict
        `content`, `rhythm`, `pitch`, and `timbre` if the model has it, (n_items, n_dimensions);
        `target` (n_items, n_classes), probabilities; `log_mel` (n_items, n_frames, n_mels).

    Raises
    ------
    ValueError
        If a view has NaN or there are no rows.
    """
    n_items = views[next(iter(model.input))].shape[0]
    if n_items == 0:
        raise ValueError("no rows to encode")
    if isinstance(model, keras.Model) and n_items > _COMPILED_FROM * batch_size:
        model = compile_network(model, batch_size, outputs)
    # Whole batches, so that each is the same as if all rows were read at once.
    n_read = max(1, _ENCODED_ROWS // batch_size) * batch_size
    parts = [
        _encode_part(model, views, slice(first, first + n_read), batch_size, outputs)
        for first in range(0, n_items, n_read)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _encode_part(
    model: keras.Model | CompiledNetwork,
    views: dict[str, Any],
    part: slice,
    batch_size: int,
    outputs: Collection[str] | None,
) -> Views:
    inputs = {name: np.asarray(views[name][part], dtype=np.float32) for name in model.input}
    check_finite(inputs, first_row=part.start)
    n_items = len(next(iter(inputs.values())))
    batches = []
    for start in range(0, n_items, batch_size):
        rows = np.minimum(np.arange(start, start + batch_size), n_items - 1)
        batch = {name: tf.constant(view[rows]) for name, view in inputs.items()}
        encoded = model(batch, training=False)
        batches.append({name: encoded[name].numpy() for name in outputs or encoded})
    return {
        name: np.concatenate([batch[name] for batch in batches])[:n_items] for name in batches[0]
    }


def check_finite(views: Views, first_row: int = 0) -> None:
    """Stop at a row that has NaN or infinity; rows are numbered from `first_row`."""
    for name, view in views.items():
        bad = ~np.isfinite(view).all(axis=tuple(range(1, view.ndim)))
        if bad.any():
            raise ValueError(f"{name} has NaN or infinity in row {first_row + int(bad.argmax())}")
