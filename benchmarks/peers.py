"""Well-kept libraries on the folds of this project, each with a classifier that is done properly.

    python benchmarks/peers.py                                                 # all tasks
    python benchmarks/peers.py --env fsdd --protocol digit_leave_speaker_out --only mfcc egemaps

mfcc (librosa): 20 MFCC and their slopes; speech from its first to its last active frame, squeezed
to 20 frames; impulse responses, which begin at the direct sound, in 20 equal parts of the clip.
egemaps (opensmile): the 88 functionals of eGeMAPSv02. pyaudioanalysis: mean and deviation of its
68 short-term features. minirocket (aeon): 10,000 MiniRocket features of this project's log-mel
spectrogram, and a ridge classifier; the others an RBF SVM.

All get the project's own analysis clips, without the zeros that ingestion put after the file's
end (minirocket, which needs one length, with them). Scaler, MiniRocket and classifier see training
and validation rows alone; C and gamma, or the ridge, come from inner folds over their groups;
classes weigh alike. Each method runs in a process of its own; seconds and peak memory are that
process's, imports included, and of a machine that may have been shared. Scores go to
docs/results/peers.json.

The extra `benchmarks` has librosa, opensmile, and what pyaudioanalysis needs. A peer whose package
is missing is named and left out. aeon 1.6 asks for numba below 0.64 and pandas below 3.1, which
are not what constraints.txt pins; it goes into an environment of its own, without constraints:

    python3.11 -m venv .venv-aeon
    .venv-aeon/bin/pip install -e ".[cpu]" "aeon>=1.6,<2" "psutil>=6,<8"
    .venv-aeon/bin/python benchmarks/peers.py --only minirocket
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from fold_tables import (
    FoldTables,
    arguments,
    chosen_tasks,
    dump,
    fold_tables,
    load,
    measured,
    print_title,
    record_scores,
    save,
    scores,
    table_row,
)
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from disentangled_audio.evaluation.scores.recall import balanced_accuracy

# Method to the module that it needs.
PACKAGES = {
    "mfcc": "librosa",
    "egemaps": "opensmile",
    "pyaudioanalysis": "pyAudioAnalysis",
    "minirocket": "aeon",
}
N_FRAMES = 20
N_MFCC = 20
N_MELS = 40
WINDOW_S = 0.032
HOP_S = 0.008
# Speech below this, relative to the loudest frame, is what lies before and after it.
TRIM_DB = 35
PYAUDIOANALYSIS_WINDOW_S, PYAUDIOANALYSIS_STEP_S = 0.050, 0.025
MAX_INNER_FOLDS = 3


def heard(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """A clip without the zeros behind its file's end."""
    return np.trim_zeros(np.asarray(clip), "b")


def mfcc_features(tables: FoldTables) -> NDArray[np.float64]:
    return np.stack([_mfcc(heard(clip), tables) for clip in tables.clips])


def _mfcc(clip: NDArray[np.float32], tables: FoldTables) -> NDArray[np.float64]:
    import librosa

    rate_hz = tables.sample_rate_hz
    if not tables.aligned:
        clip, _ = librosa.effects.trim(clip, top_db=TRIM_DB, frame_length=256, hop_length=64)
    cepstra = librosa.feature.mfcc(
        y=clip,
        sr=rate_hz,
        n_mfcc=N_MFCC,
        n_mels=N_MELS,
        n_fft=round(WINDOW_S * rate_hz),
        hop_length=round(HOP_S * rate_hz),
    )
    places = np.linspace(0, cepstra.shape[1] - 1, N_FRAMES)
    squeezed = np.stack([np.interp(places, np.arange(len(row)), row) for row in cepstra])
    return np.concatenate([squeezed, np.gradient(squeezed, axis=1)]).ravel()


def egemaps_features(tables: FoldTables) -> NDArray[np.float64]:
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    rate_hz = round(tables.sample_rate_hz)
    return np.stack([smile(heard(clip), rate_hz).ravel() for clip in tables.clips])


def pyaudioanalysis_features(tables: FoldTables) -> NDArray[np.float64]:
    # Its module of statistics imports readers of MP3 that nothing here needs.
    from pyAudioAnalysis.ShortTermFeatures import feature_extraction

    rate_hz = tables.sample_rate_hz
    window, step = (
        round(seconds * rate_hz) for seconds in (PYAUDIOANALYSIS_WINDOW_S, PYAUDIOANALYSIS_STEP_S)
    )
    rows = []
    for clip in tables.clips:
        samples = heard(clip)
        padded = np.pad(samples, (0, max(0, 2 * window - len(samples))))
        frames, _ = feature_extraction(padded, rate_hz, window, step)
        rows.append(np.concatenate([frames.mean(axis=1), frames.std(axis=1)]))
    return np.nan_to_num(np.stack(rows))


def log_mel(tables: FoldTables) -> NDArray[np.float32]:
    """This project's log-mel spectrogram, (n_items, n_mels, n_frames)."""
    from disentangled_audio.models.views import make_views
    from disentangled_audio.parameters import ViewParameters

    # The modal pitch view is the cheap one; none is used.
    views = make_views(tables.clips, round(tables.sample_rate_hz), ViewParameters(pitch="modal"))
    return views["log_mel"].transpose(0, 2, 1)


def svm() -> tuple[Pipeline, dict]:
    # After standardisation 1 / n_features is scikit-learn's `scale`.
    grid = {"svc__C": [1.0, 10.0, 100.0], "svc__gamma": ["scale"]}
    return make_pipeline(StandardScaler(), SVC(class_weight="balanced", cache_size=500)), grid


def minirocket_ridge() -> tuple[Pipeline, dict]:
    """Scaler and classifier of aeon's MiniRocketClassifier, with the ridge chosen by group."""
    ridge = RidgeClassifier(class_weight="balanced")
    grid = {"ridgeclassifier__alpha": np.logspace(0, 4, 5)}
    return make_pipeline(StandardScaler(with_mean=False), ridge), grid


def minirocket_of_training(
    train: NDArray[np.float32], test: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """MiniRocket features; its biases are quantiles of training rows."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    transform = MiniRocket(random_state=0, n_jobs=1).fit(train)
    return transform.transform(train), transform.transform(test)


def as_they_are(train: NDArray, test: NDArray) -> tuple[NDArray, NDArray]:
    """Features that nothing was fitted for."""
    return train, test


# What is taken of every clip, what is then fitted on training rows, and the classifier.
METHODS: dict[str, tuple[Callable, Callable, Callable]] = {
    "mfcc": (mfcc_features, as_they_are, svm),
    "egemaps": (egemaps_features, as_they_are, svm),
    "pyaudioanalysis": (pyaudioanalysis_features, as_they_are, svm),
    "minirocket": (log_mel, minirocket_of_training, minirocket_ridge),
}


def searched(
    classifier: Pipeline, grid: dict, features: NDArray, target: NDArray, group: NDArray
) -> GridSearchCV:
    """Fit with what inner folds over groups choose by balanced accuracy."""
    n_folds = min(MAX_INNER_FOLDS, len(np.unique(group)))
    inner = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    search = GridSearchCV(classifier, grid, scoring=mean_recall_of, cv=inner)
    return search.fit(features, target, groups=group)


def mean_recall_of(classifier: Pipeline, features: NDArray, target: NDArray) -> float:
    return float(balanced_accuracy(target, classifier.predict(features)))


def predictions(tables: FoldTables, method: str) -> dict[str, list[str]]:
    """Fold to predicted class names of its test rows."""
    features_of, fitted, classifier = METHODS[method]
    features = features_of(tables)
    predicted = {}
    for fold, table in tables.roles.items():
        test = (table["role"] == "test").to_numpy()
        train_features, test_features = fitted(features[~test], features[test])
        learning = table[~test]
        search = searched(
            *classifier(),
            train_features,
            learning["target"].to_numpy(dtype=str),
            learning["group"].to_numpy(dtype=str),
        )
        predicted[fold] = search.predict(test_features).tolist()
    return predicted


def compare(env: str, protocol: str, options: argparse.Namespace) -> dict:
    """Print a task's table; scores by method."""
    tables = fold_tables(env, protocol)
    print_title(env, protocol, tables)
    truth = {
        fold: table["target"][table["role"] == "test"].to_numpy(dtype=str)
        for fold, table in tables.roles.items()
    }
    scored = {}
    with tempfile.TemporaryDirectory() as folder:
        path = dump(tables, folder)
        for method in filter(installed, options.only):
            scored[method] = scores(truth, measured(__file__, method, path))
            print(table_row(method, scored[method]), flush=True)
    only = "" if len(scored) == len(METHODS) else f" --only {' '.join(scored)}"
    command = f"python benchmarks/peers.py --env {env} --protocol {protocol}{only}"
    record_scores("peers", tables, scored, command, seeds=[tables.seed])
    return scored


def installed(method: str) -> bool:
    return find_spec(PACKAGES[method]) is not None


def main() -> None:
    options = arguments(__doc__, tuple(METHODS)).parse_args()
    if options.tables:
        warnings.simplefilter("ignore")
        with threadpool_limits(1):
            predicted = predictions(load(options.tables), options.only[0])
        options.predictions.write_text(json.dumps(predicted))
        return
    for method in options.only:
        if not installed(method):
            print(f"{method} is left out: {PACKAGES[method]} is not installed (see --help)")
    results = {}
    for env, protocol in chosen_tasks(options):
        results[f"{env}/{protocol}"] = compare(env, protocol, options)
        save(results, options.output)


if __name__ == "__main__":
    main()
