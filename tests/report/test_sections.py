"""Sections of the report from single recordings and other pipelines, and their absence."""

import io
import wave
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.framework.project import pipelines

from disentangled_audio.parameters import ViewParameters
from disentangled_audio.pipelines.reporting import nodes
from disentangled_audio.pipelines.reporting.pipeline import SECTIONS
from disentangled_audio.report.figures import folds_leakage_figure, swap_examples_figure
from disentangled_audio.report.sections.card import rights_of
from disentangled_audio.report.sections.codes import digest_of
from disentangled_audio.report.sections.mistakes import MOST_MISTAKES, mistakes_section, sound_of
from disentangled_audio.runs.manifest import manifest_of_predictions
from tests.conftest import load_catalog
from tests.report.test_page import corpus_of

NOT_MEASURED = "The codes of these models have not been measured."
VIEWS = ViewParameters()


def test_a_run_by_itself_says_how_to_get_the_rest(tiny_run: Path) -> None:
    report = load_catalog(tiny_run).load("report")
    assert NOT_MEASURED in report
    assert "kedro run --pipelines=disentanglement,reporting --env=test" in report
    assert "kedro run --pipelines=cross_validation --env=test" in report


def test_single_recordings_are_those_of_the_test_rows(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    part, predictions = catalog.load("report_of_mistakes"), catalog.load("predictions")
    tested = predictions.query("model == 'hybrid' and role == 'test'").set_index("recording_id")
    wrong = tested[tested["target"] != tested["predicted"]]
    said, *items = part["blocks"]["mistakes"]
    assert ("misclassified" in said["text"]) is not wrong.empty
    assert 0 < len(items) <= MOST_MISTAKES
    waveforms, recordings = catalog.load("waveforms"), catalog.load("recordings")
    for item in items:
        assert item["text"][1] == tested.loc[item["name"], "target"]
        (row,) = np.flatnonzero(recordings["recording_id"] == item["name"])
        with wave.open(io.BytesIO(b64decode(item["player"]["wav"]))) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        # The sound is that of the recording that is named.
        assert np.corrcoef(samples, waveforms[int(row)])[0, 1] > 0.999


def _written(catalog: Any, facts: dict[str, Any], **changed: Any) -> str:
    """The page of saved sections, some of them changed."""
    names = ["codes", "folds", *SECTIONS]
    sections = [changed.get(name) or catalog.load(f"report_of_{name}") for name in names]
    return nodes.write_report(facts, *sections)


def test_codes_that_were_measured_are_reported_until_others_are_trained(
    measured_run: Path,
) -> None:
    catalog = load_catalog(measured_run)
    facts = {**catalog.load("run_manifest"), "predictions_by": None}
    part = catalog.load("report_of_codes")
    report = _written(catalog, facts)
    assert NOT_MEASURED not in report
    *_, heat_map = part["blocks"]["disentanglement"]
    assert heat_map["picture"]["png"] in report
    swaps = [block for block in part["blocks"]["swaps"] if block["kind"] == "swap"]
    assert swaps
    assert all(player["wav"] in report for swap in swaps for player in swap["players"])
    assert part["codes"] == digest_of(catalog.load("codes"))
    other = {**part, "codes": "of another training"}
    assert NOT_MEASURED in _written(catalog, facts, codes=other)


def test_a_later_report_tells_of_the_run_that_made_the_models(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    trained, reporting = catalog.load("run_manifest"), pipelines["reporting"]
    epochs = trained["parameters"]["disentangler"]["schedule"]["epochs"]
    facts = {**trained, "run_id": "2126-01-01", "parameters": {"seed": 99}}
    facts["predictions_by"] = manifest_of_predictions(reporting, catalog)
    text = _of_run(catalog, facts)
    assert f"<code>disentangler.schedule.epochs</code></th><td><code>{epochs}<" in text
    assert f"<dt>run</dt><dd>{trained['run_id']}</dd>" in text
    assert "<dt>page written by run</dt><dd>2126-01-01</dd>" in text
    assert f"classify PATH --model {trained['run_id']}<" in text
    assert "<code>train_disentangler</code>" in text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("disentangled_audio.runs.manifest.read_manifest", lambda *_: None)
        facts["predictions_by"] = manifest_of_predictions(reporting, catalog)
    text = _of_run(catalog, facts)
    assert "classify PATH" not in text
    assert f"<dt>run</dt><dd>{trained['run_id']}</dd>" in text
    assert "That run left no manifest" in text
    assert "<code>disentangler.schedule.epochs</code>" not in text


def _of_run(catalog: Any, facts: dict[str, Any]) -> str:
    """The page of a run that only reports."""
    made = {}
    for name in ("run", "card"):
        function, inputs = SECTIONS[name]
        given = [facts if name == "run_facts" else catalog.load(name) for name in inputs]
        made[name] = function(*given)
    return _written(catalog, facts, **made)


def test_a_licence_is_named_once_with_the_sources_that_it_is_of() -> None:
    rows = [("b/1", "CC0", None), ("a/1", "CC0", None), ("b/2", "CC0", None), ("c", "MIT", "A")]
    recordings = pd.DataFrame(rows, columns=["path", "licence", "citation"])
    first, second = rights_of(recordings)
    assert (first["licence"], first["sources"]) == ("CC0", ["a", "b"])
    assert second == {"licence": "MIT", "citation": "A", "sources": ["c"]}


def test_where_nothing_is_wrong_the_doubtful_items_are_shown() -> None:
    predictions = pd.DataFrame(
        {"recording_id": ["a"], "group": "g", "kind": "rir", "fold": "f", "role": "test"}
    ).assign(model="hybrid", target="x", predicted="x", p_x=0.6, p_y=0.4)
    recordings = pd.DataFrame({"recording_id": ["a"]})
    section = mistakes_section(
        predictions, recordings, np.ones((1, 800), np.float32), corpus_of(), VIEWS, "room"
    )
    said, item = section["blocks"]["mistakes"]
    assert "The hybrid made no mistake" in said["text"]
    assert "".join(item["text"]) == "room x, confidence 0.60; group g, rir"


def test_figures_without_data_give_the_reason() -> None:
    swaps = pd.DataFrame()
    swaps.attrs["reason"] = "no two clips differ"
    figure = swap_examples_figure(swaps, None, corpus_of(), VIEWS)
    assert figure.axes[0].texts[0].get_text() == "There is no example: no two clips differ."
    figure = folds_leakage_figure(pd.DataFrame(), {"reason": "not measured"}, corpus_of())
    assert figure.axes[0].texts[0].get_text() == "not measured"


def test_the_digest_identifies_codes() -> None:
    codes = pd.DataFrame({"recording_id": ["a", "b"], "content_00": [0.1, 0.2]})
    assert digest_of(codes) == digest_of(codes.copy())
    assert digest_of(codes) != digest_of(codes.assign(content_00=[0.1, 0.3]))


def test_a_response_decays_as_it_was_made_to() -> None:
    rate_hz, t60_s = 8000, 0.5
    time_s = np.arange(rate_hz) / rate_hz
    response = np.random.default_rng(0).normal(size=rate_hz) * 10 ** (-3 * time_s / t60_s)
    response[0] = 5.0
    sound = sound_of(response.astype(np.float32), rate_hz, VIEWS, is_response=True)
    fall_db = sound.decay_db[800] - sound.decay_db[2400]
    assert fall_db == pytest.approx(60 * 0.2 / t60_s, abs=1.5)
    assert sound.level_db.max() == 0.0
    assert sound.level_db.shape[1] == round(VIEWS.window_s * rate_hz) // 2 + 1


@pytest.mark.parametrize("is_response", [True, False])
def test_silence_can_be_drawn(is_response: bool) -> None:
    from disentangled_audio.plots.recording import recording_figure

    sound = sound_of(np.zeros(4000, dtype=np.float32), 8000, VIEWS, is_response=is_response)
    assert sound.decay_db is None
    assert recording_figure(sound).axes[1].get_ylabel() == "amplitude (share of the peak)"


def test_a_long_clip_has_no_more_columns_than_can_be_seen() -> None:
    samples = np.random.default_rng(0).normal(size=8000 * 60).astype(np.float32)
    sound = sound_of(samples, 8000, VIEWS, is_response=False)
    assert len(sound.level_db) <= 401
