"""Parameters: what is accepted as it is typed, and what is refused by name."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from disentangled_audio import parameters as p

ANALYSIS = {"sample_rate_hz": 16000, "duration_s": 0.5}
CORPUS = {"sources": [{"folder": "mine"}], "analysis": ANALYSIS}
PROTOCOL = {"target": "label", "split": {"strategy": "random"}}
COMPLETE: dict[type[BaseModel], dict[str, Any]] = {
    p.AudioFormat: {},
    p.MatFormat: {"reader": "mat", "samples": "h", "sample_rate": "info.fs"},
    p.RawFormat: {"reader": "raw", "encoding": "int16", "sample_rate_hz": 48000},
    p.Source: {},
    p.ExpectedFiles: {"recordings": 3},
    p.Link: {"kind": "noise", "to": "rir", "by": ["room"]},
    p.FolderSource: {"folder": "mine"},
    p.ArchiveSource: {"archive": "mine.zip"},
    p.TwinSource: {"generator": "twin"},
    p.FactorsSource: {"generator": "factors"},
    p.Analysis: ANALYSIS,
    p.Corpus: CORPUS,
    p.Split: {"strategy": "random"},
    p.Protocol: PROTOCOL,
    p.ParallelParameters: {},
    p.FourierParameters: {},
    p.AcousticParameters: {},
    p.AugmentationParameters: {},
    p.ViewParameters: {},
    p.CodeTerm: {"of": ["duration"]},
    p.IndependenceTerm: {"of": ["group"]},
    p.DisentanglerParameters: {},
    p.SvmParameters: {},
    p.HybridParameters: {},
    p.EvaluationParameters: {},
    p.CepstraParameters: {},
    p.AuditParameters: {},
    p.InferenceParameters: {},
    p.DisentanglementParameters: {},
    p.CrossValidationParameters: {},
}


def _errors(model: type[BaseModel], values: dict[str, Any]) -> dict[str, str]:
    """Message of each refused key, by its dotted name."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate({**COMPLETE[model], **values})
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize("model", COMPLETE, ids=lambda model: model.__name__)
def test_an_unknown_key_is_refused_by_name(model: type[BaseModel]) -> None:
    model.model_validate(COMPLETE[model])

    (message,) = _errors(model, {"colour": "red"}).values()
    assert "unknown key colour" in message
    assert "allowed are " + ", ".join(model.model_fields) in message


@pytest.mark.parametrize("model", COMPLETE, ids=lambda model: model.__name__)
def test_values_cannot_be_changed_later(model: type[BaseModel]) -> None:
    values = model.model_validate(COMPLETE[model])
    field = next(iter(model.model_fields))

    with pytest.raises(ValidationError, match="frozen"):
        setattr(values, field, getattr(values, field))


def test_every_model_of_the_module_is_tested_here() -> None:
    models = {
        value
        for value in vars(p).values()
        if isinstance(value, type) and issubclass(value, p.Parameters)
    }

    assert models - {p.Parameters} == set(COMPLETE)


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        (p.Analysis, "duration_s", -0.5),
        (p.Analysis, "duration_s", 0),
        (p.Analysis, "duration_s", 61),
        (p.Analysis, "duration_s", "long"),
        (p.Analysis, "duration_s", float("nan")),
        (p.Analysis, "min_duration_s", -0.01),
        (p.Analysis, "pre_direct_s", -0.01),
        (p.Analysis, "sample_rate_hz", 0),
        (p.Analysis, "sample_rate_hz", 16000.5),
        (p.Analysis, "channel", "second"),
        (p.Analysis, "align", "end"),
        (p.Analysis, "fill", "noise"),
        (p.Analysis, "normalise_energy", "perhaps"),
        (p.Corpus, "sources", []),
        (p.Corpus, "max_rejected_share", 1.1),
        (p.Corpus, "max_rejected_share", -0.1),
        (p.Corpus, "analysis", None),
        (p.Corpus, "files", {"a": 1}),
        (p.TwinSource, "generator", "other"),
        (p.TwinSource, "seed", -1),
        (p.TwinSource, "files_per_group", 0),
        (p.Split, "strategy", "leave_one_out"),
        (p.Split, "n_folds", 1),
        (p.Split, "validation_folds", 1),
        (p.Split, "repeats", 0),
        (p.Split, "repeats", 1001),
        (p.Split, "repeat", -1),
        (p.Protocol, "target", None),
        (p.Protocol, "where", ["rir"]),
        (p.ParallelParameters, "backend", "threads"),
        (p.ParallelParameters, "n_jobs", 0),
        (p.AugmentationParameters, "max_rows", 0),
        (p.FourierParameters, "n_components", 0),
        (p.FourierParameters, "floor_db", 0),
        (p.AugmentationParameters, "copies", -1),
        (p.AugmentationParameters, "max_gain_db", -1),
        (p.AugmentationParameters, "max_shift_s", -1),
        (p.AugmentationParameters, "max_speed_change", 0.5),
        (p.AugmentationParameters, "max_tilt_db_per_octave", -1),
        (p.AugmentationParameters, "pca_jitter", -1),
        (p.AugmentationParameters, "min_snr_db", float("nan")),
        (p.ViewParameters, "hop_s", 0),
        (p.ViewParameters, "pitch", "loud"),
        (p.ViewParameters, "n_mels", 2),
        (p.DisentanglerParameters, "epochs", 0),
        (p.DisentanglerParameters, "dropout", 1),
        (p.DisentanglerParameters, "head_codes", ["colour"]),
        (p.DisentanglerParameters, "reconstruction_weight", -0.1),
        (p.SvmParameters, "inner_folds", 1),
        (p.SvmParameters, "n_jobs", 0),
        (p.SvmParameters, "C", "much"),
        (p.HybridParameters, "max_temperature", 1),
        (p.EvaluationParameters, "n_resamples", 99),
        (p.EvaluationParameters, "reject_below", 1.0),
        (p.EvaluationParameters, "max_risk", 0),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(model: type[BaseModel], key: str, value: Any) -> None:
    refused = _errors(model, {key: value})

    assert {name.split(".")[0] for name in refused} == {key}


@pytest.mark.parametrize(
    "band_hz", [(3000, 300), (300, 300), (0, 300), (-1, 300), (300, 8001), (9000, 9500)]
)
def test_a_band_must_rise_and_end_at_half_of_the_sampling_rate(
    band_hz: tuple[float, float],
) -> None:
    refused = _errors(p.Analysis, {"band_hz": band_hz})

    message = "\n".join(refused.values())
    assert "must rise and end at or below half of sample_rate_hz (8000 Hz)" in message
    assert str([float(value) for value in band_hz]) in message


def test_a_band_may_end_at_half_of_the_sampling_rate() -> None:
    analysis = p.Analysis.model_validate({**ANALYSIS, "band_hz": [100, 8000]})

    assert analysis.band_hz == (100.0, 8000.0)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("*.wav", ["*.wav"]),
        (["*.wav", "*.flac"], ["*.wav", "*.flac"]),
        (7, ["7"]),
        ([0, 1], ["0", "1"]),
        ([], []),
    ],
)
def test_a_single_text_stands_for_a_list(written: Any, read: list[str]) -> None:
    corpus = p.Corpus.model_validate({**CORPUS, "files": written, "name_patterns": written})
    protocol = p.Protocol.model_validate(
        {**PROTOCOL, "group_by": written, "factors": written, "where": {"kind": written}}
    )

    assert corpus.files == corpus.name_patterns == read
    assert protocol.group_by == protocol.factors == protocol.where["kind"] == read


@pytest.mark.parametrize(
    ("written", "read"), [(3, [3.0]), ("0.5", [0.5]), ([1, "10"], [1.0, 10.0])]
)
def test_a_single_number_stands_for_a_list(written: Any, read: list[float]) -> None:
    svm = p.SvmParameters.model_validate({"C": written, "gamma_scale": written})

    assert svm.C == svm.gamma_scale == read


@pytest.mark.parametrize(("key", "values"), [("C", []), ("C", [1, 0]), ("gamma_scale", [-1.0])])
def test_a_grid_has_values_above_0(key: str, values: list[float]) -> None:
    message = "\n".join(_errors(p.SvmParameters, {key: values}).values())

    assert f"{key} needs one or more values above 0, got {[float(v) for v in values]}" in message


def test_one_thing_chooses_what_is_rejected() -> None:
    message = "\n".join(
        _errors(p.EvaluationParameters, {"reject_below": 0.8, "max_risk": 0.05}).values()
    )

    assert "reject_below (0.8) and max_risk (0.05) both choose what is rejected" in message
    for key in ("reject_below", "max_risk"):
        p.EvaluationParameters.model_validate({key: "0.5"})


def test_numbers_from_the_command_line_are_texts() -> None:
    analysis = p.Analysis.model_validate({"sample_rate_hz": "8000", "duration_s": "1.5"})

    assert (analysis.sample_rate_hz, analysis.duration_s) == (8000, 1.5)


def test_the_ratios_of_the_noise_are_in_order() -> None:
    message = "\n".join(
        _errors(p.AugmentationParameters, {"min_snr_db": 30, "max_snr_db": 20}).values()
    )

    assert "min_snr_db (30) is above max_snr_db (20)" in message


@pytest.mark.parametrize("given", [{}, {"test": ["0"]}, {"column": ""}])
def test_a_column_split_needs_the_column(given: dict[str, Any]) -> None:
    message = "\n".join(_errors(p.Split, {"strategy": "column", **given}).values())

    assert "strategy 'column' needs column" in message


@pytest.mark.parametrize("given", [{}, {"test": None}, {"test": []}])
def test_without_test_values_each_value_of_the_column_is_a_fold(given: dict[str, Any]) -> None:
    column = {"strategy": "column", "column": "take", **given}

    assert not p.Split.model_validate(column).test
    (message,) = _errors(p.Split, {**column, "train": ["0"]}).values()
    assert "train needs test" in message


@pytest.mark.parametrize("strategy", ["random", "grouped", "leave_one_group_out", "column"])
def test_only_folds_that_are_drawn_can_be_drawn_again(strategy: str) -> None:
    repeated = {"strategy": strategy, "column": "take", "repeats": 3, "repeat": 2}
    if strategy in ("random", "grouped"):
        assert p.Split.model_validate(repeated).repeat == 2
        (message,) = _errors(p.Split, {**repeated, "repeat": 3}).values()
        assert "repeat 3 must be below repeats (3)" in message
    else:
        (message,) = _errors(p.Split, repeated).values()
        assert f"those of '{strategy}' are given" in message


@pytest.mark.parametrize(("fold", "read"), [(2, 2), ("jackson", "jackson"), (None, None)])
def test_a_fold_is_a_number_or_a_name(fold: Any, read: Any) -> None:
    assert p.Split.model_validate({"strategy": "grouped", "fold": fold}).fold == read


def test_a_source_is_known_by_its_keys() -> None:
    corpus = p.Corpus.model_validate(
        {**CORPUS, "sources": [{"folder": "mine"}, {"generator": "twin", "seed": 3}]}
    )

    assert corpus.sources == [
        p.FolderSource(folder="mine"),
        p.TwinSource(generator="twin", seed=3),
    ]


def test_a_value_is_not_both_trained_and_tested_on() -> None:
    with pytest.raises(ValidationError, match="share the values"):
        p.Split(strategy="column", column="take", train=["1", "2"], test=["2"])


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ({"folder": "mine", "colour": "red"}, {"folder": "unknown key colour"}),
        ({"url": "ftp://x/a.zip"}, {"archive": "must start with http"}),
        (
            {"folder": "mine", "url": "http://x/a.zip", "max_files": 0},
            {"archive.max_files": ""},
        ),
        ({"generator": "factors", "takes": 0}, {"factors.takes": "greater than or equal to 1"}),
        ({"generator": "fractal"}, {"": "generator must be twin or factors"}),
        ("mine", {"folder": "valid dictionary"}),
    ],
)
def test_what_is_wrong_with_a_source_is_told_of_the_kind_that_is_meant(
    source: object, messages: dict[str, str]
) -> None:
    errors = _errors(p.Corpus, {"sources": [source]})

    keys = {key.removeprefix("sources.0").strip("."): text for key, text in errors.items()}
    assert len(keys) == len(messages)
    for (key, text), (expected_key, expected) in zip(keys.items(), messages.items(), strict=True):
        assert key.startswith(expected_key)
        assert expected in text


def test_a_cluster_needs_the_address_of_its_scheduler() -> None:
    (message,) = _errors(p.ParallelParameters, {"backend": "dask"}).values()
    assert "scheduler_address, such as tcp://" in message


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"centre_hz": []}, "centre_hz needs"),
        ({"centre_hz": [500.0, 500.0]}, "different values"),
        ({"centre_hz": [5.0]}, "20 Hz or more"),
        ({"late_windows_s": [[0.2, 0.1]]}, r"late_windows_s \[0.2, 0.1\] must rise"),
    ],
)
def test_acoustic_parameters_that_cannot_be_measured(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        p.AcousticParameters.model_validate(values)
