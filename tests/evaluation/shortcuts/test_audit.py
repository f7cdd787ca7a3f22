"""The audit's figures on made tables, and that its words follow from the figures."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.shortcuts.audit import (
    NOT_FITTED,
    audit_controls,
    guessed_items,
    margins_over_controls,
)
from disentangled_audio.report.verdict import verdict

NAMED = {"corpus": "made", "simulated": False, "protocol": "p", "target": "place"}
CLASSES = ["a", "b", "c"]
CLEAN = {
    "shares": {"group": 0.0, "file": 0.0},
    "shared_sound": {"leaking": 0},
}


def predictions_of(shares, n_groups=60, n_each=3, role="test"):
    """Models that are right for the given shares of groups; each group is of one class."""
    group = np.repeat(np.arange(n_groups), n_each)
    target = np.array(CLASSES)[group % 3]
    following = np.array(CLASSES)[(group + 1) % 3]
    tables = []
    for model, share in shares.items():
        is_right = (group * 7) % 20 < round(share * 20)
        predicted = np.where(is_right, target, following)
        if model == "majority":
            predicted = np.full(len(group), "a")
        table = pd.DataFrame({"recording_id": np.arange(len(group)), "group": group})
        table = table.assign(kind="rir", fold=group // 3 % 2, role=role, model=model)
        tables.append(table.assign(target=target, predicted=predicted))
    return pd.concat(tables, ignore_index=True).assign(p_a=0.0, p_b=0.0, p_c=0.0)


def audited(shares, constant=(), **options):
    controls = predictions_of({"majority": 0, **shares}, **options)
    return audit_of(controls, dict.fromkeys(constant, "the same for all"))


def audit_of(controls, constant=None):
    return {**audit_controls(controls, constant=constant or {}, **NAMED), "guessed": {}}


def test_controls_that_predict_the_label_are_listed():
    audit = audited({"byte_size": 1.0, "duration": 0.7, "peak": 0.3, "long_term_spectrum": 0.9})
    assert audit["shortcuts"] == ["byte_size", "duration"]
    assert audit["baselines"] == ["long_term_spectrum"]
    assert list(audit["controls"])[:2] == ["byte_size", "long_term_spectrum"]
    assert audit["chance"] == pytest.approx(1 / 3)
    size = audit["controls"]["byte_size"]
    assert size["balanced_accuracy"] == 1
    assert size["margin"] == pytest.approx(2 / 3)
    assert size["gives_away"] == CLASSES
    assert size["p_holm"] < 0.05
    assert size["per_kind"] == {"rir": {"n": 180, "balanced_accuracy": 1.0}}
    assert (audit["n_folds"], audit["n_groups"]) == (2, 60)


def test_too_few_groups_are_reported():
    audit = audited({"byte_size": 1.0}, n_groups=3, n_each=200)
    assert audit["shortcuts"] == []
    assert audit["can_be_significant"] is False
    words = " ".join(verdict(audit, {}, CLEAN))
    assert "3 groups are too few to show that any control predicts the place" in words


def test_classes_that_a_control_gives_away_are_listed():
    controls = predictions_of({"majority": 0, "kind": 1.0})
    is_kind = controls["model"] == "kind"
    controls.loc[is_kind, "predicted"] = np.where(controls.loc[is_kind, "target"] == "b", "b", "a")
    audit = audit_of(controls)
    # It finds a, too, but takes c for it.
    assert audit["controls"]["kind"]["gives_away"] == ["a", "b"]
    assert "of recordings (finds a and b only)." in " ".join(verdict(audit, {}, CLEAN))


def test_a_control_that_failed_in_a_fold_is_not_scored():
    controls = predictions_of({"majority": 0, "duration": 1.0, "byte_size": 1.0})
    failed = (controls["model"] == "duration") & (controls["fold"] == 1)
    audit = audit_of(controls[~failed])
    assert "duration" not in audit["controls"]
    assert audit["not_applicable"] == {"duration": NOT_FITTED}
    assert audit["shortcuts"] == ["byte_size"]


def test_constant_controls_are_listed_and_never_flagged():
    audit = audited({"duration": 1.0}, constant=["duration", "sample_rate"])
    assert audit["shortcuts"] == []
    words = " ".join(verdict(audit, {}, CLEAN))
    assert "(the same for all): Duration, Sampling rate." in words


def test_the_majority_alone_is_valid():
    audit = audited({})
    assert audit["shortcuts"] == []
    assert audit["can_be_significant"] is False


def test_words_of_a_shortcut():
    audit = audited({"byte_size": 1.0, "duration": 0.8, "direct_sound": 0.9})
    sentences = verdict({**audit, "simulated": True}, {}, CLEAN)
    assert sentences[0].startswith(
        "These recordings are simulated. The audit predicts place in made"
    )
    assert sentences[1] == (
        "File size: this shortcut alone recognises the right place in 100 % (95 % interval "
        "100–100 %) of recordings."
    )
    assert sentences[2] == "Other shortcuts: Duration 80 %."
    assert "Simple baselines, which hear the sound, predict the place: Direct sound" in sentences[4]
    assert sentences[-1] == "No test item shares its group or file with a training item."


def test_words_of_the_measurement_chain_are_for_measured_responses():
    audit = audited({"quiet_parts": 1.0, "direct_sound": 0.9})
    words = " ".join(verdict(audit, {}, CLEAN))
    assert "In these measured responses, the direct sound and quiet parts alone tell" in words
    assert "the measurement chain" in words
    of_words = audit_of(predictions_of({"majority": 0, "quiet_parts": 1.0}).assign(kind="word"))
    for other in ({**audit, "simulated": True}, of_words):
        assert "measurement chain" not in " ".join(verdict(other, {}, CLEAN))


def test_items_without_quiet_parts_are_counted():
    controls = predictions_of({"majority": 0, "quiet_parts": 1.0})
    is_guessed = controls["recording_id"] < 12
    controls.loc[is_guessed & (controls["model"] == "quiet_parts"), "predicted"] = "a"
    ids = np.arange(200)
    quiet = pd.DataFrame({"recording_id": ids, "quiet_00": np.where(ids < 12, np.nan, 1.0)})
    # Those that are never tested do not count.
    quiet.loc[199, "quiet_00"] = np.nan
    guessed = guessed_items(controls, quiet)
    assert guessed == {"quiet_parts": {"n": 12, "balanced_accuracy": 1.0}}
    words = " ".join(verdict({**audit_of(controls), "guessed": guessed}, {}, CLEAN))
    assert "Quiet parts: 12 of 180 test items have none, so that the control guesses." in words
    assert "It recognises 100 % of the others." in words


def test_words_without_a_shortcut():
    words = " ".join(verdict(audited({"byte_size": 0.3}), {}, CLEAN))
    assert "No shortcut predicts the place significantly better than chance." in words
    assert "Simple baselines, which" not in words


def margins(models, controls, **options):
    return margins_over_controls(
        predictions_of(models, **options), predictions_of({"majority": 0, **controls}, **options)
    )


def test_margins_are_over_the_best_control_of_each_kind():
    found = margins(
        {"svm": 0.5, "hybrid": 1.0}, {"duration": 0.5, "peak": 0.2, "direct_sound": 0.8}
    )
    assert found["shortcut"]["best_control"] == "duration"
    assert found["simple baseline"]["best_control"] == "direct_sound"
    hybrid = found["shortcut"]["models"]["hybrid"]
    assert hybrid["difference"] == pytest.approx(0.5)
    assert hybrid["significant"] is True
    assert found["shortcut"]["models"]["svm"]["significant"] is False
    words = " ".join(verdict(audited({}), found, CLEAN))
    assert (
        "the margin of the hybrid over the best shortcut, Duration (50 %), is +50 percentage points"
    ) in words
    assert "Of the other models (Fourier + SVM +0), none is significantly better" in words
    assert "the best simple baseline, Direct sound (80 %), is +20" in words


def test_a_model_below_the_control_is_never_significantly_above_it():
    found = margins({"hybrid": 0.0}, {"duration": 1.0})
    assert found["shortcut"]["models"]["hybrid"]["significant"] is False
    words = " ".join(verdict(audited({}), found, CLEAN))
    assert "\N{MINUS SIGN}100 percentage points" in words
    assert "not significant" in words


def test_training_rows_are_not_looked_at():
    tested = predictions_of({"hybrid": 0.5})
    trained = predictions_of({"hybrid": 1.0}, role="train").assign(
        recording_id=lambda t: -1 - t["recording_id"], fold=7
    )
    controls = predictions_of({"majority": 0, "duration": 0.5})
    alone = margins_over_controls(tested, controls)
    assert margins_over_controls(pd.concat([tested, trained]), controls) == alone


def test_one_group_and_few_groups_are_said_where_a_margin_is_significant():
    found = margins({"hybrid": 1.0}, {"duration": 0.0}, n_groups=6)
    assert "With so few groups" in " ".join(verdict(audited({}), found, CLEAN))


def test_words_of_leaks():
    leakage = {
        "shares": {"group": 0.0, "room": 0.25},
        "shared_sound": {
            **{"leaking": 3, "n_test": 200},
            "examples": [
                {
                    **{"path": "x.wav", "other_path": "y.wav", "shared_s": 2.5},
                    **{"start_s": 1.25, "other_start_s": 0.0},
                }
            ],
        },
    }
    words = " ".join(verdict(audited({}), {}, leakage))
    assert "25 % of the test items share their room with training items." in words
    assert "Leak: 3 of 200 test recordings share sound with training recordings" in words
    assert "for example x.wav from 1.25 s with y.wav from 0.00 s, 2.50 s long" in words
    assert "No test item shares" not in words
