"""The disentangler on tiny views: layers, saving, determinism, and which rows it learns from."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from disentangled_audio.models import augmentation, encoding, layers
from disentangled_audio.models.batches import NO_LABEL, Rows
from disentangled_audio.models.disentangler import build_disentangler
from disentangled_audio.models.encoding import encode
from disentangled_audio.models.training import refit_disentangler, train_disentangler
from tests.arrays import chunked
from tests.disentangling import disentangler

N_ITEMS, N_CLASSES = 60, 3
TINY = disentangler(
    content_dim=6,
    rhythm_dim=2,
    pitch_dim=3,
    timbre_dim=2,
    content_channels=(4, 8),
    pitch_channels=(4,),
    rhythm_channels=(4,),
    decoder={"units": 8, "channels": (4,)},
    head={"units": 8, "codes": ("content", "rhythm", "pitch")},
    mask=0.2,
    tilt=0.075,
    frequency_warp=0.08,
    code_noise=0.1,
    epochs=2,
    batch_size=16,
)
# Traces in half the time, for tests of what does not depend on augmentation.
PLAIN = disentangler(
    TINY, timbre_dim=0, tilt=0, noise_floor=0, frequency_warp=0, shift=0, stretch=0, mask=0
)


def _views(seed: int = 0) -> dict[str, np.ndarray]:
    """Noise with a band per class that is louder than the rest."""
    generator = np.random.default_rng(seed)
    shapes = {
        "log_mel": (13, 10),
        "content_view": (12, 10),
        "rhythm_view": (13, 2),
        "pitch_view": (4, 9),
    }
    views = {
        name: generator.random((N_ITEMS, *shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
    for name in ("log_mel", "content_view"):
        for label in range(N_CLASSES):
            views[name][label == LABELS, :, 2 + 3 * label] += 2.0
    return views


LABELS = np.arange(N_ITEMS) % N_CLASSES
TRAIN_ROWS = np.arange(N_ITEMS) < 30
VALIDATION_ROWS = (np.arange(N_ITEMS) >= 30) & (np.arange(N_ITEMS) < 45)
TEST_ROWS = np.arange(N_ITEMS) >= 45


def _train(views: dict[str, np.ndarray], seed: int = 0, parameters=TINY, progress=None):
    return train_disentangler(
        views, LABELS, TRAIN_ROWS, VALIDATION_ROWS, N_CLASSES, parameters, seed, progress
    )


@pytest.fixture(scope="module")
def views() -> dict[str, np.ndarray]:
    return _views()


@pytest.fixture(scope="module")
def trained(views):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return _train(views)


AUGMENTATIONS = [
    augmentation.RandomTimeResampling(3, 6, 0.5, seed=1),
    augmentation.RandomTimeShift(0.2, seed=1),
    augmentation.RandomFrequencyWarp(0.1, seed=1),
    augmentation.RandomEqualisation(0.5, seed=1),
    augmentation.RandomNoiseFloor(0.9, seed=1),
    augmentation.RandomEarlyLevel(0.1, early_frames=2, seed=1),
    augmentation.RandomMask(0.5, seed=1),
]


@pytest.mark.parametrize("layer", AUGMENTATIONS, ids=lambda layer: type(layer).__name__)
def test_augmentation_changes_each_item_in_training_only_and_keeps_the_shape(layer) -> None:
    ramp = (np.arange(12.0)[:, None] + np.arange(10.0) + 1.0) / 22.0
    same = np.repeat(ramp[None].astype(np.float32), 4, axis=0)

    kept = keras.ops.convert_to_numpy(layer(same, training=False))
    changed = keras.ops.convert_to_numpy(layer(same, training=True))

    np.testing.assert_array_equal(kept, same)
    assert changed.shape == same.shape
    assert np.isfinite(changed).all()
    assert np.abs(changed - same).max() > 0.01
    assert len(np.unique(changed.reshape(4, -1), axis=0)) == 4
    rebuilt = type(layer).from_config(layer.get_config())
    assert rebuilt.get_config() == layer.get_config()


def test_time_resampling_keeps_both_ends_and_the_order_of_frames() -> None:
    times = np.broadcast_to(np.arange(32.0, dtype=np.float32)[None, :, None], (50, 32, 2))

    resampled = keras.ops.convert_to_numpy(
        augmentation.RandomTimeResampling(6, 12, 0.5, seed=0)(times, training=True)
    )

    np.testing.assert_allclose(resampled[:, 0], 0.0, atol=1e-4)
    np.testing.assert_allclose(resampled[:, -1], 31.0, atol=1e-3)
    steps = np.diff(resampled[..., 0], axis=1)
    assert steps.min() > 0.0
    # Stretched by 0.5 to 1.5 and then to full length, no frame runs faster than three times
    # the slowest possible.
    assert steps.max() < 3.01
    assert steps.std() > 0.1


def test_early_level_moves_all_later_frames_by_one_step() -> None:
    view = np.full((6, 10, 4), 0.5, dtype=np.float32)
    view[:, 0] = 1.0
    layer = augmentation.RandomEarlyLevel(0.1, early_frames=1, seed=0)

    changed = keras.ops.convert_to_numpy(layer(view, training=True))

    np.testing.assert_allclose(changed[:, 0], 1.0)
    steps = changed[:, 1:] - 0.5
    assert np.ptp(steps, axis=(1, 2)).max() < 1e-6
    assert np.abs(steps).max() <= 0.1 + 1e-6
    assert len(np.unique(steps[:, 0, 0].round(5))) == 6


def test_a_peak_that_comes_late_stays_the_peak() -> None:
    view = np.zeros((40, 6, 2), dtype=np.float32)
    view[:, 0], view[:, 1:] = 0.95, 1.0
    layer = augmentation.RandomEarlyLevel(0.3, early_frames=1, seed=1)

    changed = keras.ops.convert_to_numpy(layer(view, training=True))

    np.testing.assert_allclose(changed.max(axis=(1, 2)), 1.0, atol=1e-6)
    assert changed.min() >= 0.0


def test_noise_floor_raises_only_what_is_below_it() -> None:
    view = np.linspace(0.0, 1.0, 50, dtype=np.float32).reshape(1, 5, 10)

    raised = keras.ops.convert_to_numpy(
        augmentation.RandomNoiseFloor(0.5, seed=0)(view, training=True)
    )

    floor = raised.min()
    assert 0.0 < floor <= 0.5
    np.testing.assert_array_equal(raised, np.maximum(view, floor))


def test_standardise_fits_and_inverts() -> None:
    view = np.random.default_rng(0).normal(3.0, 2.0, (20, 5, 4)).astype(np.float32)
    forward, backward = layers.Standardise(), layers.Standardise(invert=True)
    forward.build(view.shape)
    backward.build(view.shape)
    forward.fit(view)
    backward.fit(view)

    standardised = keras.ops.convert_to_numpy(forward(view))

    np.testing.assert_allclose(standardised.mean(axis=(0, 1)), 0.0, atol=1e-5)
    np.testing.assert_allclose(standardised.std(axis=(0, 1)), 1.0, atol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(backward(standardised)), view, atol=1e-5)


def test_outputs_have_names_and_shapes(views) -> None:
    shapes = {name: view.shape[1:] for name, view in views.items()}
    model = build_disentangler(shapes, N_CLASSES, TINY, seed=0)

    assert {name: tuple(output.shape[1:]) for name, output in model.output.items()} == {
        "content": (6,),
        "rhythm": (2,),
        "pitch": (3,),
        "timbre": (2,),
        "log_mel": (13, 10),
        "target": (N_CLASSES,),
    }


def test_default_parameters_build_for_speech_and_for_impulse_responses() -> None:
    speech = {
        "log_mel": (63, 40),
        "content_view": (32, 40),
        "rhythm_view": (63, 4),
        "pitch_view": (32, 38),
    }
    for shapes in (speech, speech | {"log_mel": (7, 40), "pitch_view": (4, 64)}):
        model = build_disentangler(shapes, 10, disentangler(), seed=0)
        assert tuple(model.output["log_mel"].shape[1:]) == shapes["log_mel"]
        assert set(model.output) == {"content", "rhythm", "pitch", "log_mel", "target"}


def test_missing_view_and_single_class_are_refused(views) -> None:
    shapes = {name: view.shape[1:] for name, view in views.items()}
    with pytest.raises(ValueError, match="two classes"):
        build_disentangler(shapes, 1, TINY, seed=0)
    del shapes["rhythm_view"]
    with pytest.raises(ValueError, match="rhythm_view"):
        build_disentangler(shapes, N_CLASSES, TINY, seed=0)


def test_training_learns_a_clear_task_and_reports_every_term(views) -> None:
    epochs = []
    parameters = disentangler(PLAIN, epochs=40, learning_rate=1e-2)
    model, history = _train(
        views, parameters=parameters, progress=lambda epoch, row: epochs.append(epoch)
    )

    outputs = encode(model, {name: view[TEST_ROWS] for name, view in views.items()})

    assert (outputs["target"].argmax(axis=1) == LABELS[TEST_ROWS]).mean() > 0.9
    np.testing.assert_allclose(outputs["target"].sum(axis=1), 1.0, rtol=1e-5)
    terms = ("loss", "reconstruction", "classification", "accuracy")
    assert list(history) == [
        "epoch",
        *(f"{part}_{term}" for part in ("training", "validation") for term in terms),
    ]
    assert history["epoch"].tolist() == epochs == list(range(1, len(epochs) + 1))
    assert history["validation_reconstruction"].iloc[-1] < 0.7


def test_best_epoch_is_kept_and_training_stops_early(views) -> None:
    parameters = disentangler(PLAIN, epochs=30, patience_epochs=2, learning_rate=0.3)
    model, history = _train(views, parameters=parameters)

    best = history["validation_loss"].idxmin()
    assert len(history) < 30
    assert len(history) - 1 - best == 2
    validation = {name: view[VALIDATION_ROWS] for name, view in views.items()}
    accuracy = (encode(model, validation)["target"].argmax(1) == LABELS[VALIDATION_ROWS]).mean()
    assert accuracy == pytest.approx(history["validation_accuracy"][best])


def test_a_refit_learns_from_validation_rows_too_and_has_none_to_judge_it(views) -> None:
    parameters = disentangler(PLAIN, refit_epochs=2)
    shapes = {name: view.shape[1:] for name, view in views.items()}
    first = build_disentangler(shapes, N_CLASSES, parameters, seed=0)
    # One row is of no known class: it is rebuilt.
    labels = np.where(np.arange(N_ITEMS) == 3, NO_LABEL, LABELS)

    def refit(views):
        rows = (labels, TRAIN_ROWS, VALIDATION_ROWS, N_CLASSES)
        return refit_disentangler(first, views, *rows, parameters, 0)

    model, history = refit(views)

    assert history["epoch"].tolist() == [1, 2]
    assert [name for name in history if name.startswith("validation")] == []
    kernels = []
    for changed in (TEST_ROWS, VALIDATION_ROWS):
        other = {name: view.copy() for name, view in views.items()}
        for view in other.values():
            view[changed] = 1.0
        kernels.append(_kernel(refit(other)[0], "content"))
    np.testing.assert_array_equal(kernels[0], _kernel(model, "content"))
    assert not np.array_equal(kernels[1], _kernel(model, "content"))
    assert not np.array_equal(_kernel(first, "content"), _kernel(model, "content"))


def test_another_seed_gives_other_weights(views) -> None:
    shapes = {name: view.shape[1:] for name, view in views.items()}
    first, second = (build_disentangler(shapes, N_CLASSES, PLAIN, seed) for seed in (0, 1))

    assert np.abs(_kernel(first, "content") - _kernel(second, "content")).max() > 1e-3


def _with_other_test_rows(views: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    changed = {name: view.copy() for name, view in views.items()}
    for view in changed.values():
        view[TEST_ROWS] = 100.0
    return changed


def test_same_seed_gives_the_same_bits_whatever_other_rows_hold(views, trained) -> None:
    model, history = _train(_with_other_test_rows(views))

    for first, second in zip(trained[0].get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert trained[1].equals(history)


def test_standardisation_comes_from_training_rows(views, trained) -> None:
    mean = trained[0].get_layer("standardise_content").get_weights()[0]

    np.testing.assert_allclose(mean, views["content_view"][TRAIN_ROWS].mean((0, 1)), rtol=1e-5)


def test_encoding_does_not_depend_on_the_batch(views, trained) -> None:
    whole = encode(trained[0], views, batch_size=256)
    single = encode(trained[0], views, batch_size=7)
    half = encode(trained[0], {name: view[:30] for name, view in views.items()}, batch_size=256)

    for name, output in whole.items():
        assert output.shape[0] == N_ITEMS
        np.testing.assert_allclose(output, single[name], atol=1e-5)
        np.testing.assert_array_equal(output[:30], half[name])


@pytest.mark.slow
def test_a_fresh_process_loads_and_trains_to_the_same_bits_in_silence(
    views, trained, tmp_path
) -> None:
    trained[0].save(tmp_path / "model.keras")
    np.savez(tmp_path / "views.npz", **views)
    code = (
        "import sys, keras, numpy as np\n"
        "import disentangled_audio.models.layers\n"
        "folder = sys.argv[2]\n"
        "model = keras.models.load_model(folder + '/model.keras', safe_mode=True)\n"
        "from disentangled_audio.models.encoding import encode\n"
        "outputs = encode(model, dict(np.load(folder + '/views.npz')))\n"
        "np.savez(folder + '/outputs.npz', **outputs)\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import test_disentangler as own\n"
        "model, _ = own._train(own._views())\n"
        "np.savez(folder + '/weights.npz', *model.get_weights())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        check=True,
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
    )

    assert run.stdout == ""
    assert "Warning" not in run.stderr
    loaded, here = dict(np.load(tmp_path / "outputs.npz")), encode(trained[0], views)
    assert set(loaded) == set(here)
    for name, output in here.items():
        np.testing.assert_array_equal(output, loaded[name])
    weights = np.load(tmp_path / "weights.npz")
    for index, weight in enumerate(trained[0].get_weights()):
        np.testing.assert_array_equal(weight, weights[f"arr_{index}"])


def test_a_classification_weight_of_zero_trains_no_head(views) -> None:
    parameters = disentangler(PLAIN, classification_weight=0.0, weight_decay=0.0, epochs=1)
    shapes = {name: view.shape[1:] for name, view in views.items()}
    model, history = _train(views, parameters=parameters)
    untrained = build_disentangler(shapes, N_CLASSES, parameters, seed=0)

    assert history["training_classification"].notna().all()
    np.testing.assert_array_equal(_kernel(model, "target"), _kernel(untrained, "target"))
    assert np.abs(_kernel(model, "rhythm") - _kernel(untrained, "rhythm")).max() > 0.0


def test_augmentations_of_strength_zero_are_left_out(views) -> None:
    shapes = {name: view.shape[1:] for name, view in views.items()}
    model = build_disentangler(shapes, N_CLASSES, PLAIN, seed=0)

    assert not [layer for layer in model.layers if type(layer).__name__.startswith("Random")]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": TRAIN_ROWS & (LABELS != 1)}, "no training row of class 1"),
        ({"validation": np.zeros(N_ITEMS, bool)}, "no validation row"),
        ({"validation": TRAIN_ROWS}, "both training and validation"),
        ({"labels": LABELS[:-1]}, "numbers of rows differ"),
        ({"labels": LABELS + 1}, "between 0 and 2"),
        ({"labels": np.where(VALIDATION_ROWS, NO_LABEL, LABELS)}, "a validation row has no label"),
    ],
)
def test_impossible_rows_are_refused(views, changed, message) -> None:
    rows = {"labels": LABELS, "train": TRAIN_ROWS, "validation": VALIDATION_ROWS} | changed
    with pytest.raises(ValueError, match=message):
        train_disentangler(views, *rows.values(), N_CLASSES, TINY, 0)


def test_empty_views_cannot_be_encoded(views, trained) -> None:
    with pytest.raises(ValueError, match="no rows"):
        encode(trained[0], {name: view[:0] for name, view in views.items()})


def _kernel(model: keras.Model, layer: str) -> np.ndarray:
    return model.get_layer(layer).get_weights()[0]


def test_rows_of_no_known_class_are_rebuilt_and_not_classified(views) -> None:
    unknown = TRAIN_ROWS & (np.arange(N_ITEMS) % 4 == 0)
    labels = np.where(unknown, NO_LABEL, LABELS)

    def weights_with(log_mel_of_unknown: float) -> np.ndarray:
        changed = dict(views)
        changed["log_mel"] = views["log_mel"].copy()
        changed["log_mel"][unknown] += log_mel_of_unknown
        rows = (TRAIN_ROWS, VALIDATION_ROWS, N_CLASSES)
        model, history = train_disentangler(changed, labels, *rows, PLAIN, 0)
        assert np.isfinite(history.to_numpy()).all()
        assert history["training_accuracy"].between(0, 1).all()
        return np.concatenate([weights.ravel() for weights in model.get_weights()])

    assert not np.array_equal(weights_with(0.0), weights_with(1.0))
    # The sums over a batch of all rows are those of the rows of known class, class by class.
    n_rows = TRAIN_ROWS.sum()
    tensors = Rows(views, labels, TRAIN_ROWS, N_CLASSES, PLAIN, {}).batch(np.arange(n_rows))
    weight, target = tensors["weight"].numpy(), tensors["target"].numpy()
    assert not weight[unknown[TRAIN_ROWS]].any()
    assert not target[unknown[TRAIN_ROWS]].any()
    np.testing.assert_allclose(weight @ target, TRAIN_ROWS.sum() / N_CLASSES, rtol=1e-6)
    np.testing.assert_allclose(tensors["known"].numpy().mean(), 1.0, rtol=1e-6)


def test_batches_hold_the_rows_that_they_name(views) -> None:
    batch = Rows(views, LABELS, VALIDATION_ROWS, N_CLASSES, PLAIN, {}).batch(np.array([4, 0]))

    for name, view in views.items():
        np.testing.assert_array_equal(batch[name].numpy(), view[[34, 30]])
    np.testing.assert_array_equal(batch["target"].numpy().argmax(axis=1), LABELS[[34, 30]])


def test_an_epoch_sees_a_part_of_many_rows_and_never_a_test_row(views, monkeypatch) -> None:
    seen = []
    batch = Rows.batch

    def spy(rows: Rows, numbers: np.ndarray):
        seen.append((rows.n_rows, numbers))
        return batch(rows, numbers)

    monkeypatch.setattr(Rows, "batch", spy)
    few = disentangler(PLAIN, max_epoch_rows=12, batch_size=5)
    model, history = _train(views, parameters=few)
    monkeypatch.undo()

    # The first call asks for the shapes.
    training = [numbers for n_rows, numbers in seen[1:] if n_rows == 30]
    assert [len(numbers) for numbers in training] == [5, 5, 2] * 2
    first, second = np.concatenate(training[:3]), np.concatenate(training[3:])
    assert len(set(first)) == len(set(second)) == 12
    assert set(first) != set(second)
    assert {n_rows for n_rows, _ in seen} == {30, 12}, "validation was not cut to 12 rows"
    assert np.isfinite(history.to_numpy()).all()

    other, _ = _train(_with_other_test_rows(views), parameters=few)
    for first, second in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_codes_of_lazy_views_are_those_of_arrays_and_only_wanted_ones_are_held(
    views, trained, monkeypatch
) -> None:
    whole = encode(trained[0], views, batch_size=7)
    monkeypatch.setattr(encoding, "_ENCODED_ROWS", 20)
    stored = {name: chunked(view) for name, view in views.items() if name != "log_mel"}

    parts = encode(trained[0], stored, 7, ["content", "target"])

    assert set(parts) == {"content", "target"}
    for name, values in parts.items():
        np.testing.assert_array_equal(values, whole[name])
    bad = views["rhythm_view"].copy()
    bad[33] = np.nan
    with pytest.raises(ValueError, match="rhythm_view has NaN or infinity in row 33"):
        encode(trained[0], views | {"rhythm_view": bad}, 7)
