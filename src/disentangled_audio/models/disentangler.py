"""The disentangler: one encoder a code, a decoder that needs all codes, and a classifier head."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import keras
from keras import layers, ops

from disentangled_audio.models.layers import (
    RandomEarlyLevel,
    RandomEqualisation,
    RandomFrequencyWarp,
    RandomMask,
    RandomNoiseFloor,
    RandomTimeResampling,
    RandomTimeShift,
    Standardise,
)
from disentangled_audio.parameters import DisentanglerParameters

INPUT_NAMES = ("content_view", "rhythm_view", "pitch_view")
# Feature maps are normalised in groups of this many filters.
_GROUP_FILTERS = 8
_PATCH = 4


def build_disentangler(
    view_shapes: dict[str, tuple[int, ...]],
    n_classes: int,
    parameters: DisentanglerParameters,
    seed: int,
) -> keras.Model:
    """Build the untrained network; its `Standardise` layers are the identity until fitted.

    Parameters
    ----------
    view_shapes : dict
        Shape of one item of `log_mel`, `content_view`, `rhythm_view` and `pitch_view`, each
        (n_frames, n_bands).
    n_classes : int
        Number of classes.
    parameters : DisentanglerParameters
        Sizes and augmentation strengths.
    seed : int
        Seed of weights, dropout and augmentation; it also seeds the global generators of Keras,
        from which the initial weights are drawn.

    Returns
    -------
    keras.Model
        Inputs `content_view`, `rhythm_view`, `pitch_view`; outputs `content`, `rhythm`, `pitch`,
        `timbre` if it has dimensions, `log_mel` (the reconstruction) and `target` (class
        probabilities).

    Raises
    ------
    ValueError
        If a view's shape is missing or there are fewer than two classes.

    References
    ----------
    Qian et al. (2020), "Unsupervised speech decomposition via triple information bottleneck",
    for three encoders kept apart by their inputs and bottlenecks; Hung et al. (2018), "Learning
    disentangled representations for timbre and pitch in music audio", for the classifier on a
    code.
    """
    missing = {"log_mel", *INPUT_NAMES} - set(view_shapes)
    if missing:
        raise ValueError(f"no shape for {', '.join(sorted(missing))}")
    if n_classes < 2:
        raise ValueError(f"a classifier needs two classes or more, got {n_classes}")
    keras.utils.set_random_seed(seed)
    seeds = count(seed * 1000 + 1)
    inputs = {name: keras.Input(view_shapes[name], name=name) for name in INPUT_NAMES}
    codes = {
        "content": _content_code(inputs["content_view"], parameters, seeds),
        "rhythm": _rhythm_code(inputs["rhythm_view"], parameters, seeds),
        "pitch": _pitch_code(inputs["pitch_view"], parameters, seeds),
    }
    if parameters.timbre_dim:
        codes["timbre"] = _timbre_code(inputs["content_view"], parameters)
    outputs = {
        **codes,
        "log_mel": _decode(codes, view_shapes["log_mel"], parameters),
        "target": _classify(codes, n_classes, parameters, seeds),
    }
    return keras.Model(inputs, outputs, name="disentangler")


def _content_code(view: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    # In the view's own scale, where a band's level is in dB.
    features = _moved_away(view, parameters, seeds)
    if parameters.tilt:
        features = RandomEqualisation(parameters.tilt, seed=next(seeds))(features)
    if parameters.noise_floor:
        features = RandomNoiseFloor(parameters.noise_floor, seed=next(seeds))(features)
    features = Standardise(name="standardise_content")(features)
    if parameters.frequency_warp:
        features = RandomFrequencyWarp(parameters.frequency_warp, seed=next(seeds))(features)
    features = _resampled(features, parameters, seeds)
    features = _blanked(features, parameters, seeds)
    features = _convolutions_2d(features, parameters.content_channels)
    return _bottleneck(features, "content", parameters.content_dim, parameters, seeds)


def _rhythm_code(view: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    features = _moved_away(view, parameters, seeds)
    features = Standardise(name="standardise_rhythm")(features)
    features = _blanked(features, parameters, seeds)
    features = _convolutions_1d(features, parameters.rhythm_channels)
    return _bottleneck(features, "rhythm", parameters.rhythm_dim, parameters, seeds)


def _pitch_code(view: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    features = Standardise(name="standardise_pitch")(view)
    features = _blanked(features, parameters, seeds)
    features = _convolutions_1d(features, parameters.pitch_channels)
    return _bottleneck(features, "pitch", parameters.pitch_dim, parameters, seeds)


def _timbre_code(view: Any, parameters: DisentanglerParameters) -> Any:
    """Code of the mean spectrum: what stays the same over the clip, formants included."""
    mean = ops.mean(Standardise(name="standardise_timbre")(view), axis=1)
    hidden = layers.Dense(32, activation="relu")(mean)
    return layers.Dense(parameters.timbre_dim, activation="tanh", name="timbre")(hidden)


def _moved_away(features: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    if not parameters.early_level:
        return features
    return RandomEarlyLevel(parameters.early_level, parameters.early_frames, seed=next(seeds))(
        features
    )


def _resampled(features: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    if parameters.shift:
        features = RandomTimeShift(parameters.shift, seed=next(seeds))(features)
    if parameters.stretch:
        features = RandomTimeResampling(
            parameters.segment_min_frames,
            parameters.segment_max_frames,
            parameters.stretch,
            seed=next(seeds),
        )(features)
    return features


def _blanked(features: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    if parameters.mask:
        features = RandomMask(parameters.mask, seed=next(seeds))(features)
    if parameters.view_noise:
        features = layers.GaussianNoise(parameters.view_noise, seed=next(seeds))(features)
    return features


def _convolutions_2d(features: Any, channels: tuple[int, ...]) -> Any:
    features = layers.Reshape((*features.shape[1:], 1))(features)
    for index, filters in enumerate(channels):
        features = layers.Conv2D(filters, 5 if index == 0 else 3, strides=2, padding="same")(
            features
        )
        features = _activated(features, filters)
    return features


def _convolutions_1d(features: Any, channels: tuple[int, ...]) -> Any:
    """Convolve along time only: the bands of these views are few, or differ in kind."""
    for filters in channels:
        features = layers.Conv1D(filters, 5, strides=2, padding="same")(features)
        features = _activated(features, filters)
    return features


def _activated(features: Any, filters: int) -> Any:
    groups = max(1, filters // _GROUP_FILTERS) if filters % _GROUP_FILTERS == 0 else 1
    return layers.Activation("relu")(layers.GroupNormalization(groups)(features))


def _bottleneck(
    features: Any,
    name: str,
    n_dimensions: int,
    parameters: DisentanglerParameters,
    seeds: Iterator[int],
) -> Any:
    features = layers.Flatten()(features)
    if parameters.dropout:
        features = layers.Dropout(parameters.dropout, seed=next(seeds))(features)
    # Bounded, so that noise on a code limits what it can say.
    return layers.Dense(n_dimensions, activation="tanh", name=name)(features)


def _decode(
    codes: dict[str, Any], shape: tuple[int, ...], parameters: DisentanglerParameters
) -> Any:
    """Log-mel spectrogram from all codes.

    The last step writes a patch of `_PATCH` x `_PATCH` values from each cell of the grid, which
    costs a fraction of convolutions at full resolution (Shi et al. 2016, "Real-time single image
    and video super-resolution using an efficient sub-pixel convolutional neural network").
    """
    n_frames, n_bands = shape
    channels = parameters.decoder_channels
    steps = _PATCH * 2 ** (len(channels) - 1)
    rows, columns = -(-n_frames // steps), -(-n_bands // steps)
    features = layers.Concatenate(name="codes")(list(codes.values()))
    features = layers.Dense(parameters.decoder_units, activation="relu")(features)
    features = layers.Dense(rows * columns * channels[0], activation="relu")(features)
    features = layers.Reshape((rows, columns, channels[0]))(features)
    for filters in channels[1:]:
        features = layers.Conv2DTranspose(filters, 4, strides=2, padding="same")(features)
        features = _activated(features, filters)
    features = layers.Conv2D(_PATCH * _PATCH, 1)(features)
    rows, columns = features.shape[1:3]
    features = layers.Reshape((rows, columns, _PATCH, _PATCH))(features)
    features = layers.Permute((1, 3, 2, 4))(features)
    features = layers.Reshape((rows * _PATCH, columns * _PATCH))(features)
    return Standardise(invert=True, name="log_mel")(features[:, :n_frames, :n_bands])


def _classify(
    codes: dict[str, Any],
    n_classes: int,
    parameters: DisentanglerParameters,
    seeds: Iterator[int],
) -> Any:
    seen = [codes[name] for name in parameters.head_codes]
    features = layers.Concatenate()(seen) if len(seen) > 1 else seen[0]
    if parameters.code_noise:
        features = layers.GaussianNoise(parameters.code_noise, seed=next(seeds))(features)
    if parameters.head_units:
        features = layers.Dense(parameters.head_units, activation="relu")(features)
        if parameters.dropout:
            features = layers.Dropout(parameters.dropout, seed=next(seeds))(features)
    return layers.Dense(n_classes, activation="softmax", name="target")(features)
