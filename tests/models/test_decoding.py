"""The separate decoder equals the whole model's; untrained encoders differ only in weights."""

import keras
import numpy as np
import pytest

from disentangled_audio.models.decoding import decoder_of, untrained_like
from disentangled_audio.models.disentangler import _with_harmonics, build_disentangler
from tests.disentangling import disentangler

SHAPES = {
    "log_mel": (16, 12),
    "content_view": (16, 12),
    "rhythm_view": (16, 3),
    "pitch_view": (16, 5),
}
PARAMETERS = disentangler(content_channels=(8,), pitch_channels=(8,), rhythm_channels=(8,))


@pytest.fixture(scope="module")
def model():
    built = build_disentangler(SHAPES, 3, PARAMETERS, seed=1)
    rng = np.random.default_rng(0)
    for name in ("standardise_content", "standardise_rhythm", "standardise_pitch", "rebuilt"):
        layer = built.get_layer(name)
        layer.set_weights([rng.uniform(0.5, 1.0, weight.shape) for weight in layer.get_weights()])
    return built


def _views(n_items: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    inputs = [name for name in SHAPES if name != "log_mel"]
    return {name: rng.random((n_items, *SHAPES[name])).astype(np.float32) for name in inputs}


def test_codes_are_decoded_as_in_the_whole_model(model) -> None:
    outputs = {name: value.numpy() for name, value in model(_views(), training=False).items()}
    decode = decoder_of(model, batch_size=2)

    codes = {name: outputs[name] for name in ("content", "rhythm", "pitch")}

    np.testing.assert_allclose(decode(codes), outputs["log_mel"], rtol=1e-4, atol=1e-5)


def test_a_swapped_code_changes_what_is_decoded(model) -> None:
    outputs = {name: value.numpy() for name, value in model(_views(), training=False).items()}
    codes = {name: outputs[name] for name in ("content", "rhythm", "pitch")}
    swapped = {**codes, "rhythm": codes["rhythm"][::-1]}

    assert not np.allclose(decoder_of(model)(swapped), decoder_of(model)(codes))


def test_untrained_weights_differ_and_standardisation_does_not(model) -> None:
    untrained = untrained_like(model, SHAPES, PARAMETERS, seed=9)

    for layer, other in zip(model.layers, untrained.layers, strict=True):
        for weight, drawn in zip(layer.get_weights(), other.get_weights(), strict=True):
            if "standardise" in layer.name or layer.name == "rebuilt":
                np.testing.assert_array_equal(weight, drawn)
    first, second = (one(_views(), training=False)["content"].numpy() for one in (model, untrained))
    assert not np.allclose(first, second)


def test_pitch_adds_one_spectrum_to_every_sounding_frame() -> None:
    parameters = disentangler(PARAMETERS, pitch_spectrum_units=8, pitch_dim=2)
    with_it = build_disentangler(SHAPES, 3, parameters, seed=1)
    n_mels = SHAPES["log_mel"][1]
    # What all codes decode together is the same loud sound everywhere.
    for layer in with_it.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
            kernel, bias = layer.get_weights()
            layer.set_weights([np.zeros_like(kernel), np.full_like(bias, 5.0)])
    decode = decoder_of(with_it)
    rng = np.random.default_rng(0)
    codes = {
        name: rng.uniform(-1, 1, (4, with_it.output[name].shape[-1]))
        for name in ("content", "rhythm", "pitch")
    }

    decoded = decode(codes)

    assert decoded.shape == (4, 16, n_mels)
    np.testing.assert_allclose(decoded, np.repeat(decoded[:, :1], 16, axis=1), rtol=1e-5)
    assert np.ptp(decoded[:, 0], axis=1).min() > 1e-3
    others = decode(codes | {"content": codes["content"][::-1], "rhythm": codes["rhythm"][::-1]})
    np.testing.assert_allclose(decoded, others, rtol=1e-5)
    assert not np.allclose(decoded, decode(codes | {"pitch": codes["pitch"][::-1]}))


def test_pitch_adds_nothing_where_nothing_sounds() -> None:
    rebuilt = np.full((2, 3, 4), -20.0, dtype=np.float32)
    rebuilt[:, 1] = 20.0
    pitch = np.array([[0.5, -1.0], [1.0, 0.3]], dtype=np.float32)

    added = keras.ops.convert_to_numpy(_with_harmonics(rebuilt, pitch, 8)) - rebuilt

    np.testing.assert_allclose(added[:, [0, 2]], 0.0, atol=1e-5)
    assert np.abs(added[:, 1]).max() > 1e-3
