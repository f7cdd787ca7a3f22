"""Keras layers of the disentangler; import this module before loading a saved disentangler."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

# Registers the augmentation layers of a saved disentangler.
from disentangled_audio.models import augmentation  # noqa: F401

_PACKAGE = "disentangled_audio"

# Lower limit, so that a band that is constant in the training rows is not scaled up.
_SMALLEST_SCALE = 1e-3


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Standardise(keras.layers.Layer):
    """Subtract the mean and divide by the standard deviation of each band, or invert this.

    `fit` sets both from training rows. They are weights that are saved but not trained.
    """

    def __init__(self, invert: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.invert = invert

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights, one value per band (the last axis)."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(name="mean", shape=shape, trainable=False)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones", trainable=False)

    def fit(self, view: NDArray[np.float32]) -> None:
        """Set mean and standard deviation from training rows, (n_items, n_frames, n_bands)."""
        axes = tuple(range(view.ndim - 1))
        self.mean.assign(view.mean(axis=axes, dtype=np.float64))
        self.scale.assign(np.maximum(view.std(axis=axes, dtype=np.float64), _SMALLEST_SCALE))

    def call(self, inputs: Any) -> Any:
        """Standardise (n_items, n_frames, n_bands), or undo it."""
        if self.invert:
            return inputs * self.scale + self.mean
        return (inputs - self.mean) / self.scale

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "invert": self.invert}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class GradientReversal(keras.layers.Layer):
    """The identity with a reversed gradient.

    The layers before it are trained to increase the loss of those after it.

    References
    ----------
    Ganin and Lempitsky (2015), "Unsupervised domain adaptation by backpropagation".
    """

    def call(self, inputs: Any) -> Any:
        """Return the input, (n_items, n_dims); the gradient is that of its negative."""
        return 2.0 * ops.stop_gradient(inputs) - inputs


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Quantise(keras.layers.Layer):
    """Round each dimension of a bounded code to a few levels; the gradient passes unchanged.

    Parameters
    ----------
    n_levels : int
        Number of levels from -1 to 1, both included.

    References
    ----------
    Mentzer et al. (2024), "Finite scalar quantization: VQ-VAE made simple"; Bengio, Léonard and
    Courville (2013), "Estimating or propagating gradients through stochastic neurons", for the
    gradient.
    """

    def __init__(self, n_levels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_levels = n_levels

    def call(self, inputs: Any) -> Any:
        """Round (n_items, n_dims) with values from -1 to 1."""
        half = (self.n_levels - 1) / 2.0
        # An even number of levels lies between the integers.
        offset = 0.0 if self.n_levels % 2 else 0.5
        steps = ops.clip(ops.round(inputs * half - offset) + offset, -half, half) / half
        return inputs + ops.stop_gradient(steps - inputs)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "n_levels": self.n_levels}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class GaussianCode(keras.layers.Layer):
    """A code drawn from a normal distribution in training; its mean otherwise.

    The layer's loss is the divergence from a standard normal distribution, in nats per dimension.

    Parameters
    ----------
    n_dimensions : int
        Number of dimensions of the code.
    seed : int
        Seed of the draws.

    References
    ----------
    Kingma and Welling (2014), "Auto-encoding variational Bayes", appendix B.
    """

    def __init__(self, n_dimensions: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_dimensions = n_dimensions
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.mean = keras.layers.Dense(n_dimensions, name="mean")
        self.log_variance = keras.layers.Dense(n_dimensions, name="log_variance")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of mean and log variance."""
        self.mean.build(input_shape)
        self.log_variance.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Map (n_items, n_features) to a code, (n_items, n_dimensions)."""
        mean = self.mean(inputs)
        # Bounded, so that neither the variance nor its inverse overflows.
        log_variance = ops.clip(self.log_variance(inputs), -10.0, 10.0)
        divergence = 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)
        self.add_loss(ops.mean(divergence))
        if not training:
            return mean
        draws = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * draws

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(n_items, n_dimensions)."""
        return (input_shape[0], self.n_dimensions)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        own = {"n_dimensions": self.n_dimensions, "seed": self.seed}
        return {**super().get_config(), **own}
