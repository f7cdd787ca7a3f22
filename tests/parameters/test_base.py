"""Every group of parameters names what it refuses, is immutable and documents its attributes."""

from typing import Any

import pytest
from pydantic import ValidationError

from disentangled_audio import parameters as p
from tests.parameters.refusal import refused

MODELS = {
    value
    for value in vars(p).values()
    if isinstance(value, type) and issubclass(value, p.Parameters) and value is not p.Parameters
}


@pytest.mark.parametrize("model", sorted(MODELS, key=lambda model: model.__name__))
def test_every_attribute_has_a_text_and_an_unknown_key_lists_them_all(
    model: type[p.Parameters],
) -> None:
    for name, field in model.model_fields.items():
        assert (field.description or "").rstrip().endswith("."), name
    (message,) = refused(model, {"colour": "red"}).values()
    assert f"unknown key colour; use {', '.join(model.model_fields)}" in message


def test_values_cannot_be_changed_later() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        p.FourierParameters().n_components = 3


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        (p.AcousticParameters, "centre_hz", "low"),
        (p.AugmentationParameters, "copies", -1),
        (p.AugmentationParameters, "max_rows", 0),
        (p.AugmentationParameters, "max_speed_change", 0.5),
        (p.AugmentationParameters, "min_snr_db", float("nan")),
        (p.CodeTerm, "of", []),
        (p.DisentanglementParameters, "carried_by", {"target": "colour"}),
        (p.EncoderParameters, "dropout", 1),
        (p.EvaluationParameters, "n_resamples", 99),
        (p.EvaluationParameters, "reject_below", 1.0),
        (p.EvaluationParameters, "max_risk", 0),
        (p.FourierParameters, "n_components", 0),
        (p.FourierParameters, "floor_db", 0),
        (p.HeadParameters, "codes", ["colour"]),
        (p.HybridParameters, "max_temperature", 1),
        (p.LossParameters, "reconstruction_weight", -0.1),
        (p.ParallelParameters, "backend", "threads"),
        (p.ParallelParameters, "n_jobs", 0),
        (p.ScheduleParameters, "epochs", 0),
        (p.SvmParameters, "C", "much"),
        (p.SvmParameters, "inner_folds", 1),
        (p.SvmParameters, "n_jobs", 0),
        (p.ViewParameters, "hop_s", 0),
        (p.ViewParameters, "pitch", "loud"),
        (p.ViewParameters, "n_mels", 2),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(
    model: type[p.Parameters], key: str, value: Any
) -> None:
    assert {name.split(".")[0] for name in refused(model, {key: value})} == {key}


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (p.AcousticParameters, {"centre_hz": []}, "centre_hz needs"),
        (p.AcousticParameters, {"centre_hz": [500.0, 500.0]}, "different values"),
        (p.AcousticParameters, {"centre_hz": [5.0]}, "20 Hz or more"),
        (p.AcousticParameters, {"late_windows_s": [[0.2, 0.1]]}, "[0.2, 0.1] must rise"),
        (
            p.AugmentationParameters,
            {"min_snr_db": 30, "max_snr_db": 20},
            "min_snr_db (30) is above max_snr_db (20)",
        ),
        (
            p.EvaluationParameters,
            {"reject_below": 0.8, "max_risk": 0.05},
            "reject_below (0.8) and max_risk (0.05) both choose what is rejected",
        ),
        (p.ParallelParameters, {"backend": "dask"}, "scheduler_address, such as tcp://"),
        (p.ViewParameters, {"rhythm_bands": 41}, "rhythm_bands (41) exceeds n_mels (40)"),
        (p.ViewParameters, {"f0_min_hz": 500.0}, "f0_min_hz must be below f0_max_hz"),
        (p.ViewParameters, {"clip_hop_s": 3.5}, "clip_hop_s (3.5) is above clip_window_s (3)"),
        (
            p.ViewParameters,
            {"clip_window_s": 0.2, "clip_hop_s": 0.1, "window_s": 0.3},
            "window_s (0.3) is above clip_window_s (0.2)",
        ),
        (p.SvmParameters, {"C": []}, "C needs one or more values above 0, got []"),
        (p.SvmParameters, {"C": [1, 0]}, "C needs one or more values above 0, got [1.0, 0.0]"),
        (p.SvmParameters, {"gamma_scale": [-1.0]}, "gamma_scale needs one or more values above 0"),
    ],
)
def test_conflicting_values_are_refused(
    model: type[p.Parameters], values: dict[str, Any], message: str
) -> None:
    assert message in "\n".join(refused(model, values).values())


@pytest.mark.parametrize(
    ("written", "read"), [(3, [3.0]), ("0.5", [0.5]), ([1, "10"], [1.0, 10.0])]
)
def test_a_single_number_stands_for_a_list(written: Any, read: list[float]) -> None:
    assert read == p.SvmParameters.model_validate({"C": written}).C


def test_numbers_from_the_command_line_may_be_text() -> None:
    analysis = p.Analysis.model_validate({"sample_rate_hz": "8000", "duration_s": "1.5"})

    assert (analysis.sample_rate_hz, analysis.duration_s) == (8000, 1.5)
    assert p.EvaluationParameters.model_validate({"max_risk": "0.5"}).max_risk == 0.5
