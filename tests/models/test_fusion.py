"""Weights and temperatures of the hybrid on members of known accuracy."""

import numpy as np
import pytest

from disentangled_audio.models import fusion
from disentangled_audio.models.calibration import fit_temperature
from disentangled_audio.models.fusion import ProbabilityFusion

CLASSES = ["ash", "oak", "yew"]


def _truth(n_rows: int = 120) -> np.ndarray:
    return np.array(CLASSES, dtype=object)[np.arange(n_rows) % 3]


def _groups(n_rows: int = 120, n_groups: int = 120) -> np.ndarray:
    return np.array([f"g{row % n_groups}" for row in range(n_rows)], dtype=object)


def _member(right: np.ndarray, confidence: float = 0.8) -> np.ndarray:
    """Says the true class with this confidence where it is right, the next one elsewhere."""
    column = (np.arange(len(right)) + ~right) % 3
    probabilities = np.full((len(right), 3), (1 - confidence) / 2)
    probabilities[np.arange(len(right)), column] = confidence
    return probabilities


def _good(share: float = 0.9) -> np.ndarray:
    return _member(np.random.default_rng(1).random(120) < share)


def _noise() -> np.ndarray:
    return np.random.default_rng(2).dirichlet([1, 1, 1], 120)


def _fit(members: dict[str, np.ndarray], **settings: float) -> ProbabilityFusion:
    return ProbabilityFusion(**settings).fit(members, _truth(), _groups(), CLASSES)


def test_a_poor_member_does_no_harm() -> None:
    members = {"sure": _member(np.random.default_rng(2).random(120) < 0.7, 0.99), "good": _good()}
    fused = _fit(members)

    assert fused.members_ == ["sure", "good"]
    np.testing.assert_allclose(
        np.mean(fused.predict(members) == _truth()),
        np.mean(_fit({"good": members["good"]}).predict({"good": members["good"]}) == _truth()),
        atol=0.02,
    )


def test_a_random_member_does_no_harm() -> None:
    members = {"noise": _noise(), "good": _good()}
    fused = _fit(members)

    assert fused.temperatures_[0] > 5 * fused.temperatures_[1]
    np.testing.assert_array_equal(fused.predict(members), _fit({"good": _good()}).predict(members))


@pytest.mark.parametrize("n_members", [1, 2, 3])
def test_weights_are_a_mean(n_members: int) -> None:
    members = {f"m{number}": _good(0.7 + number / 10) for number in range(n_members)}

    fused = _fit(members)

    assert fused.weights_.shape == fused.temperatures_.shape == (n_members,)
    assert fused.weights_.sum() == pytest.approx(1.0)
    assert (fused.weights_ >= 0).all()
    np.testing.assert_allclose(fused.predict_proba(members).sum(axis=1), 1.0)


@pytest.mark.parametrize("n_members", [2, 3, 4])
def test_equal_members_have_equal_weights(n_members: int) -> None:
    fused = _fit({f"m{number}": _good() for number in range(n_members)})
    np.testing.assert_allclose(fused.weights_, 1 / n_members)


def test_members_weigh_as_their_odds() -> None:
    # Right in 30 of 40 rows of each class, and in 28 of 40.
    place = np.arange(120) // 3
    members = {"three": _member(place % 4 != 0), "some": _member(place % 10 < 7)}

    fused = _fit(members)

    errors = [(120 * error + 1) / 122 for error in (0.25, 0.3)]
    odds = np.log([2 * (1 - error) / error for error in errors])
    np.testing.assert_allclose(fused.weights_, odds / odds.sum())


def test_members_of_one_source_share_the_vote_of_the_best() -> None:
    place = np.arange(120) // 3
    members = {
        "codes": _member(place % 10 < 7),
        "network": _member(place % 4 != 0),
        "other": _member(place % 4 != 1),
    }

    fused = ProbabilityFusion(sources={"codes": "network"}).fit(
        members, _truth(), _groups(), CLASSES
    )

    codes, network, other = fused.weights_
    assert codes + network == pytest.approx(other)
    assert codes < network
    # A twin of a member changes nothing.
    twins = members | {"twin": members["other"]}
    shared = {"codes": "network", "twin": "other"}
    with_twin = ProbabilityFusion(sources=shared).fit(twins, _truth(), _groups(), CLASSES)
    np.testing.assert_allclose(with_twin.predict_proba(twins), fused.predict_proba(members))


@pytest.mark.parametrize(
    ("share", "is_silent"), [(0.5, True), (0.8, True), (0.9, False), (0.95, False)]
)
def test_a_member_far_behind_the_best_is_silent(share: float, is_silent: bool) -> None:
    place = np.arange(120) // 3
    members = {"best": _member(place % 20 != 0), "other": _member(place % 20 < 20 * share)}

    assert (_fit(members).weights_[1] == 0) == is_silent


def test_members_that_were_judged_on_more_groups_weigh_by_these() -> None:
    members = {"lucky": _member(np.full(120, True)), "other": _good(0.8)}
    fused = ProbabilityFusion().fit(members, _truth(), _groups(), CLASSES, {"lucky": 0.6})

    own = ProbabilityFusion().fit(members, _truth(), _groups(), CLASSES)
    assert own.weights_[0] > own.weights_[1]
    assert 0 < fused.weights_[0] < fused.weights_[1]


def test_fewer_groups_make_weights_more_even_and_fewer_members_silent() -> None:
    place = np.arange(120) // 3
    members = {"best": _member(place % 20 != 0), "other": _member(place % 10 < 8)}
    many, one = (
        ProbabilityFusion().fit(members, _truth(), _groups(n_groups=n), CLASSES).weights_
        for n in (120, 1)
    )

    assert many[1] == 0
    assert 0 < one[1] < one[0]


def test_a_member_no_better_than_chance_has_no_weight() -> None:
    wrong = _member(np.zeros(120, dtype=bool))

    assert _fit({"wrong": wrong, "good": _good()}).weights_.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(_fit({"wrong": wrong, "other": wrong}).weights_, 0.5)


def test_a_class_that_members_find_improbable_is_ruled_out() -> None:
    right = np.ones(120, dtype=bool)
    fused = _fit({"one": _member(right), "other": _member(right)})
    one, other = (np.tile(row, (5, 1)) for row in ([0.9, 0.1, 0.0], [0.0, 0.1, 0.9]))

    assert (fused.predict({"one": one, "other": other}) == "oak").all()


def test_confidence_alone_gives_a_member_no_more_weight() -> None:
    right = np.ones(120, dtype=bool)
    fused = _fit({"surest": _member(right, 1 - 1e-6), "shy": _member(right, 0.5)})

    np.testing.assert_allclose(fused.weights_, 0.5)


def test_temperatures_are_fitted_on_the_rows_of_fit_and_on_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def spy(logits: np.ndarray, truth: np.ndarray, highest: float, **lowest: float) -> float:
        seen.append((logits, truth, highest))
        return fit_temperature(logits, truth, highest, **lowest)

    monkeypatch.setattr(fusion, "fit_temperature", spy)
    members = {"good": _good(), "noise": _noise()}

    fused = _fit(members, max_temperature=4.0)
    before = fused.temperatures_.copy()
    fused.predict_proba({name: values[:7][:, ::-1] for name, values in members.items()})

    # Then come those of members that answer alone, and that of the mean.
    assert len(seen) == 5
    for (logits, truth, max_temperature), values in zip(seen[:2], members.values(), strict=True):
        np.testing.assert_allclose(np.exp(logits), values)
        np.testing.assert_array_equal(truth, np.arange(120) % 3)
        assert max_temperature == 4.0
    np.testing.assert_array_equal(fused.temperatures_, before)
    assert (before <= 4.0).all()


def test_an_overconfident_member_is_flattened_and_a_shy_one_is_left_alone() -> None:
    right = np.random.default_rng(6).random(120) < 0.7
    sure, shy = _fit({"sure": _member(right, 0.999), "shy": _member(right, 0.36)}).temperatures_
    alone = _fit({"sure": _member(right, 0.999)})

    assert sure > 2.0
    assert shy == pytest.approx(1.0, abs=1e-3)
    confidence = alone.predict_proba({"sure": _member(right, 0.999)}).max(axis=1)
    assert confidence == pytest.approx(right.mean(), abs=0.05)


def test_a_member_that_answers_alone_is_calibrated_and_may_be_sharpened() -> None:
    right = np.random.default_rng(6).random(120) < 0.9
    members = {"sure": _member(right, 0.999), "shy": _member(right, 0.5)}
    fused = _fit(members)

    for name, probabilities in members.items():
        alone = fused.predict_alone(name, probabilities)
        assert alone.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.03)
        np.testing.assert_array_equal(alone.argmax(axis=1), probabilities.argmax(axis=1))


def test_members_are_known_by_name_and_not_by_order() -> None:
    members = {"good": _good(), "fair": _good(0.8)}
    fused = _fit(members)

    np.testing.assert_array_equal(
        fused.predict_proba(dict(reversed(members.items()))), fused.predict_proba(members)
    )


def test_columns_follow_the_given_classes_in_any_order() -> None:
    order = [2, 0, 1]
    members = {"good": _good(), "fair": _good(0.8)}
    turned = {name: values[:, order] for name, values in members.items()}
    names = [CLASSES[column] for column in order]

    sorted_columns = _fit(members)
    other_columns = ProbabilityFusion().fit(turned, _truth(), _groups(), names)

    np.testing.assert_allclose(other_columns.temperatures_, sorted_columns.temperatures_)
    np.testing.assert_allclose(other_columns.weights_, sorted_columns.weights_)
    np.testing.assert_array_equal(other_columns.predict(turned), sorted_columns.predict(members))


def test_a_confident_wrong_member_does_no_harm() -> None:
    wrong = np.roll(np.eye(3)[np.arange(120) % 3], 1, axis=1)

    members = {"wrong": wrong, "good": _good()}
    fused = _fit(members)

    assert fused.temperatures_[0] == pytest.approx(10.0, rel=1e-3)
    np.testing.assert_array_equal(
        fused.predict(members), _fit({"good": _good()}).predict({"good": _good()})
    )
    assert np.isfinite(fused.predict_proba(members)).all()


def _where(probabilities: np.ndarray, applies: np.ndarray) -> np.ndarray:
    return np.where(applies[:, None], probabilities, np.nan)


def test_members_that_apply_share_the_weight_of_one_that_does_not() -> None:
    members = {"good": _good(), "fair": _good(0.8), "some": _good(0.7)}
    fused = _fit(members)
    applies = np.arange(120) < 60
    partly = members | {"some": _where(members["some"], applies)}

    found = fused.predict_proba(partly)

    np.testing.assert_allclose(found[applies], fused.predict_proba(members)[applies])
    alone = _fit({"good": members["good"], "fair": members["fair"]})
    alone.weights_ = fused.weights_[:2] / fused.weights_[:2].sum()
    alone.temperature_ = fused.temperature_
    np.testing.assert_allclose(found[~applies], alone.predict_proba(members)[~applies])


def test_a_member_is_judged_on_the_rows_that_it_applies_to() -> None:
    applies = np.arange(120) % 2 == 0
    partly = _where(_good(), applies)
    half = _fit({"some": partly, "noise": _noise()})
    of_those = ProbabilityFusion().fit(
        {"some": partly[applies]}, _truth()[applies], _groups()[applies], CLASSES
    )

    assert half.temperatures_[0] == pytest.approx(of_those.temperatures_[0])
    assert np.isfinite(half.predict_proba({"some": partly, "noise": _noise()})).all()


def test_rows_to_which_no_member_applies_get_equal_probabilities() -> None:
    fused = _fit({"good": _good(), "fair": _good(0.8)})
    nothing = np.full((2, 3), np.nan)

    found = fused.predict_proba({"good": nothing, "fair": nothing})

    np.testing.assert_allclose(found, 1 / 3)


def test_members_without_weight_count_where_no_other_applies() -> None:
    members = {"noise": _noise(), "good": _good()}
    fused = _fit(members)
    fused.weights_ = np.array([0.0, 1.0])
    nothing = np.full((120, 3), np.nan)

    found = fused.predict_proba({"noise": members["noise"], "good": nothing})

    np.testing.assert_array_equal(found.argmax(axis=1), members["noise"].argmax(axis=1))


def test_a_member_that_applies_to_no_row_of_fit_has_no_weight() -> None:
    fused = _fit({"absent": np.full((120, 3), np.nan), "good": _good()})

    np.testing.assert_array_equal(fused.weights_, [0.0, 1.0])
    with pytest.raises(ValueError, match="absent"):
        _fit({"absent": np.full((120, 3), np.nan)})
