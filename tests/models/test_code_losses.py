"""Losses of codes and factors, bottlenecks and the two baselines, on tiny views."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from disentangled_audio.models import layers
from disentangled_audio.models.decoding import decoder_of, untrained_like
from disentangled_audio.models.disentangler import build_disentangler
from disentangled_audio.models.encoding import encode
from disentangled_audio.models.training import train_disentangler
from disentangled_audio.parameters import DisentanglerParameters
from tests.disentangling import disentangler

N_ITEMS, N_CLASSES = 64, 2
LABELS = np.arange(N_ITEMS) % N_CLASSES
ROOM = np.arange(N_ITEMS) // 2 % 2
TRAIN_ROWS = np.arange(N_ITEMS) < 48
VALIDATION_ROWS = ~TRAIN_ROWS
SHAPES = {"log_mel": (13, 10), "content_view": (12, 10), "rhythm_view": (13, 2)}
SHAPES["pitch_view"] = (12, 1)
PLAIN = disentangler(
    content_dim=4,
    rhythm_dim=2,
    pitch_dim=2,
    content_channels=(4, 8),
    pitch_channels=(4,),
    rhythm_channels=(4,),
    decoder={"units": 8, "channels": (4,)},
    head={"units": 0},
    epochs=2,
    batch_size=24,
    dropout=0.0,
    view_noise=0.0,
    tilt=0,
    noise_floor=0,
    frequency_warp=0,
    shift=0,
    stretch=0,
)
READOUTS = {"rhythm": {"of": ["duration"]}, "pitch": {"of": ["room"]}}
INDEPENDENCE = {"content": {"weight": 3.0, "of": ["room", "duration"]}}


def _with(**changes) -> DisentanglerParameters:
    return disentangler(PLAIN, **changes)


@pytest.fixture(scope="module")
def views() -> dict[str, np.ndarray]:
    """Noise in which one band depends on the class, another on the room."""
    generator = np.random.default_rng(0)
    views = {
        name: generator.random((N_ITEMS, *shape)).astype(np.float32)
        for name, shape in SHAPES.items()
    }
    for name in ("log_mel", "content_view"):
        views[name][LABELS == 1, :, 2] += 1.5
        views[name][ROOM == 1, :, 7] += 1.5
    return views


@pytest.fixture(scope="module")
def factors(views) -> pd.DataFrame:
    loud = views["rhythm_view"].mean(axis=(1, 2)).astype(float)
    room = pd.Series(ROOM).map({0: "hall", 1: "cave"}).astype("string")
    return pd.DataFrame({"duration": loud, "room": room})


def _train(views, factors, parameters):
    rows = (LABELS, TRAIN_ROWS, VALIDATION_ROWS, N_CLASSES)
    return train_disentangler(views, *rows, parameters, 0, factors=factors)


def _accuracy(code: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of a linear classifier fitted to the first half and scored on the second."""
    design = np.hstack([code, np.ones((len(code), 1))])
    half = len(code) // 2
    weights, *_ = np.linalg.lstsq(design[:half], 2.0 * labels[:half] - 1.0, rcond=None)
    return float(((design[half:] @ weights > 0) == labels[half:]).mean())


def test_every_term_is_in_the_history(views, factors):
    parameters = _with(
        readouts=READOUTS,
        independence=INDEPENDENCE,
        compactness={"content": {"weight": 2.0, "of": ["target"]}},
        adversaries={"pitch": {"of": ["target"]}},
        ramp_epochs=0,
        variational_weight=0.01,
    )
    model, history = _train(views, factors, parameters)
    terms = (
        *("readout_rhythm_duration", "readout_pitch_room"),
        *("independence_content_room", "independence_content_duration"),
        *("compactness_content_target", "adversary_pitch_target", "bottleneck"),
        *("reconstruction", "classification", "loss"),
    )
    for part in ("training", "validation"):
        found = history[[f"{part}_{name}" for name in terms]]
        assert np.isfinite(found.to_numpy()).all()
    weights = dict.fromkeys(terms, 1.0) | {
        "reconstruction": parameters.losses.reconstruction_weight,
        "independence_content_room": 3.0,
        "independence_content_duration": 3.0,
        "compactness_content_target": 2.0,
        "bottleneck": 0.01,
    }
    weights.pop("loss")
    for part in ("training", "validation"):
        # An adversary that succeeds must not make an epoch look better.
        weights["adversary_pitch_target"] = 1.0 if part == "training" else 0.0
        summed = sum(weight * history[f"{part}_{name}"] for name, weight in weights.items())
        assert summed.to_numpy() == pytest.approx(history[f"{part}_loss"].to_numpy(), rel=1e-4)
    assert "readout_rhythm_duration" in model.output


@pytest.mark.slow
def test_independence_removes_the_room_from_the_content_code_and_keeps_the_class(views, factors):
    kept = {"epochs": 60, "learning_rate": 1e-2, "patience_epochs": 60}
    both = {"content": {"of": ["target", "room"]}}
    apart = {"content": {"weight": 5.0, "of": ["room"]}}
    model, history = _train(views, factors, _with(readouts=both, **kept))
    independent, losses = _train(views, factors, _with(independence=apart, ramp_epochs=0, **kept))
    code, independent_code = (encode(one, views)["content"] for one in (model, independent))
    assert _accuracy(code, ROOM) > 0.9
    assert _accuracy(independent_code, ROOM) < 0.75
    assert _accuracy(independent_code, LABELS) > 0.9
    assert losses["validation_independence_content_room"].min() < 0.2
    assert history["validation_readout_content_room"].min() < 0.5


def test_compactness_draws_a_class_together(views, factors):
    loose, _ = _train(views, factors, _with(epochs=20))
    term = {"content": {"weight": 3.0, "of": ["target"]}}
    tight, history = _train(views, factors, _with(epochs=20, compactness=term))

    def within(model: keras.Model) -> float:
        code = encode(model, views)["content"][VALIDATION_ROWS]
        of_class = pd.DataFrame(code).groupby(LABELS[VALIDATION_ROWS])
        return float((of_class.var(ddof=0).mean() / code.var(axis=0)).mean())

    assert within(tight) < 0.7 * within(loose)
    assert history["validation_compactness_content_target"].iloc[-1] < within(loose)


def test_the_second_head_teaches_the_encoder_and_chooses_no_epoch(views, factors):
    alone = _with(classification_weight=0.0, auxiliary_weight=1.0, epochs=20)
    _, history = _train(views, factors, alone)
    assert history["training_auxiliary"].iloc[-1] < history["training_auxiliary"].iloc[0]
    kept = alone.losses.reconstruction_weight * history["validation_reconstruction"]
    assert history["validation_loss"].to_numpy() == pytest.approx(kept.to_numpy(), rel=1e-4)
    shapes = {name: view.shape[1:] for name, view in views.items()}
    for changes in ({"auxiliary_weight": 0.0}, {"method": "triple_bottleneck"}):
        plain = _with(**({"auxiliary_weight": 1.0} | changes))
        assert "auxiliary" not in build_disentangler(shapes, N_CLASSES, plain, 0).output


def test_the_head_may_see_the_code_before_it_is_rounded(views):
    exact = _with(quantised={"content": 2}, head={"rounded": False})
    shapes = {name: view.shape[1:] for name, view in views.items()}
    model = build_disentangler(shapes, N_CLASSES, exact, 0)
    for name, rounded in (("content", True), ("content_exact", False)):
        reader = keras.Model(model.input, model.get_layer(name).output)
        inputs = {name: views[name] for name in model.input}
        values = np.unique(reader(inputs).numpy())
        assert (len(values) == 2) == rounded
    source = model.get_layer("target").input
    assert source is model.get_layer("content_exact").output
    rounded = build_disentangler(shapes, N_CLASSES, _with(quantised={"content": 2}), 0)
    assert rounded.get_layer("target").input is rounded.get_layer("content").output


@pytest.fixture(scope="module")
def without(views, factors) -> list[np.ndarray]:
    """Weights that are trained by no further loss."""
    return _train(views, factors, PLAIN)[0].get_weights()


def test_a_term_of_weight_zero_is_reported_and_not_trained(views, factors, without):
    off = {"content": {"weight": 0.0, "of": ["room"]}}
    model, history = _train(views, factors, _with(independence=off))
    assert (history["training_independence_content_room"] > 0.0).all()
    for first, second in zip(without, model.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


def test_weights_of_separation_rise_over_the_ramp(views, factors, without):
    def change(ramp_epochs: int) -> float:
        term = {"content": {"weight": 50.0, "of": ["room"]}}
        parameters = _with(independence=term, ramp_epochs=ramp_epochs)
        weights = _train(views, factors, parameters)[0].get_weights()
        return sum(np.abs(own - of).sum() for own, of in zip(weights, without, strict=True))

    assert change(100_000) < 0.1 * change(0)


def test_factors_of_validation_rows_have_no_influence(views, factors):
    changed = factors.copy()
    changed.loc[VALIDATION_ROWS, "duration"] *= 9.0
    changed.loc[VALIDATION_ROWS, "room"] = "attic"
    parameters = _with(readouts=READOUTS, independence=INDEPENDENCE, epochs=1)
    first, second = (_train(views, of, parameters)[0] for of in (factors, changed))
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_factors_without_a_value_or_without_variation_are_left_out(views, factors, caplog):
    sparse = factors.assign(duration=np.nan, level=factors["duration"])
    sparse.loc[3:9, "level"] = np.nan
    sparse.loc[3:9, "room"] = pd.NA
    parameters = _with(
        readouts={"rhythm": {"of": ["duration", "level"]}}, independence=INDEPENDENCE
    )
    model, history = _train(views, sparse, parameters)
    assert "readout_rhythm_level" in model.output
    assert "readout_rhythm_duration" not in model.output
    assert np.isfinite(history.to_numpy()).all()
    assert "'duration' does not vary in the training rows" in caplog.text


def test_an_unknown_factor_is_named(views, factors):
    with pytest.raises(ValueError, match="factor 'mood'; choose from duration, room, target"):
        _train(views, factors, _with(readouts={"pitch": {"of": ["mood"]}}))


def test_a_quantised_code_has_its_levels_and_learns(views, factors):
    parameters = _with(quantised={"content": 3}, epochs=40, learning_rate=1e-2)
    model, _ = _train(views, factors, parameters)
    code = encode(model, views)["content"]
    assert set(np.unique(code.round(5))) <= {-1.0, 0.0, 1.0}
    assert _accuracy(code, LABELS) > 0.9


@pytest.mark.parametrize(
    ("n_levels", "expected"),
    [(2, [-1, -1, 1, 1, 1]), (3, [-1, 0, 0, 1, 1]), (5, [-1, -0.5, 0, 0.5, 1])],
)
def test_values_are_rounded_to_the_next_level(n_levels, expected):
    values = keras.ops.convert_to_tensor([[-0.99, -0.4, 0.1, 0.6, 0.9]])
    rounded = layers.Quantise(n_levels)(values)
    assert np.asarray(rounded)[0] == pytest.approx(expected, abs=1e-6)


def test_gradients_pass_quantisation_as_they_are_and_reversal_with_the_other_sign():
    values = tf.Variable([[0.3, -0.2]])
    with tf.GradientTape(persistent=True) as tape:
        rounded = tf.reduce_sum(3.0 * layers.Quantise(3)(values))
        turned = layers.GradientReversal()(values)
        reversed_sum = tf.reduce_sum(3.0 * turned)
    np.testing.assert_array_equal(turned, values)
    np.testing.assert_array_equal(tape.gradient(rounded, values), [[3.0, 3.0]])
    np.testing.assert_array_equal(tape.gradient(reversed_sum, values), [[-3.0, -3.0]])


def test_a_gaussian_code_is_its_mean_at_inference_and_costs_its_divergence():
    layer = layers.GaussianCode(3, seed=1)
    features = np.random.default_rng(0).normal(size=(500, 5)).astype(np.float32)
    mean = np.asarray(layer(features, training=False))
    np.testing.assert_array_equal(mean, layer.mean(features))
    log_variance = np.asarray(layer.log_variance(features))
    divergence = 0.5 * (mean**2 + np.exp(log_variance) - 1.0 - log_variance)
    layer(features, training=False)
    assert float(layer.losses[-1]) == pytest.approx(divergence.mean(), rel=1e-4)
    drawn = np.asarray(layer(features, training=True))
    spread = (drawn - mean) / np.exp(0.5 * log_variance)
    assert spread.mean() == pytest.approx(0.0, abs=0.1)
    assert spread.std() == pytest.approx(1.0, abs=0.1)


def test_in_the_triple_bottleneck_labels_teach_the_head_alone(views, factors):
    parameters = _with(
        method="triple_bottleneck", readouts=READOUTS, independence=INDEPENDENCE, epochs=1
    )
    model, history = _train(views, factors, parameters)
    assert not [name for name in history if "readout" in name or "independence" in name]
    with tf.GradientTape() as tape:
        outputs = model({name: views[name] for name in model.input}, training=True)
        loss = keras.losses.SparseCategoricalCrossentropy()(LABELS, outputs["target"])
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    taught = {
        variable.path.split("/")[0]
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
        if gradient is not None
    }
    assert taught == {"target"}


def test_the_adversarial_method_has_two_encoders_of_the_whole_spectrogram(views, factors, tmp_path):
    parameters = _with(
        method="adversarial",
        readouts=READOUTS,
        independence=INDEPENDENCE,
        head={"codes": ("content", "rhythm")},
    )
    model, history = _train(views, factors, parameters)
    assert list(model.input) == ["log_mel"]
    assert {"content", "pitch", "target", "log_mel"} <= set(model.output)
    assert "rhythm" not in model.output
    assert {
        "training_readout_pitch_room",
        "training_adversary_content_room",
        "training_adversary_pitch_target",
    } <= set(history)
    assert not [name for name in history if "independence" in name or "rhythm" in name]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    codes = encode(loaded, views)
    np.testing.assert_array_equal(codes["content"], encode(model, views)["content"])
    rebuilt = decoder_of(loaded)({name: codes[name] for name in parameters.codes})
    np.testing.assert_allclose(rebuilt, codes["log_mel"], atol=1e-5)
    untrained = untrained_like(loaded, SHAPES, parameters, 1)
    assert set(untrained.output) == {"content", "pitch", "target", "log_mel"}


@pytest.mark.slow
def test_an_adversary_removes_its_factor_from_the_code(views, factors):
    kept = {"epochs": 60, "learning_rate": 1e-2, "patience_epochs": 60, "ramp_epochs": 0}
    against = {"content": {"weight": 1.0, "of": ["room"]}}
    free, _ = _train(views, factors, _with(readouts={"content": {"of": ["room"]}}, **kept))
    _, history = _train(views, factors, _with(adversaries=against, **kept))
    assert _accuracy(encode(free, views)["content"], ROOM) > 0.9
    # 1 is the head's loss where it knows nothing.
    assert history["validation_adversary_content_room"].iloc[-1] > 0.6


@pytest.mark.parametrize("quantised", [{}, {"content": 2, "pitch": 4}])
@pytest.mark.parametrize("variational_weight", [0.0, 0.1])
def test_every_bottleneck_is_saved_and_loaded(quantised, variational_weight, tmp_path):
    parameters = _with(quantised=quantised, variational_weight=variational_weight)
    model = build_disentangler(SHAPES, N_CLASSES, parameters, 0)
    inputs = {
        name: np.random.default_rng(1).random((5, *SHAPES[name])).astype(np.float32)
        for name in model.input
    }
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(inputs)["content"], model(inputs)["content"])
