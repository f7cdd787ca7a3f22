"""The decoder of a trained disentangler, and an untrained network for comparison."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from disentangled_audio.models.disentangler import build_disentangler
from disentangled_audio.models.layers import Standardise
from disentangled_audio.parameters import CODES, DisentanglerParameters

Codes = dict[str, NDArray[np.floating]]


def decoder_of(model: keras.Model, batch_size: int = 256) -> Callable[[Codes], NDArray[np.float32]]:
    """The decoder: a function from codes by name, each (n_items, n_dims), to log-mel spectrograms,
    (n_items, n_frames, n_mels)."""
    names = [name for name in CODES if name in model.output]
    decoder = keras.Model([model.output[name] for name in names], model.output["log_mel"])

    def decode(codes: Codes) -> NDArray[np.float32]:
        inputs = [np.asarray(codes[name], dtype=np.float32) for name in names]
        starts = range(0, len(inputs[0]), batch_size)
        parts = [
            decoder([code[start : start + batch_size] for code in inputs], training=False).numpy()
            for start in starts
        ]
        return np.concatenate(parts)

    return decode


def untrained_like(
    model: keras.Model,
    view_shapes: dict[str, tuple[int, ...]],
    parameters: DisentanglerParameters,
    seed: int,
) -> keras.Model:
    """The same network with random weights and the standardisation of the trained one.

    A score that its codes also reach comes from the views, not from training.

    Parameters
    ----------
    model : keras.Model
        The trained network.
    view_shapes : dict
        As in `build_disentangler`.
    parameters : DisentanglerParameters
        Parameters of the trained network.
    seed : int
        Seed of the random weights.
    """
    n_classes = model.output["target"].shape[-1]
    untrained = build_disentangler(view_shapes, n_classes, parameters, seed)
    for layer in untrained.layers:
        if isinstance(layer, Standardise):
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return untrained
