"""Leaks: changing rows that a step must not see changes nothing that it fits."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from disentangled_audio.parameters import (
    AugmentationParameters,
    CepstraParameters,
    Corpus,
    FourierParameters,
    HybridParameters,
    ParallelParameters,
    SvmParameters,
    ViewParameters,
)
from disentangled_audio.pipelines.feature_engineering import nodes as features
from disentangled_audio.pipelines.representation_learning import nodes as representation
from disentangled_audio.pipelines.svm_classification import nodes as classification
from tests.arrays import chunked
from tests.disentangling import disentangler

RATE_HZ = 8000
N_ITEMS = 72
CORPUS = Corpus(
    sources=[{"folder": "none"}], analysis={"sample_rate_hz": RATE_HZ, "duration_s": 0.4}
)
FOURIER = FourierParameters(n_components=6)
AUGMENTATION = AugmentationParameters(copies=1)
VIEWS = ViewParameters(pitch="f0")
DISENTANGLER = disentangler(
    epochs=2,
    refit_epochs=1,
    batch_size=8,
    content_channels=(8, 8),
    pitch_channels=(4,),
    rhythm_channels=(4,),
    decoder={"units": 16, "channels": (8,)},
    # The refit meets a group that the head of a readout does not know.
    readouts={"rhythm": {"of": ["level"]}, "pitch": {"of": ["group"]}},
    independence={"content": {"of": ["level", "group"]}},
)
SVM = SvmParameters(C=[1.0, 10.0], gamma_scale=[0.3, 1.0], inner_folds=2, n_jobs=1)
PARALLEL = ParallelParameters(n_jobs=1)
SEED = 3
# So loud that nothing is certain: answers of 1 and 0 would hide what changed.
NOISE = 2.0
# What models say, of all rows.
ANSWERS = {"cnn", "codes"}


def _splits() -> pd.DataFrame:
    """Three classes in six groups: three to train, one to validate, two to test."""
    item = np.arange(N_ITEMS)
    roles = np.array(["train", "train", "train", "validation", "test", "test"])
    return pd.DataFrame(
        {
            "recording_id": [f"r{number}" for number in item],
            "target": pd.Series(item % 3, dtype="string"),
            "group": pd.Series(item // 12, dtype="string"),
            "fold": "0",
            "role": roles[item // 12],
        }
    )


def _waveforms() -> np.ndarray:
    rng = np.random.default_rng(0)
    time_s = np.arange(round(0.4 * RATE_HZ)) / RATE_HZ
    tones = np.sin(2 * np.pi * (300 + 250 * (np.arange(N_ITEMS) % 3))[:, None] * time_s)
    return (tones + NOISE * rng.standard_normal(tones.shape)).astype(np.float32)


def _fit_all(waveforms: np.ndarray, splits: pd.DataFrame) -> dict[str, Any]:
    """Everything that is fitted or chosen, in a form that can be compared."""
    with tempfile.TemporaryDirectory() as chunks:
        return _fit_with(chunked(waveforms, 16), splits, Path(chunks))


def _fit_with(clips: zarr.Array, splits: pd.DataFrame, chunks: Path) -> dict[str, Any]:
    recordings = splits[["recording_id"]].assign(kind="rir")
    spectra = features.compute_spectra(clips, FOURIER, chunks, PARALLEL)
    pca = features.fit_fourier_pca(spectra, splits, FOURIER, SEED)
    table = features.project_spectra(spectra, recordings, pca)
    augmented = features.augment_training_rows(
        clips, splits, pca, FOURIER, AUGMENTATION, CORPUS, SEED
    )
    views = features.make_encoder_views(clips, CORPUS, VIEWS, chunks, PARALLEL)
    factors = splits[["recording_id", "role", "target", "group"]].copy()
    factors["level"] = np.abs(clips[:]).mean(axis=1).astype(float)
    model, first, history = representation.train_disentangler_on_views(
        *views, factors, splits, DISENTANGLER, SEED
    )
    is_refit = history["validation_loss"].isna()
    codes, _, provisional, cnn = representation.encode_views(
        model, first, *views, splits, DISENTANGLER
    )
    *_, of_first = representation.encode_views(first, first, *views, splits, DISENTANGLER)
    svm, svm_probabilities = _train("svm", splits, table, augmented)
    code_svm, code_probabilities = _train("code_svm", splits, codes, provisional)
    code_svms = [_train("code_svm", splits, given, given)[1] for given in (provisional, codes)]
    cepstra, timbre = features.summarise_views(views[0], recordings, CepstraParameters(), VIEWS)
    mel_svm, mel_probabilities = _train("mel_svm", splits, cepstra)
    timbre_svm, timbre_probabilities = _train("timbre_svm", splits, timbre)
    acoustics = _acoustics(clips[:], recordings)
    acoustic_svm, acoustic_probabilities = _train("acoustic_svm", splits, acoustics)
    hybrid, _ = classification.train_hybrid(
        splits,
        HybridParameters(),
        svm_probabilities,
        mel_probabilities,
        timbre_probabilities,
        acoustic_probabilities,
        code_probabilities,
        cnn,
    )
    return {
        "fourier_pca": [pca[0].mean_, pca[0].scale_, pca[1].components_],
        "augmented_features": [augmented.drop(columns="recording_id").to_numpy()],
        "standardisation": [
            weight
            for layer in first.layers
            if not layer.trainable_weights
            for weight in layer.get_weights()
        ],
        "provisional_disentangler": first.get_weights(),
        "disentangler": model.get_weights(),
        "training_history": [history[~is_refit].filter(regex="^training_").to_numpy()],
        "validation_history": [history[~is_refit].filter(regex="^validation_").to_numpy()],
        "refit_history": [history[is_refit].filter(regex="^training_").to_numpy()],
        "svm": _svm_state(svm),
        "svm_choice": [svm.svm[-1].C, svm.svm[-1].gamma],
        "code_svm": _svm_state(code_svm),
        "mel_svm": _svm_state(mel_svm),
        "timbre_svm": _svm_state(timbre_svm),
        "acoustic_svm": _svm_state(acoustic_svm),
        "hybrid": [hybrid.temperatures_, hybrid.weights_],
        "cnn": _probabilities(cnn, of_first),
        "codes": _probabilities(code_probabilities, *code_svms),
    }


def _probabilities(*tables: pd.DataFrame) -> list[np.ndarray]:
    return [table.filter(regex="^p_").to_numpy() for table in tables]


def _train(name: str, splits: pd.DataFrame, *tables: Any) -> tuple[Any, Any]:
    features, *further = tables
    return classification.train_member(
        features, splits, SVM, HybridParameters(), SEED, *further, name=name
    )


def _acoustics(waveforms: np.ndarray, recordings: pd.DataFrame) -> pd.DataFrame:
    """Stands for decay times: some numbers that depend on each row's sound."""
    halves = np.split(np.abs(waveforms), 2, axis=1)
    return pd.DataFrame(
        {
            "recording_id": recordings["recording_id"],
            "t_clear_500hz_s": halves[0].mean(axis=1),
            "t_clear_1000hz_s": halves[1].max(axis=1),
            "reasons": "",
        }
    )


def _svm_state(svm: Any) -> list[Any]:
    return [svm.svm[-1].C, svm.svm[-1].support_vectors_, svm.svm[-1].dual_coef_, svm.temperature]


def _same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(
        np.array_equal(a, b) for a, b in zip(first, second, strict=True)
    )


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return _fit_all(_waveforms(), _splits())


def test_validation_outputs_in_the_hybrid_come_from_a_network_not_trained_on_them(
    fitted: dict[str, Any],
) -> None:
    validation = (_splits()["role"] == "validation").to_numpy()
    heard, of_first = fitted["cnn"]
    np.testing.assert_array_equal(heard[validation], of_first[validation])
    assert not (heard[~validation] == of_first[~validation]).any()

    heard, of_first, of_kept = (table[validation] for table in fitted["codes"])
    np.testing.assert_array_equal(heard, of_first)
    assert not np.allclose(heard, of_kept)


def _change(role: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Other sounds, and other labels, in the rows of one role."""
    waveforms, splits = _waveforms(), _splits()
    rows = (splits["role"] == role).to_numpy()
    waveforms[rows] = 3 * np.random.default_rng(9).standard_normal(waveforms[rows].shape)
    splits.loc[rows, "target"] = np.roll(splits.loc[rows, "target"].to_numpy(), 1)
    return waveforms, splits


def test_test_rows_change_nothing_that_is_fitted_or_chosen(fitted: dict[str, Any]) -> None:
    changed = _fit_all(*_change("test"))
    names = fitted.keys() - ANSWERS
    different = [name for name in names if not _same(fitted[name], changed[name])]
    assert different == []


def test_validation_rows_change_only_what_they_may(fitted: dict[str, Any]) -> None:
    changed = _fit_all(*_change("validation"))
    names = fitted.keys() - ANSWERS
    different = {name for name in names if not _same(fitted[name], changed[name])}
    may_change = {
        "validation_history",
        # The epoch that is kept, and with it the codes.
        "provisional_disentangler",
        # Validation rows judge the settings of SVMs, and refits take them in.
        "disentangler",
        "refit_history",
        "svm_choice",
        "svm",
        "code_svm",
        "mel_svm",
        "timbre_svm",
        "acoustic_svm",
        "hybrid",
    }
    assert different <= may_change
    # If nothing changed, the comparison above would be blind.
    assert different >= {"validation_history", "refit_history", "disentangler", "svm", "hybrid"}


def test_training_rows_change_everything(fitted: dict[str, Any]) -> None:
    changed = _fit_all(*_change("train"))
    same = {name for name in fitted if _same(fitted[name], changed[name])}
    assert same <= {"svm_choice"}
