"""The published method, faults and all, on the folds of this project.

    python benchmarks/published_method.py                                      # all tasks; hours
    python benchmarks/published_method.py --only svm                           # minutes
    python benchmarks/published_method.py --env fsdd --protocol digit_official --cnn-folds 1

A recording is the mean of its channels, every second sample without a filter, zeros up to the
longest of the task; its features are the magnitudes of the complex FFT, standardised over ALL
rows, test rows too, and 100 principal components of all rows (as many as there are rows, if
fewer). Each training row is there twice, once with noise of 0.05·N(0, 1) in every component.

svm: an RBF SVC of C = 1 and gamma 'scale'. cnn: the components as a sequence through three
encoders of RANDOM weights that are never trained, and a convolutional network on what they give,
stopped early on the TEST rows. combined: the majority of the two votes, a tie goes to the lower
label. The validation rows of this project are training rows here; items of one file are one row.

What the publication leaves open: Conv1D has ReLU and `same` padding (the encoders then give the
9,664 values that it names), early stopping keeps the last weights, and noisy copies are made of
training rows; `--copies-of all` makes them of test rows too, and trains on them.

Its network has 79 million weights, 1.6 s of a core for every 32 rows: up to 40 minutes of a core
for a fold of FSDD, hence `--cnn-folds`. Each of svm and cnn runs in a process of its own; seconds
and peak memory are that process's, imports included, and of a machine that may have been shared.
Combined has the sum of the seconds and the larger memory. Scores go to
docs/results/published_method.json.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from fold_tables import (
    FoldTables,
    Measured,
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
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

METHODS = ("svm", "cnn", "combined")
N_COMPONENTS = 100
NOISE = 0.05


def zero_padded(files: list[Path]) -> np.ndarray:
    """Mean of the channels, every second sample, zeros at the end; (n_files, n_samples)."""
    kept = [soundfile.read(file, always_2d=True)[0].mean(axis=1)[::2] for file in files]
    longest = max(map(len, kept))
    return np.stack([np.pad(samples, (0, longest - len(samples))) for samples in kept])


def components(files: list[Path], seed: int) -> np.ndarray:
    """Principal components of all files' spectra, (n_files, n_components)."""
    spectra = np.abs(np.fft.fft(zero_padded(files)))
    standardised = StandardScaler(copy=False).fit_transform(spectra)
    n_components = min(N_COMPONENTS, *standardised.shape)
    return PCA(n_components, random_state=seed).fit_transform(standardised)


def lower_of_two_votes(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Majority of two votes: where they differ there is a tie, which the lower label wins."""
    return np.minimum(one, other)


def vote_svm(
    train: np.ndarray, target: np.ndarray, test: np.ndarray, test_target: np.ndarray, seed: int
) -> np.ndarray:
    return SVC(kernel="rbf", C=1, gamma="scale").fit(train, target).predict(test)


def vote_cnn(
    train: np.ndarray, target: np.ndarray, test: np.ndarray, test_target: np.ndarray, seed: int
) -> np.ndarray:
    import keras

    keras.utils.set_random_seed(seed)
    encode = encoders(train.shape[1])
    train, test = (encode.predict(rows[..., None], verbose=0)[..., None] for rows in (train, test))
    network = classifier(train.shape[1], int(target.max()) + 1)
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(
        train,
        target,
        batch_size=32,
        epochs=10,
        validation_data=(test, test_target),
        callbacks=[keras.callbacks.EarlyStopping(patience=3)],
        verbose=0,
    )
    return network.predict(test, verbose=0).argmax(axis=1)


def encoders(n_components: int):
    """Content, rhythm and pitch of random weights: (n_rows, n_components, 1) to (n_rows, n)."""
    from keras import Input, Model, layers

    entry = Input((n_components, 1))
    content = layers.Flatten()(convolved(convolved(entry, 128), 256))
    rhythm = layers.Flatten()(convolved(entry, 64))
    pitch = layers.Bidirectional(layers.LSTM(32))(convolved(entry, 64))
    return Model(entry, layers.Concatenate()([content, rhythm, pitch]))


def classifier(n_encoded: int, n_classes: int):
    """The network that is trained: (n_rows, n_encoded, 1) to probabilities."""
    from keras import Input, Model, layers

    entry = Input((n_encoded, 1))
    hidden = layers.Flatten()(convolved(convolved(entry, 64), 128))
    hidden = layers.Dropout(0.5)(layers.Dense(256, activation="relu")(hidden))
    return Model(entry, layers.Dense(n_classes, activation="softmax")(hidden))


def convolved(entry, n_channels: int):
    from keras import layers

    hidden = layers.Conv1D(n_channels, 3, padding="same", activation="relu")(entry)
    return layers.MaxPooling1D(2)(layers.BatchNormalization()(hidden))


def predictions(tables: FoldTables, method: str, options: argparse.Namespace) -> dict:
    """Fold and seed to predicted class names of the fold's test files."""
    vote = {"svm": vote_svm, "cnn": vote_cnn}[method]
    rows = one_row_a_file(tables)
    files = [tables.files[path] for path in tables.recordings["path"][rows]]
    folds = list(tables.roles)
    if method == "cnn" and options.cnn_folds:
        folds = folds[: options.cnn_folds]
    predicted = {}
    for seed in options.seeds:
        features = components(files, seed)
        noise = np.random.default_rng(seed).standard_normal(features.shape)
        copies = features + NOISE * noise
        for fold in folds:
            table = tables.roles[fold][rows]
            names, target = np.unique(table["target"].astype(str), return_inverse=True)
            test = (table["role"] == "test").to_numpy()
            copied = np.ones(len(test), bool) if options.copies_of == "all" else ~test
            train = np.concatenate([features[~test], copies[copied]])
            votes = vote(
                train,
                np.concatenate([target[~test], target[copied]]),
                features[test],
                target[test],
                seed,
            )
            predicted[f"{fold}/seed{seed}"] = names[votes].tolist()
    return predicted


def one_row_a_file(tables: FoldTables) -> np.ndarray:
    """Which rows are the first of their file; the method takes the mean over channels."""
    return ~tables.recordings["path"].duplicated().to_numpy()


def combined(svm: Measured, cnn: Measured) -> Measured:
    """Both votes, for the folds that both have."""
    predicted = {
        fold: lower_of_two_votes(np.array(svm.predicted[fold], dtype=object), votes).tolist()
        for fold, votes in cnn.predicted.items()
    }
    return Measured(
        predicted,
        svm.wall_s + cnn.wall_s,
        svm.core_s + cnn.core_s,
        max(svm.peak_bytes, cnn.peak_bytes),
    )


def compare(env: str, protocol: str, options: argparse.Namespace) -> dict:
    """Print a task's table; scores by method."""
    tables = fold_tables(env, protocol)
    print_title(env, protocol, tables)
    rows = one_row_a_file(tables)
    truth = {
        fold: table["target"][rows & (table["role"] == "test")].to_numpy(dtype=str)
        for fold, table in tables.roles.items()
    }
    further = ["--copies-of", options.copies_of, "--cnn-folds", str(options.cnn_folds)]
    further += ["--seeds", *map(str, options.seeds)]
    needed = [m for m in ("svm", "cnn") if m in options.only or "combined" in options.only]
    results, scored = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = dump(tables, folder)
        for method in needed:
            results[method] = measured(__file__, method, path, *further)
            scored[method] = scores(truth, results[method])
            print(table_row(method, scored[method]), flush=True)
    if "combined" in options.only:
        scored["combined"] = scores(truth, combined(results["svm"], results["cnn"]))
        print(table_row("combined", scored["combined"]), flush=True)
    only = "" if len(scored) == len(METHODS) else f" --only {' '.join(scored)}"
    command = f"python benchmarks/published_method.py --env {env} --protocol {protocol}{only}"
    published = {f"published_{method}": of for method, of in scored.items()}
    record_scores("published_method", tables, published, command, seeds=options.seeds)
    return scored


def main() -> None:
    parser = arguments(__doc__, METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--copies-of", choices=["training", "all"], default="training")
    parser.add_argument("--cnn-folds", type=int, default=0, help="folds of the CNN; 0 is all")
    options = parser.parse_args()
    if options.tables:
        # As TensorFlow comes: the project itself turns this off, for results that repeat.
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        predicted = predictions(load(options.tables), options.only[0], options)
        options.predictions.write_text(json.dumps(predicted))
        return
    results = {}
    for env, protocol in chosen_tasks(options):
        results[f"{env}/{protocol}"] = compare(env, protocol, options)
        save(results, options.output)


if __name__ == "__main__":
    main()
