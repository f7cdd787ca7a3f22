"""Exact and approximate SVM, accuracy, time and memory: python benchmarks/svm_scaling.py"""

import resource
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import record_speed, speed_row

from disentangled_audio.models.svm import CalibratedSvm, Rows, fit_svm
from disentangled_audio.models.svm_search import grouped_folds, search_svm
from disentangled_audio.parameters import SvmParameters

N_CLASSES, N_CLUSTERS, N_FEATURES, NOISE = 3, 12, 60, 1.5
PARAMETERS = SvmParameters()
CENTRES = np.random.default_rng(0).normal(size=(N_CLASSES, N_CLUSTERS, N_FEATURES))


def rows_of(n_rows: int, seed: int) -> Rows:
    """Overlapping clusters, several a class: no line separates the classes."""
    rng = np.random.default_rng(seed)
    number = rng.integers(0, N_CLASSES, n_rows)
    centres = CENTRES[number, rng.integers(0, N_CLUSTERS, n_rows)]
    features = centres + NOISE * rng.normal(size=centres.shape)
    return Rows(features, _names(number), _names(rng.integers(0, 20, n_rows)))


def _names(numbers: NDArray[np.integer]) -> NDArray[np.object_]:
    return np.array([f"c{number}" for number in numbers], dtype=object)


def report(
    name: str, rows: Rows, chosen: dict[str, float], n_landmarks: int | None
) -> list[dict[str, Any]]:
    """Print and return accuracy on rows of another draw, and seconds to fit."""
    unseen = rows_of(5000, seed=2)
    start = perf_counter()
    fitted = CalibratedSvm(fit_svm(rows, chosen, n_landmarks=n_landmarks), 1.0, len(rows), 1e9)
    trained = perf_counter()
    accuracy = np.mean(fitted.predict(unseen.features) == unseen.target)
    predicted = perf_counter()
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(rows):7,d} rows, {name:16s} accuracy {accuracy:.4f}, fit {trained - start:6.1f} s, "
        f"5,000 predicted {predicted - trained:5.2f} s, peak so far {peak_gb:.2f} GB",
        flush=True,
    )
    told = f"{name}, {len(rows):,} rows"
    return [
        speed_row(f"accuracy, {told}", float(accuracy)),
        speed_row(f"fit, {told}", trained - start, "s"),
    ]


if __name__ == "__main__":
    few, many = rows_of(5000, seed=1), rows_of(50_000, seed=1)
    start = perf_counter()
    searched = few[np.arange(PARAMETERS.max_search_rows)]
    folds = grouped_folds(searched, PARAMETERS.inner_folds, seed=0)
    chosen = search_svm(searched, folds, PARAMETERS)
    print(
        f"chosen on {PARAMETERS.max_search_rows:,d} rows: {chosen}, {perf_counter() - start:.1f} s"
    )
    recorded = []
    for rows in (few, many):
        for n_landmarks in (250, 500, 1000):
            recorded += report(f"{n_landmarks} landmarks", rows, chosen, n_landmarks)
        recorded += report("exact", rows, chosen, None)
    record_speed(
        "Approximate SVM (1,000 landmarks) beside the exact one",
        recorded,
        "python benchmarks/svm_scaling.py",
    )
