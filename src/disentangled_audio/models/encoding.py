"""Codes and class probabilities from a trained network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Views = dict[str, NDArray[np.float32]]

# Rows that are read at once.
_ENCODED_ROWS = 4096
# With more batches than this, compiling the network saves time.
_COMPILED_FROM = 6
# Batch size for many rows.
LARGE_BATCH = 256


@dataclass(frozen=True)
class CompiledNetwork:
    """A network that was traced for one batch size and computes only the wanted outputs."""

    input: dict[str, Any]
    call: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]

    def __call__(self, batch: dict[str, tf.Tensor], *, training: bool) -> dict[str, tf.Tensor]:
        """Compute the outputs of a batch; `training` is ignored."""
        return self.call(batch)


def compile_network(
    model: keras.Model, batch_size: int, outputs: Collection[str] | None = None
) -> CompiledNetwork:
    """Trace a network for one batch size, which takes as long as about five batches.

    Parameters
    ----------
    model : keras.Model
    batch_size : int
    outputs : names, optional
        Wanted outputs; all by default.
    """
    wanted = list(outputs or model.output)

    def call(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        encoded = model(batch, training=False)
        return {name: encoded[name] for name in wanted}

    specification = {
        name: tf.TensorSpec((batch_size, *tensor.shape[1:]), tf.float32)
        for name, tensor in model.input.items()
    }
    # A concrete function has one signature, so TensorFlow does not warn about repeated tracing.
    function = tf.function(call, autograph=False).get_concrete_function(specification)
    return CompiledNetwork(model.input, function)


def encode(
    model: keras.Model | CompiledNetwork,
    views: dict[str, Any],
    batch_size: int = 256,
    outputs: Collection[str] | None = None,
) -> Views:
    """Compute codes, class probabilities and reconstruction of all rows.

    Copies of the last row fill the last batch, so that all batches have the same size.

    Parameters
    ----------
    model : keras.Model or CompiledNetwork
        From `train_disentangler`; it is compiled if there are many batches.
    views : dict
        Inputs of the model (`content_view`, `rhythm_view` and `pitch_view`, or `log_mel`), each
        (n_items, n_frames, n_bands); NumPy or zarr arrays that are read in parts.
    batch_size : int
        Rows computed together.
    outputs : names, optional
        Wanted outputs; all by default.

    Returns
    -------
    dict
        Codes by name, (n_items, n_dimensions); `target` (n_items, n_classes), probabilities;
        `log_mel` (n_items, n_frames, n_mels).

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
    # Whole batches, so that parts have no influence on the batches.
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
    """Raise ValueError for a row with NaN or infinity; the first row has the number `first_row`."""
    for name, view in views.items():
        bad = ~np.isfinite(view).all(axis=tuple(range(1, view.ndim)))
        if bad.any():
            raise ValueError(f"{name} has NaN or infinity in row {first_row + int(bad.argmax())}")
