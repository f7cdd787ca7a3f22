"""The disentangler: one encoder per code, a decoder of all codes, and a classifier head."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import keras
from keras import layers, ops

from disentangled_audio.models.augmentation import (
    RandomEarlyLevel,
    RandomEqualisation,
    RandomFrequencyWarp,
    RandomMask,
    RandomNoiseFloor,
    RandomTimeResampling,
    RandomTimeShift,
)
from disentangled_audio.models.layers import GaussianCode, GradientReversal, Quantise, Standardise
from disentangled_audio.parameters import Code, CodeTerm, DisentanglerParameters

AUXILIARY = "auxiliary"
INPUT_NAMES = ("content_view", "rhythm_view", "pitch_view")
# Input of both encoders of the method `adversarial`.
_WHOLE_VIEW = "log_mel"
# Feature maps are normalised in groups of this many filters.
_GROUP_FILTERS = 8
_PATCH = 4


def build_disentangler(
    view_shapes: dict[str, tuple[int, ...]],
    n_classes: int,
    parameters: DisentanglerParameters,
    seed: int,
    factor_columns: dict[str, int] | None = None,
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
        which draw the initial weights.
    factor_columns : dict, optional
        Factors for `readouts` and `adversaries`: 1 for a number, otherwise the number of classes.
        Other factors get no head.

    Returns
    -------
    keras.Model
        Inputs `content_view`, `rhythm_view`, `pitch_view` (only `log_mel` for the method
        `adversarial`); outputs: the codes in `parameters.codes`, `log_mel` (the reconstruction),
        `target` (class probabilities), `auxiliary` (class probabilities before the bottleneck, with
        `auxiliary_weight`), and one `readout_<code>_<factor>` or `adversary_<code>_<factor>` per
        head (`head_name`).

    Raises
    ------
    ValueError
        If a view's shape is missing, or there are fewer than two classes.

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
    if parameters.method == "adversarial":
        inputs = {_WHOLE_VIEW: keras.Input(view_shapes[_WHOLE_VIEW], name=_WHOLE_VIEW)}
        # Two equal encoders of the same input (DuoAE of Hung et al. 2018).
        seen = Standardise(name="standardise_whole")(inputs[_WHOLE_VIEW])
        encoders: dict[Code, Any] = {
            "content": (_whole_features, seen),
            "pitch": (_whole_features, seen),
        }
    else:
        inputs = {name: keras.Input(view_shapes[name], name=name) for name in INPUT_NAMES}
        encoders = {
            "content": (_content_features, inputs["content_view"]),
            "rhythm": (_rhythm_features, inputs["rhythm_view"]),
            "pitch": (_pitch_features, inputs["pitch_view"]),
        }
    features: dict[Code, Any] = {}
    exact: dict[Code, Any] = {}
    for name, (encoder, view) in encoders.items():
        features[name] = layers.Flatten()(encoder(view, parameters, seeds))
        exact[name] = _bottleneck(features[name], name, parameters, seeds)
    if parameters.encoders.timbre_dim:
        exact["timbre"] = _timbre_code(next(iter(inputs.values())), parameters)
    codes = {name: _rounded(code, name, parameters) for name, code in exact.items()}
    for_head = codes if parameters.head.rounded else exact
    outputs = {
        **codes,
        "log_mel": _decode(codes, view_shapes["log_mel"], parameters),
        "target": _classify(for_head, n_classes, parameters, seeds),
        **_heads(codes, parameters, factor_columns or {}),
    }
    if parameters.losses.auxiliary_weight and parameters.method == "separated":
        outputs[AUXILIARY] = _auxiliary(features["content"], n_classes, parameters, seeds)
    return keras.Model(inputs, outputs, name="disentangler")


def head_name(kind: str, code: str, factor: str) -> str:
    """Name of a head's output; kind is `readout` or `adversary`."""
    return f"{kind}_{code}_{factor}"


def _heads(
    codes: dict[Code, Any], parameters: DisentanglerParameters, columns: dict[str, int]
) -> dict[str, Any]:
    """Linear readouts, and adversaries with a hidden layer."""
    heads = {}
    for code, term in parameters.terms.readouts.items():
        for factor in _known_factors(term, columns):
            name = head_name("readout", code, factor)
            heads[name] = _head(codes[code], columns[factor], name)
    for code, term in parameters.terms.adversaries.items():
        reversed_code = GradientReversal()(codes[code])
        for factor in _known_factors(term, columns):
            name = head_name("adversary", code, factor)
            hidden = layers.Dense(parameters.head.units or 64, activation="relu")(reversed_code)
            heads[name] = _head(hidden, columns[factor], name)
    return heads


def _auxiliary(
    features: Any, n_classes: int, parameters: DisentanglerParameters, seeds: Iterator[int]
) -> Any:
    """Class probabilities from the content encoder's features, before the bottleneck.

    Only their gradient matters (Lee et al. 2015, "Deeply-supervised nets").
    """
    if parameters.encoders.dropout:
        features = layers.Dropout(parameters.encoders.dropout, seed=next(seeds))(features)
    return layers.Dense(n_classes, activation="softmax", name=AUXILIARY)(features)


def _known_factors(term: CodeTerm, columns: dict[str, int]) -> list[str]:
    return [factor for factor in term.of if factor in columns]


def _head(features: Any, n_columns: int, name: str) -> Any:
    activation = "linear" if n_columns == 1 else "softmax"
    return layers.Dense(n_columns, activation=activation, name=name)(features)


def _whole_features(view: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    return _convolutions_2d(_masked(view, parameters, seeds), parameters.encoders.content_channels)


def _content_features(view: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    changes = parameters.augmentation
    # Before standardisation, while levels are proportional to dB.
    features = _simulate_distance(view, parameters, seeds)
    if changes.tilt:
        features = RandomEqualisation(changes.tilt, seed=next(seeds))(features)
    if changes.noise_floor:
        features = RandomNoiseFloor(changes.noise_floor, seed=next(seeds))(features)
    features = Standardise(name="standardise_content")(features)
    if changes.frequency_warp:
        features = RandomFrequencyWarp(changes.frequency_warp, seed=next(seeds))(features)
    features = _resampled(features, parameters, seeds)
    features = _masked(features, parameters, seeds)
    return _convolutions_2d(features, parameters.encoders.content_channels)


def _rhythm_features(view: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    features = _simulate_distance(view, parameters, seeds)
    features = Standardise(name="standardise_rhythm")(features)
    features = _masked(features, parameters, seeds)
    return _convolutions_1d(features, parameters.encoders.rhythm_channels)


def _pitch_features(view: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    features = Standardise(name="standardise_pitch")(view)
    features = _masked(features, parameters, seeds)
    return _convolutions_1d(features, parameters.encoders.pitch_channels)


def _timbre_code(view: Any, parameters: DisentanglerParameters) -> Any:
    """Code of the mean spectrum over the clip, which includes formants."""
    mean = ops.mean(Standardise(name="standardise_timbre")(view), axis=1)
    hidden = layers.Dense(32, activation="relu")(mean)
    return _bounded(hidden, parameters.encoders.timbre_dim, "timbre", parameters)


def _simulate_distance(
    features: Any, parameters: DisentanglerParameters, seeds: Iterator[int]
) -> Any:
    changes = parameters.augmentation
    if not changes.early_level:
        return features
    return RandomEarlyLevel(changes.early_level, changes.early_frames, seed=next(seeds))(features)


def _resampled(features: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    changes = parameters.augmentation
    if changes.shift:
        features = RandomTimeShift(changes.shift, seed=next(seeds))(features)
    if changes.stretch:
        features = RandomTimeResampling(
            changes.segment_min_frames,
            changes.segment_max_frames,
            changes.stretch,
            seed=next(seeds),
        )(features)
    return features


def _masked(features: Any, parameters: DisentanglerParameters, seeds: Iterator[int]) -> Any:
    changes = parameters.augmentation
    if changes.mask:
        features = RandomMask(changes.mask, seed=next(seeds))(features)
    if changes.view_noise:
        features = layers.GaussianNoise(changes.view_noise, seed=next(seeds))(features)
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
    """Convolve along time only; the bands of these views are few or of different kinds."""
    for filters in channels:
        features = layers.Conv1D(filters, 5, strides=2, padding="same")(features)
        features = _activated(features, filters)
    return features


def _activated(features: Any, filters: int) -> Any:
    groups = max(1, filters // _GROUP_FILTERS) if filters % _GROUP_FILTERS == 0 else 1
    return layers.Activation("relu")(layers.GroupNormalization(groups)(features))


def _bottleneck(
    features: Any, name: Code, parameters: DisentanglerParameters, seeds: Iterator[int]
) -> Any:
    """Code before rounding."""
    n_dimensions = getattr(parameters.encoders, f"{name}_dim")
    if parameters.encoders.dropout:
        features = layers.Dropout(parameters.encoders.dropout, seed=next(seeds))(features)
    if parameters.losses.variational_weight:
        return GaussianCode(n_dimensions, seed=next(seeds), name=name)(features)
    return _bounded(features, n_dimensions, name, parameters)


def _bounded(
    features: Any, n_dimensions: int, name: Code, parameters: DisentanglerParameters
) -> Any:
    """Code between -1 and 1, so that noise on it limits its information."""
    layer = name if parameters.levels(name) is None else f"{name}_exact"
    return layers.Dense(n_dimensions, activation="tanh", name=layer)(features)


def _rounded(code: Any, name: Code, parameters: DisentanglerParameters) -> Any:
    levels = parameters.levels(name)
    return code if levels is None else Quantise(levels, name=name)(code)


def _decode(
    codes: dict[Code, Any], shape: tuple[int, ...], parameters: DisentanglerParameters
) -> Any:
    """Log-mel spectrogram from all codes.

    The last step writes `_PATCH` x `_PATCH` values from each cell of the grid, which is much
    cheaper than convolutions at full resolution (Shi et al. 2016, "Real-time single image and
    video super-resolution using an efficient sub-pixel convolutional neural network").
    """
    n_frames, n_bands = shape
    channels = parameters.decoder.channels
    steps = _PATCH * 2 ** (len(channels) - 1)
    rows, columns = -(-n_frames // steps), -(-n_bands // steps)
    features = layers.Concatenate(name="codes")(list(codes.values()))
    features = layers.Dense(parameters.decoder.units, activation="relu")(features)
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
    rebuilt = features[:, :n_frames, :n_bands]
    if parameters.decoder.pitch_spectrum_units and "pitch" in codes:
        rebuilt = _with_harmonics(rebuilt, codes["pitch"], parameters.decoder.pitch_spectrum_units)
    return Standardise(invert=True, name="rebuilt")(rebuilt)


def _with_harmonics(rebuilt: Any, pitch: Any, n_units: int) -> Any:
    """Add a spectrum that depends only on pitch to the sounding frames.

    The levels of a source and a filter add up in dB (Fant 1960, "Acoustic theory of speech
    production"). Layers that mix all codes would have to learn this, and reconstruct harmonics
    less well for unseen combinations of pitch and content.
    """
    spectrum = layers.Dense(n_units, activation="relu")(pitch)
    spectrum = layers.Dense(rebuilt.shape[2])(spectrum)
    sounding = ops.sigmoid(2.0 * ops.mean(rebuilt, axis=2, keepdims=True))
    return rebuilt + sounding * ops.expand_dims(spectrum, axis=1)


def _classify(
    codes: dict[Code, Any],
    n_classes: int,
    parameters: DisentanglerParameters,
    seeds: Iterator[int],
) -> Any:
    seen = [codes[name] for name in parameters.head.codes if name in codes] or [*codes.values()]
    features = layers.Concatenate()(seen) if len(seen) > 1 else seen[0]
    if parameters.method == "triple_bottleneck":
        # The head learns from the codes, but does not teach the encoders.
        features = ops.stop_gradient(features)
    if parameters.head.code_noise:
        features = layers.GaussianNoise(parameters.head.code_noise, seed=next(seeds))(features)
    if parameters.head.units:
        features = layers.Dense(parameters.head.units, activation="relu")(features)
        if parameters.encoders.dropout:
            features = layers.Dropout(parameters.encoders.dropout, seed=next(seeds))(features)
    return layers.Dense(n_classes, activation="softmax", name="target")(features)
