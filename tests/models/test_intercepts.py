"""Intercepts where libsvm leaves them to chance."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from disentangled_audio.models.intercepts import centre_intercepts


def _rows(n_classes: int, n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = np.repeat([f"c{number}" for number in range(n_classes)], n_rows)
    return rng.normal(size=(len(target), 5)), target


def _fitted(features: np.ndarray, target: np.ndarray, C: float) -> SVC:
    return SVC(C=C, gamma=0.2, class_weight="balanced").fit(features, target)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_classes_that_mirror_each_other_get_the_intercept_between_them(n_classes: int) -> None:
    # Classes far apart, each with the same rows: by symmetry no class is preferred.
    one, _ = _rows(1, 6)
    features = np.concatenate(
        [np.c_[one, 100.0 * np.eye(n_classes)[[k] * 6]] for k in range(n_classes)]
    )
    target = np.repeat([f"c{number}" for number in range(n_classes)], 6)
    svm = _fitted(features, target, 0.01)

    centre_intercepts(svm, features, target)

    np.testing.assert_allclose(svm.intercept_, 0.0, atol=1e-9)
    np.testing.assert_allclose(svm._intercept_, 0.0, atol=1e-9)
    assert (svm.predict(features) == target).all()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("C", [0.01, 0.3, 10.0])
def test_the_dual_optimum_stays(n_classes: int, C: float) -> None:
    features, target = _rows(n_classes, 12)
    kept = (
        np.arange(len(target)) % 12
        < np.array([12, 9, 7])[np.searchsorted(np.unique(target), target)]
    )
    features, target = features[kept], target[kept]
    svm = _fitted(features, target, C)
    before = svm._intercept_.copy()
    dual = svm.dual_coef_.copy()

    centre_intercepts(svm, features, target)

    np.testing.assert_array_equal(svm.dual_coef_, dual)
    for number in range(len(before)):
        # The hinge loss of the pair is not larger than with libsvm's intercept.
        assert (
            _loss(svm, features, target, number)
            <= _loss(svm, features, target, number, before[number]) + 1e-9
        )


def _loss(
    svm: SVC, features: np.ndarray, target: np.ndarray, number: int, intercept: float | None = None
) -> float:
    first, second = (
        [(i, j) for i in range(3) for j in range(i + 1, 3)][number]
        if len(svm.classes_) == 3
        else (0, 1)
    )
    pair = np.isin(target, svm.classes_[[first, second]])
    model = SVC(C=svm.C, gamma=svm.gamma, class_weight="balanced", decision_function_shape="ovo")
    model.__dict__.update(svm.__dict__)
    model.decision_function_shape = "ovo"
    if intercept is not None:
        model._intercept_ = svm._intercept_.copy()
        model._intercept_[number] = intercept
    values = model.decision_function(features[pair])
    values = -values if values.ndim == 1 else values[:, number]
    is_first = target[pair] == svm.classes_[first]
    weight = svm.class_weight_[np.where(is_first, first, second)]
    return float((weight * np.maximum(0, 1 - np.where(is_first, values, -values))).sum())


def test_a_precomputed_kernel_gives_the_same() -> None:
    features, target = _rows(3, 6)
    kernel = rbf_kernel(features, gamma=0.2)
    plain = centre_intercepts(_fitted(features, target, 0.05), features, target)
    given = SVC(C=0.05, kernel="precomputed", class_weight="balanced").fit(kernel, target)

    centre_intercepts(given, kernel, target)

    np.testing.assert_allclose(given._intercept_, plain._intercept_, atol=1e-9)


def test_an_intercept_with_a_free_coefficient_stays() -> None:
    features, target = _rows(2, 30)
    svm = _fitted(features, target, 100.0)
    before = svm._intercept_.copy()

    centre_intercepts(svm, features, target)

    np.testing.assert_array_equal(svm._intercept_, before)
