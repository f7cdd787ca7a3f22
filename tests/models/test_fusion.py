"""Weights and temperatures of the hybrid on members whose worth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.models import fusion
from disentangled_audio.models.calibration import fit_temperature
from disentangled_audio.models.fusion import ProbabilityFusion

CLASSES = ["ash", "oak", "yew"]


def _truth(n_rows: int = 120) -> np.ndarray:
    return np.array(CLASSES, dtype=object)[np.arange(n_rows) % 3]


def _groups(n_rows: int = 120, n_groups: int = 4) -> np.ndarray:
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


def test_a_good_member_outweighs_noise() -> None:
    fused = _fit({"noise": _noise(), "good": _good()})

    assert fused.members_ == ["noise", "good"]
    assert fused.weights_[1] >= 0.8
    assert np.mean(fused.predict({"noise": _noise(), "good": _good()}) == _truth()) > 0.85


@pytest.mark.parametrize("n_members", [1, 2, 3])
def test_weights_are_a_mean(n_members: int) -> None:
    members = {f"m{number}": _good(0.5 + number / 10) for number in range(n_members)}

    fused = _fit(members)

    assert fused.weights_.shape == fused.temperatures_.shape == (n_members,)
    assert fused.weights_.sum() == pytest.approx(1.0)
    assert (fused.weights_ >= 0).all()
    np.testing.assert_allclose(fused.predict_proba(members).sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("n_members", "weight_step", "weights"),
    [(2, 0.1, [0.5, 0.5]), (4, 0.25, [0.25] * 4), (3, 0.1, [0.3, 0.3, 0.4])],
)
def test_equal_members_weigh_as_evenly_as_the_grid_allows(
    n_members: int, weight_step: float, weights: list[float]
) -> None:
    member = np.random.default_rng(3).dirichlet([1, 1, 1], 120)

    fused = _fit({f"m{number}": member for number in range(n_members)}, weight_step=weight_step)

    np.testing.assert_allclose(sorted(fused.weights_), weights)


def _specialists() -> dict[str, np.ndarray]:
    """One leads in three groups of four and collapses on the last; one is fair everywhere."""
    place = _groups()
    draw = np.random.default_rng(5).random(120)
    leader = np.where(place == "g3", draw < 0.4, draw < 0.99)
    fair = draw[::-1] < 0.8
    return {"leader": _member(leader, 0.9), "fair": _member(fair, 0.7)}


def test_the_worst_group_decides() -> None:
    members = _specialists()
    mean_loss = {
        name: -np.log(probabilities[np.arange(120), np.arange(120) % 3]).mean()
        for name, probabilities in members.items()
    }
    assert mean_loss["leader"] < mean_loss["fair"], "the example is about a member that leads"

    by_group = _fit(members)
    as_one = ProbabilityFusion().fit(members, _truth(), np.full(120, "all"), CLASSES)

    assert as_one.weights_[0] > by_group.weights_[0]
    assert by_group.weights_[1] >= 0.5


def test_no_other_weights_of_the_grid_are_better_for_the_worst_group() -> None:
    members = _specialists()
    fused = _fit(members)
    scaled = [
        ProbabilityFusion().fit({name: values}, _truth(), _groups(), CLASSES)
        for name, values in members.items()
    ]
    alone = [
        one.predict_proba({name: values})
        for one, (name, values) in zip(scaled, members.items(), strict=True)
    ]

    def worst(weight: float) -> float:
        mixed = weight * alone[0] + (1 - weight) * alone[1]
        loss = -np.log(mixed[np.arange(120), np.arange(120) % 3])
        return max(loss[_groups() == name].mean() for name in np.unique(_groups()))

    grid = np.linspace(0, 1, 11)
    assert fused.weights_[0] == pytest.approx(grid[np.argmin([worst(w) for w in grid])])


def test_temperatures_are_fitted_on_the_rows_of_fit_and_on_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def spy(logits: np.ndarray, truth: np.ndarray, max_temperature: float) -> float:
        seen.append((logits, truth, max_temperature))
        return fit_temperature(logits, truth, max_temperature)

    monkeypatch.setattr(fusion, "fit_temperature", spy)
    members = {"good": _good(), "noise": _noise()}

    fused = _fit(members, max_temperature=4.0)
    before = fused.temperatures_.copy()
    fused.predict_proba({name: values[:7][:, ::-1] for name, values in members.items()})

    assert len(seen) == 2
    for (logits, truth, max_temperature), values in zip(seen, members.values(), strict=True):
        np.testing.assert_allclose(np.exp(logits), values)
        np.testing.assert_array_equal(truth, np.arange(120) % 3)
        assert max_temperature == 4.0
    np.testing.assert_array_equal(fused.temperatures_, before)
    assert (before <= 4.0).all()


def test_an_overconfident_member_is_flattened_and_a_shy_one_sharpened() -> None:
    right = np.random.default_rng(6).random(120) < 0.7
    fused = _fit({"sure": _member(right, 0.999), "shy": _member(right, 0.36)})

    sure, shy = fused.temperatures_
    assert sure > 2.0
    assert shy < 0.5
    probabilities = fused.predict_proba(
        {"sure": _member(right, 0.999), "shy": _member(right, 0.36)}
    )
    assert probabilities.max(axis=1) == pytest.approx(right.mean(), abs=0.05)


def test_members_are_known_by_name_and_not_by_order() -> None:
    members = {"good": _good(), "fair": _good(0.6)}
    fused = _fit(members)

    np.testing.assert_array_equal(
        fused.predict_proba(dict(reversed(members.items()))), fused.predict_proba(members)
    )


def test_columns_follow_the_given_classes_in_any_order() -> None:
    order = [2, 0, 1]
    members = {"good": _good(), "fair": _good(0.6)}
    turned = {name: values[:, order] for name, values in members.items()}
    names = [CLASSES[column] for column in order]

    sorted_columns = _fit(members)
    other_columns = ProbabilityFusion().fit(turned, _truth(), _groups(), names)

    np.testing.assert_allclose(other_columns.temperatures_, sorted_columns.temperatures_)
    np.testing.assert_allclose(other_columns.weights_, sorted_columns.weights_)
    np.testing.assert_array_equal(other_columns.predict(turned), sorted_columns.predict(members))


def test_a_certain_and_wrong_member_is_survived() -> None:
    wrong = np.roll(np.eye(3)[np.arange(120) % 3], 1, axis=1)

    fused = _fit({"wrong": wrong, "good": _good()})

    assert fused.weights_[1] >= 0.8
    assert np.isfinite(fused.predict_proba({"wrong": wrong, "good": _good()})).all()


@given(n_members=st.integers(1, 4), step=st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5]))
def test_the_grid_covers_the_simplex_most_even_first(n_members: int, step: float) -> None:
    grid = np.array(fusion._simplex(n_members, step))

    np.testing.assert_allclose(grid.sum(axis=1), 1.0)
    assert (grid >= 0).all()
    assert len(np.unique(grid, axis=0)) == len(grid)
    assert {tuple(row) for row in np.eye(n_members)} <= {tuple(row) for row in grid}
    assert np.all(np.diff(np.square(grid).sum(axis=1)) >= -1e-12)
