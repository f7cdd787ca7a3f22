"""Keras layers that change views at random during training."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

_PACKAGE = "disentangled_audio"


class _TrainingOnly(keras.layers.Layer):
    """A layer that changes its input at random in training and is the identity otherwise.

    `seed` is the seed of the draws; `settings` names the other arguments of the constructor.
    """

    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Augment (n_items, n_frames, n_bands) in training; otherwise return it unchanged."""
        return self.augment(inputs) if training else inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same shape as the input."""
        return input_shape

    @abstractmethod
    def augment(self, inputs: Any) -> Any:
        """Change each item at random, independently of the others."""

    def uniform(self, shape: tuple[Any, ...], low: float, high: float) -> Any:
        """Draw from a uniform distribution."""
        return keras.random.uniform(shape, low, high, seed=self.seed_generator)

    def normal(self, shape: tuple[Any, ...]) -> Any:
        """Draw from a standard normal distribution."""
        return keras.random.normal(shape, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        own = {name: getattr(self, name) for name in (*self.settings, "seed")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RandomTimeResampling(_TrainingOnly):
    """Stretch random segments of the time axis, so that later layers cannot rely on timing.

    The axis is cut into segments of random length, and each is stretched by its own factor. The
    result is scaled back to the input's number of frames, so that both ends stay; time
    normalisation has already removed the overall duration.

    Parameters
    ----------
    min_frames, max_frames : int
        Shortest and longest segment.
    stretch : float
        Factors are drawn from 1 - stretch to 1 + stretch.

    References
    ----------
    Qian et al. (2020), "Unsupervised speech decomposition via triple information bottleneck",
    section 3.2 (random resampling).
    """

    settings = ("min_frames", "max_frames", "stretch")

    def __init__(
        self, min_frames: int, max_frames: int, stretch: float, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.min_frames = min_frames
        self.max_frames = max_frames
        self.stretch = stretch

    def augment(self, inputs: Any) -> Any:
        """Resample each item of (n_items, n_frames, n_bands) at its own random positions."""
        n_items, n_frames = ops.shape(inputs)[0], inputs.shape[1]
        # Enough segments to fill the axis even if all have the minimum length.
        n_segments = -(-n_frames // self.min_frames)
        shape = (n_items, n_segments)
        lengths = self.uniform(shape, float(self.min_frames), float(self.max_frames))
        ends = ops.minimum(ops.cumsum(lengths, axis=1), float(n_frames - 1))
        begins = ops.concatenate([ops.zeros_like(ends[:, :1]), ends[:, :-1]], axis=1)
        lengths = ends - begins
        stretched = lengths * self.uniform(shape, 1.0 - self.stretch, 1.0 + self.stretch)
        stretched_ends = ops.cumsum(stretched, axis=1)
        total = stretched_ends[:, -1:]
        # Each output frame lies behind all earlier segments and a part of its own.
        output = ops.linspace(0.0, 1.0, n_frames)[None, :, None] * total[:, :, None]
        passed = output - (stretched_ends - stretched)[:, None, :]
        share = ops.clip(passed / ops.maximum(stretched, 1e-6)[:, None, :], 0.0, 1.0)
        positions = ops.sum(share * lengths[:, None, :], axis=2)
        return interpolate_axis(inputs, positions, axis=1)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RandomTimeShift(_TrainingOnly):
    """Move both ends of the time axis, as if the clip had been trimmed slightly differently.

    Parameters
    ----------
    share : float
        Largest move of an end, as a share of the axis; the edge frame is repeated outside.
    """

    settings = ("share",)

    def __init__(self, share: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.share = share

    def augment(self, inputs: Any) -> Any:
        """Resample each item of (n_items, n_frames, n_bands) between two moved ends."""
        n_items, last = ops.shape(inputs)[0], inputs.shape[1] - 1
        first_share = self.uniform((n_items, 1), -self.share, self.share)
        last_share = 1.0 + self.uniform((n_items, 1), -self.share, self.share)
        steps = ops.linspace(0.0, 1.0, inputs.shape[1])[None, :]
        positions = last * (first_share + steps * (last_share - first_share))
        return interpolate_axis(inputs, ops.clip(positions, 0.0, float(last)), axis=1)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RandomFrequencyWarp(_TrainingOnly):
    """Stretch the mel axis, as a longer or shorter vocal tract would.

    Parameters
    ----------
    share : float
        The axis is stretched by 1 - share to 1 + share.

    References
    ----------
    Jaitly and Hinton (2013), "Vocal tract length perturbation improves speech recognition".
    """

    settings = ("share",)

    def __init__(self, share: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.share = share

    def augment(self, inputs: Any) -> Any:
        """Resample the bands of each item of (n_items, n_frames, n_bands)."""
        n_items, n_bands = ops.shape(inputs)[0], inputs.shape[2]
        factors = self.uniform((n_items, 1), 1.0 - self.share, 1.0 + self.share)
        positions = factors * ops.arange(n_bands, dtype="float32")[None, :]
        return interpolate_axis(inputs, ops.clip(positions, 0.0, n_bands - 1.0), axis=2)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RandomEqualisation(_TrainingOnly):
    """Add the same smooth random spectrum to all frames, as another microphone would.

    Parameters
    ----------
    strength : float
        Standard deviation of the tilt (half a cosine over the bands), in the input's unit. That of
        the k-th cosine is 1/k of it.
    n_cosines : int
        Number of cosines; the first is the tilt.
    """

    settings = ("strength", "n_cosines")

    def __init__(self, strength: float, n_cosines: int = 4, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.strength = strength
        self.n_cosines = n_cosines

    def augment(self, inputs: Any) -> Any:
        """Equalise each item of (n_items, n_frames, n_bands) by its own curve."""
        n_bands = inputs.shape[2]
        orders = np.arange(1, self.n_cosines + 1)[:, None]
        cosines = np.cos(np.pi * orders * (np.arange(n_bands) + 0.5) / n_bands) / orders
        amounts = self.strength * self.normal((ops.shape(inputs)[0], self.n_cosines))
        curves = ops.matmul(amounts, ops.convert_to_tensor(cosines.astype(np.float32)))
        return inputs + curves[:, None, :]


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RandomNoiseFloor(_TrainingOnly):
    """Raise values below a random level to that level, as steady background noise would.

    In decibels, the sum of two uncorrelated sounds is nearly the louder one.

    Parameters
    ----------
    highest : float
        Levels are drawn from 0 to this, in the input's unit.
    """

    settings = ("highest",)

    def __init__(self, highest: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.highest = highest

    def augment(self, inputs: Any) -> Any:
        """Raise the floor of each item of (n_items, n_frames, n_bands)."""
        floors = self.uniform((ops.shape(inputs)[0], 1, 1), 0.0, self.highest)
        return ops.maximum(inputs, floors)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RandomEarlyLevel(_TrainingOnly):
    """Raise or lower all frames after the first ones, as another distance from the source would.

    The level of the direct sound falls with distance, that of the reverberant field does not. The
    peak of a view stays 1, so that only the ratio of the two changes.

    Parameters
    ----------
    largest : float
        Changes are drawn from -largest to largest, in the input's unit.
    early_frames : int
        The direct sound ends after 1 to this number of frames.
    """

    settings = ("largest", "early_frames")

    def __init__(self, largest: float, early_frames: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.largest = largest
        self.early_frames = early_frames

    def augment(self, inputs: Any) -> Any:
        """Change each item of (n_items, n_frames, n_bands), with values from 0 to 1."""
        shape = (ops.shape(inputs)[0], 1, 1)
        change = self.uniform(shape, -self.largest, self.largest)
        ends = ops.floor(self.uniform(shape, 1.0, self.early_frames + 1.0))
        frames = ops.cast(ops.arange(inputs.shape[1]), inputs.dtype)[None, :, None]
        changed = inputs + change * ops.cast(frames >= ends, inputs.dtype)
        peak = ops.max(changed, axis=(1, 2), keepdims=True)
        return ops.clip(changed + 1.0 - peak, 0.0, 1.0)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RandomMask(_TrainingOnly):
    """Set one range of frames and one of bands to zero, the mean of standardised views.

    Parameters
    ----------
    share : float
        Largest range, as a share of its axis.

    References
    ----------
    Park et al. (2019), "SpecAugment: a simple data augmentation method for automatic speech
    recognition".
    """

    settings = ("share",)

    def __init__(self, share: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.share = share

    def augment(self, inputs: Any) -> Any:
        """Mask each item of (n_items, n_frames, n_bands)."""
        n_items = ops.shape(inputs)[0]
        frames = self._kept(n_items, inputs.shape[1])
        bands = self._kept(n_items, inputs.shape[2])
        return inputs * frames[:, :, None] * bands[:, None, :]

    def _kept(self, n_items: Any, length: int) -> Any:
        size = self.uniform((n_items, 1), 0.0, self.share * length)
        begin = self.uniform((n_items, 1), 0.0, 1.0) * (length - size)
        index = ops.arange(length, dtype="float32")[None, :]
        return 1.0 - ops.cast((index >= begin) & (index < begin + size), "float32")


def interpolate_axis(inputs: Any, positions: Any, axis: int) -> Any:
    """Interpolate each item linearly at its own positions along one axis.

    Parameters
    ----------
    inputs : (n_items, n_frames, n_bands)
        Values on a grid.
    positions : (n_items, n_out)
        Positions within the grid, in steps.
    axis : int
        1 for frames, 2 for bands.

    Returns
    -------
    (n_items, n_out, n_bands) or (n_items, n_frames, n_out)
        Interpolated values.
    """
    grid = ops.arange(inputs.shape[axis], dtype="float32")
    # A product with triangular weights is faster than gathering on short axes.
    weights = ops.relu(1.0 - ops.abs(positions[:, :, None] - grid[None, None, :]))
    if axis == 1:
        return ops.matmul(weights, inputs)
    return ops.matmul(inputs, ops.transpose(weights, (0, 2, 1)))
