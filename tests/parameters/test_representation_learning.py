"""The disentangler's nested groups."""

from typing import Any

import pytest

from disentangled_audio import parameters as p
from tests.parameters.refusal import refused

GROUPS = "method, encoders, decoder, head, losses, augmentation, schedule"


def test_a_group_keeps_the_defaults_of_what_is_not_given() -> None:
    given = {"schedule": {"epochs": 3}, "losses": {"readouts": {"pitch": {"of": "median_f0"}}}}
    parameters = p.DisentanglerParameters.model_validate(given)

    assert parameters.schedule == p.ScheduleParameters(epochs=3)
    assert parameters.terms.readouts == {"pitch": p.CodeTerm(of=["median_f0"])}
    assert parameters.encoders == p.EncoderParameters()


@pytest.mark.parametrize(
    "flat", ["epochs", "head_codes", "decoder_units", "tilt", "readouts", "content_dim"]
)
def test_a_name_outside_its_group_is_an_unknown_key(flat: str) -> None:
    (message,) = refused(p.DisentanglerParameters, {flat: 1}).values()

    assert f"unknown key {flat}; use {GROUPS}" in message


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        (
            {"losses": {"reconstruction_weight": 0, "classification_weight": 0}},
            "losses",
            "are both 0; set one above 0",
        ),
        (
            {"augmentation": {"segment_min_frames": 20}},
            "augmentation",
            "segment_min_frames exceeds segment_max_frames",
        ),
        ({"head": {"codes": ["pitch", "pitch"]}}, "head", "names a code twice: pitch, pitch"),
        ({"head": {"codes": "timbre"}}, "", "head.codes names timbre, but encoders.timbre_dim"),
        (
            {"losses": {"compactness": {"timbre": {"of": ["target"]}}}},
            "",
            "losses.compactness names timbre, but encoders.timbre_dim is 0",
        ),
    ],
)
def test_conflicting_values_are_refused(values: dict[str, Any], key: str, message: str) -> None:
    ((name, told),) = refused(p.DisentanglerParameters, values).items()

    assert name == key
    assert message in told
