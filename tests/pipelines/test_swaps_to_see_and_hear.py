"""Swap examples as spectra and sound: saved results of a run, and the nodes alone."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.models.arrays import in_memory
from disentangled_audio.parameters import DisentanglementParameters, ViewParameters
from disentangled_audio.pipelines.disentanglement.nodes import (
    make_swap_examples,
    plot_swap_examples,
    sound_swap_examples,
)
from tests.conftest import load_catalog

CORPUS = SimpleNamespace(analysis=SimpleNamespace(clip_rate_hz=8000), simulated=True)
VIEWS = ViewParameters(n_mels=20)


@pytest.fixture(scope="module")
def inputs(measured_run: Path) -> list:
    catalog = load_catalog(measured_run)
    return [catalog.load(name) for name in ("codes", "disentangler", "log_mel", "factor_table")]


def examples_of(inputs: list, seed: int = 7, **parameters) -> tuple[pd.DataFrame, np.ndarray]:
    table, spectra = make_swap_examples(*inputs, DisentanglementParameters(**parameters), seed)
    return table, spectra[:]


def test_rows_of_table_spectra_and_sound_belong_together(measured_run: Path) -> None:
    catalog = load_catalog(measured_run)
    table, spectra, audio = (
        catalog.load(name) for name in ("swap_examples", "swap_spectra", "swap_audio")
    )
    assert table["example"].nunique() == 4
    assert len(table) == spectra.shape[0] == audio.shape[0]
    assert spectra.dtype == audio.dtype == np.float32
    assert spectra.shape[1:] == catalog.load("log_mel").shape[1:]
    rate_hz = audio.attrs["sample_rate_hz"]
    assert rate_hz == catalog.load("waveforms").attrs["sample_rate_hz"]
    hop_samples = round(catalog.load("params:views").hop_s * rate_hz)
    assert audio.shape[1] == spectra.shape[1] * hop_samples
    # Results of impulse responses too are sound, whatever it is worth.
    assert np.isfinite(audio[:]).all()
    np.testing.assert_allclose(np.abs(audio[:]).max(axis=1), 1.0, rtol=1e-5)
    assert audio.attrs["split_hash"] == table.attrs["split_hash"]


def test_inputs_and_donors_are_test_clips_of_other_classes(measured_run: Path) -> None:
    catalog = load_catalog(measured_run)
    table, spectra = catalog.load("swap_examples"), catalog.load("swap_spectra")
    splits, log_mel = catalog.load("splits"), catalog.load("log_mel")
    split_of = splits.reset_index().set_index("recording_id")
    real = table[table["shown"].isin(["input", "donor"])]
    assert set(split_of.loc[real["from_content"], "role"]) == {"test"}
    assert list(split_of.loc[real["from_content"], "target"]) == list(real["attribute_target"])
    np.testing.assert_array_equal(
        spectra.oindex[real.index.to_numpy()],
        log_mel.oindex[split_of.loc[real["from_content"], "index"].to_numpy()],
    )
    assert (real.groupby("example")["attribute_target"].nunique() == 2).all()
    results = table[table["shown"] == "swapped"]
    donors = real[real["shown"] == "donor"]
    assert list(results["attribute_target"]) == list(donors["attribute_target"])
    assert (results["from_content"] != results["from_rhythm"]).all()


def test_each_spectrogram_is_named_by_readers_of_training_clips(inputs: list) -> None:
    factor_table = inputs[-1]
    table, _ = examples_of(inputs)
    classes = set(factor_table.loc[factor_table["role"] == "train", "target"])
    assert set(table["read_target"]) <= classes
    # Real ones are mostly named as they are.
    real = table[table["shown"].isin(["input", "donor"])]
    assert (real["read_target"] == real["attribute_target"]).mean() > 0.5


def test_the_seed_decides_and_the_number_is_a_parameter(inputs: list) -> None:
    first, spectra = examples_of(inputs)
    again, same = examples_of(inputs)
    other, _ = examples_of(inputs, seed=8)
    pd.testing.assert_frame_equal(first, again)
    np.testing.assert_array_equal(spectra, same)
    assert not first.equals(other)
    assert examples_of(inputs, n_examples=2)[0]["example"].nunique() == 2


def test_numbers_are_shown_with_their_unit(inputs: list) -> None:
    table, _ = examples_of(inputs, carried_by={"target": "content", "t20": "rhythm"})
    third = "(low|middle|high)"
    assert table["attribute_t20"].str.fullmatch(rf"[\d.]+ s \({third}\)").all()
    assert table["read_t20"].str.fullmatch(third).all()


def test_where_nothing_varies_the_table_is_empty_and_the_figure_says_why(inputs: list) -> None:
    *others, factor_table = inputs
    table, spectra = make_swap_examples(
        *others, factor_table.assign(target="air"), DisentanglementParameters(), 7
    )
    assert table.empty
    assert table.attrs["reason"] == "none of these varies among the test clips: target"
    assert spectra.shape == (0, *inputs[2].shape[1:])
    figure = plot_swap_examples(table, spectra, CORPUS, VIEWS)
    assert "none of these varies" in figure.axes[0].texts[0].get_text()
    assert sound_swap_examples(spectra, CORPUS, VIEWS, 7).shape[0] == 0


def test_the_figure_has_a_row_for_each_example(inputs: list) -> None:
    table, spectra = make_swap_examples(*inputs, DisentanglementParameters(n_examples=3), 7)
    figure = plot_swap_examples(table, spectra, CORPUS, VIEWS)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert sum(title.startswith("result: should be\ntarget") for title in titles) == 3
    assert "(simulated recordings)" in figure.get_suptitle()


def test_silent_and_wild_spectra_become_sound() -> None:
    rng = np.random.default_rng(0)
    spectra = np.stack([np.zeros((30, 20)), rng.normal(0.0, 3.0, (30, 20))]).astype(np.float32)
    audio = sound_swap_examples(in_memory(spectra), CORPUS, VIEWS, 7)
    assert audio.attrs["sample_rate_hz"] == 8000
    assert audio.dtype == np.float32
    assert (audio[0] == 0.0).all()
    assert np.isfinite(audio[1]).all()
    assert np.abs(audio[1]).max() == pytest.approx(1.0)
    np.testing.assert_array_equal(
        audio[:], sound_swap_examples(in_memory(spectra), CORPUS, VIEWS, 7)[:]
    )
