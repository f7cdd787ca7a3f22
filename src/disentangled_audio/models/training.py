"""Training of the disentangler, and its codes for any rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from disentangled_audio.models.disentangler import INPUT_NAMES, build_disentangler
from disentangled_audio.models.views import VIEW_NAMES
from disentangled_audio.parameters import DisentanglerParameters

Views = dict[str, NDArray[np.float32]]
Progress = Callable[[int, dict[str, float]], None]

_STANDARDISED_VIEWS = {
    "standardise_content": "content_view",
    "standardise_rhythm": "rhythm_view",
    "standardise_pitch": "pitch_view",
    "standardise_timbre": "content_view",
    "log_mel": "log_mel",
}
NO_LABEL = -1
_WARM_UP_SHARE = 0.05
_MAX_GRADIENT_NORM = 1.0
_VALIDATION_BATCH = 256


def train_disentangler(
    views: Views,
    labels: NDArray[np.integer],
    train_rows: NDArray[np.bool_],
    validation_rows: NDArray[np.bool_],
    n_classes: int,
    parameters: DisentanglerParameters,
    seed: int,
    progress: Progress | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train encoders, decoder and head together.

    Weights and standardisation come from training rows only. Validation rows decide which
    epoch's weights are kept and when to stop. Other rows are only checked for NaN.

    Parameters
    ----------
    views : dict
        From `make_views`, each (n_items, n_frames, n_bands).
    labels : (n_items,)
        Class of each row, 0 to n_classes - 1; only that of training and validation rows counts.
        A training row may be of no known class (`NO_LABEL`): it is rebuilt, and not classified.
    train_rows, validation_rows : (n_items,)
        Which rows are which.
    n_classes : int
        Number of classes.
    parameters : DisentanglerParameters
        Sizes, losses, augmentation, schedule.
    seed : int
        The same seed gives the same weights to the last bit on the same machine.
    progress : callable, optional
        Called after each epoch with the epoch, from 1, and that epoch's row of the history.

    Returns
    -------
    model : keras.Model
        With the weights of the epoch of lowest validation loss, averaged over recent epochs if
        `weight_averaging` is on.
    history : pandas.DataFrame
        A row per epoch: `epoch`, and `training_` and `validation_` with `loss`,
        `reconstruction`, `classification` and `accuracy`. Training values include dropout and
        augmentation, so they may be worse than validation values.

    Raises
    ------
    ValueError
        If rows do not fit each other, a view has NaN, a part is empty, the parts overlap, or a
        class has no training row.
    """
    _check_rows(views, labels, train_rows, validation_rows, n_classes)
    tf.config.experimental.enable_op_determinism()
    shapes = {name: views[name].shape[1:] for name in VIEW_NAMES}
    model = build_disentangler(shapes, n_classes, parameters, seed)
    training = _Rows(views, labels, train_rows, n_classes, parameters)
    validation = _Rows(views, labels, validation_rows, n_classes, parameters)
    _standardise(model, {name: views[name][train_rows] for name in VIEW_NAMES})
    trainer = _Trainer(model, training, parameters)
    generator = np.random.default_rng(seed)

    history: list[dict[str, float]] = []
    best_loss, best_epoch = np.inf, 0
    averages = best_weights = _values(model)
    for epoch in range(1, parameters.epochs + 1):
        row = {"epoch": epoch}
        row |= _prefixed("training", trainer.train(training, generator))
        latest = _values(model)
        averages = _moving_average(averages, latest, epoch, parameters.weight_averaging)
        _assign(model, averages)
        row |= _prefixed("validation", trainer.score(validation))
        history.append(row)
        if progress is not None:
            progress(epoch, row)
        if row["validation_loss"] < best_loss:
            best_loss, best_epoch, best_weights = row["validation_loss"], epoch, averages
        if epoch - best_epoch >= parameters.patience_epochs:
            break
        _assign(model, latest)
    _assign(model, best_weights)
    return model, pd.DataFrame(history)


def encode(model: keras.Model, views: Views, batch_size: int = 256) -> Views:
    """Codes, class probabilities and reconstruction of all rows.

    The last batch is filled up with copies of its last row, so every row is computed in a batch
    of the same size, wherever it stands.

    Parameters
    ----------
    model : keras.Model
        From `train_disentangler`.
    views : dict
        `content_view`, `rhythm_view` and `pitch_view`, each (n_items, n_frames, n_bands).
    batch_size : int
        Rows computed together.

    Returns
    -------
    dict
        `content`, `rhythm`, `pitch`, and `timbre` if the model has it, (n_items, n_dimensions);
        `target` (n_items, n_classes), probabilities; `log_mel` (n_items, n_frames, n_mels).

    Raises
    ------
    ValueError
        If a view has NaN or there are no rows.
    """
    inputs = {name: np.asarray(views[name], dtype=np.float32) for name in INPUT_NAMES}
    _check_finite(inputs)
    n_items = len(inputs[INPUT_NAMES[0]])
    if n_items == 0:
        raise ValueError("no rows to encode")
    batches = []
    for start in range(0, n_items, batch_size):
        rows = np.minimum(np.arange(start, start + batch_size), n_items - 1)
        batch = {name: tf.constant(view[rows]) for name, view in inputs.items()}
        # Not compiled: tracing costs more than the calls, and TensorFlow warns when it recurs.
        batches.append(model(batch, training=False))
    return {
        name: np.concatenate([batch[name].numpy() for batch in batches])[:n_items]
        for name in batches[0]
    }


class _Rows:
    """Some rows of the views with what the losses need, on the device."""

    def __init__(
        self,
        views: Views,
        labels: NDArray[np.integer],
        rows: NDArray[np.bool_],
        n_classes: int,
        parameters: DisentanglerParameters,
    ) -> None:
        own = labels[rows]
        known = own != NO_LABEL
        self.n_rows = len(own)
        self.tensors = {name: tf.constant(views[name][rows], tf.float32) for name in VIEW_NAMES}
        target = np.zeros((len(own), n_classes), dtype=np.float32)
        target[known, own[known]] = 1.0
        # A mean over all rows then is the mean over those of known class.
        of_known = known.astype(np.float32) * np.float32(len(own) / known.sum())
        weight = of_known.copy()
        if parameters.balance_classes:
            weight[known] *= _class_weights(own[known], n_classes)
        self.tensors["target"] = tf.constant(target)
        self.tensors["known"] = tf.constant(of_known)
        self.tensors["weight"] = tf.constant(weight)

    def batches(self, order: NDArray[np.integer], batch_size: int) -> Iterator[tf.Tensor]:
        for start in range(0, len(order), batch_size):
            yield tf.constant(order[start : start + batch_size], tf.int32)


class _Trainer:
    """Optimiser, loss terms and the compiled steps of one training."""

    def __init__(
        self, model: keras.Model, training: _Rows, parameters: DisentanglerParameters
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.optimiser = _optimiser(training.n_rows, parameters)
        self.optimiser.build(model.trainable_variables)
        log_mel = training.tensors["log_mel"]
        variance = tf.reduce_mean(tf.math.reduce_variance(log_mel, axis=0))
        self.log_mel_variance = max(float(variance), 1e-6)
        # One signature for full and last batches: tracing twice costs as much as some epochs.
        signature = [tf.TensorSpec([None], tf.int32), _specifications(training)]
        self.train_step = tf.function(self._train_step, input_signature=signature)
        self.score_step = tf.function(self._score_step, input_signature=signature)

    def train(self, rows: _Rows, generator: np.random.Generator) -> dict[str, float]:
        order = generator.permutation(rows.n_rows)
        return self._over(self.train_step, rows, order, self.parameters.batch_size)

    def score(self, rows: _Rows) -> dict[str, float]:
        return self._over(self.score_step, rows, np.arange(rows.n_rows), _VALIDATION_BATCH)

    def _over(
        self, step: Any, rows: _Rows, order: NDArray[np.integer], batch_size: int
    ) -> dict[str, float]:
        """Mean of each term over the rows."""
        results = [
            (len(batch), step(batch, rows.tensors)) for batch in rows.batches(order, batch_size)
        ]
        return {
            name: float(sum(n * float(terms[name]) for n, terms in results) / len(order))
            for name in results[0][1]
        }

    def _train_step(self, index: tf.Tensor, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        batch = {name: tf.gather(tensor, index) for name, tensor in tensors.items()}
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            terms = self._terms(batch, training=True)
        gradients = tape.gradient(
            terms["loss"], variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        self.optimiser.apply(gradients, variables)
        return terms

    def _score_step(self, index: tf.Tensor, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        batch = {name: tf.gather(tensor, index) for name, tensor in tensors.items()}
        return self._terms(batch, training=False)

    def _terms(self, batch: dict[str, tf.Tensor], training: bool) -> dict[str, tf.Tensor]:
        """Loss terms and accuracy of a batch; a further term is a further entry with a weight."""
        outputs = self.model({name: batch[name] for name in INPUT_NAMES}, training=training)
        error = ops.mean(ops.square(outputs["log_mel"] - batch["log_mel"]))
        terms = {
            # 1 is the error of always reconstructing the mean spectrogram.
            "reconstruction": error / self.log_mel_variance,
            "classification": self._cross_entropy(batch, outputs["target"]),
        }
        weights = {
            "reconstruction": self.parameters.reconstruction_weight,
            "classification": self.parameters.classification_weight,
        }
        hits = ops.argmax(outputs["target"], axis=1) == ops.argmax(batch["target"], axis=1)
        return {
            "loss": sum(weight * terms[name] for name, weight in weights.items()),
            **terms,
            "accuracy": ops.mean(batch["known"] * ops.cast(hits, "float32")),
        }

    def _cross_entropy(self, batch: dict[str, tf.Tensor], probabilities: tf.Tensor) -> tf.Tensor:
        smoothing = self.parameters.label_smoothing
        wanted = (1.0 - smoothing) * batch["target"] + smoothing / batch["target"].shape[1]
        entropies = ops.categorical_crossentropy(wanted, probabilities)
        return ops.mean(batch["weight"] * entropies)


def _specifications(rows: _Rows) -> dict[str, tf.TensorSpec]:
    """Type and shape of the tensors of any number of rows."""
    return {
        name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
        for name, tensor in rows.tensors.items()
    }


def _values(model: keras.Model) -> list[NDArray[np.float32]]:
    return [variable.numpy() for variable in model.trainable_variables]


def _assign(model: keras.Model, values: list[NDArray[np.float32]]) -> None:
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)


def _moving_average(
    averages: list[NDArray[np.float32]],
    latest: list[NDArray[np.float32]],
    epoch: int,
    momentum: float,
) -> list[NDArray[np.float32]]:
    """Exponential moving average over epochs, a plain mean while there are few of them."""
    kept = np.float32(min(momentum, (epoch - 1) / epoch))
    return [
        kept * average + (1 - kept) * value for average, value in zip(averages, latest, strict=True)
    ]


def _prefixed(part: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{part}_{name}": value for name, value in values.items()}


def _class_weights(labels: NDArray[np.integer], n_classes: int) -> NDArray[np.float32]:
    """Weights of mean 1 that give each class that occurs the same total."""
    counts = np.bincount(labels, minlength=n_classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights[labels].astype(np.float32)


def _check_rows(
    views: Views,
    labels: NDArray[np.integer],
    train_rows: NDArray[np.bool_],
    validation_rows: NDArray[np.bool_],
    n_classes: int,
) -> None:
    lengths = {name: len(views[name]) for name in VIEW_NAMES}
    lengths |= {
        "labels": len(labels),
        "train_rows": len(train_rows),
        "validation_rows": len(validation_rows),
    }
    if len(set(lengths.values())) > 1:
        raise ValueError(f"rows do not fit each other: {lengths}")
    for name, rows in (("training", train_rows), ("validation", validation_rows)):
        if not rows.any():
            raise ValueError(f"there is no {name} row")
    if (train_rows & validation_rows).any():
        raise ValueError("some rows are both training and validation rows")
    _check_finite(views)
    used = labels[train_rows | validation_rows]
    if used.min() < NO_LABEL or used.max() >= n_classes:
        raise ValueError(f"labels must lie between 0 and {n_classes - 1}, or be {NO_LABEL}")
    if (labels[validation_rows] == NO_LABEL).any():
        raise ValueError("a validation row has no label; only training rows may have none")
    missing = sorted(set(range(n_classes)) - set(labels[train_rows].tolist()))
    if missing:
        raise ValueError(f"no training row of class {', '.join(map(str, missing))}")


def _check_finite(views: Views) -> None:
    for name, view in views.items():
        bad = ~np.isfinite(view).all(axis=tuple(range(1, view.ndim)))
        if bad.any():
            raise ValueError(f"{name} has NaN or infinity in row {int(bad.argmax())}")


def _standardise(model: keras.Model, training: Views) -> None:
    names = {layer.name for layer in model.layers}
    for layer, view in _STANDARDISED_VIEWS.items():
        if layer in names:
            model.get_layer(layer).fit(training[view])


def _optimiser(n_rows: int, parameters: DisentanglerParameters) -> keras.optimizers.Optimizer:
    n_steps = -(-n_rows // parameters.batch_size) * parameters.epochs
    warm_up = max(1, round(_WARM_UP_SHARE * n_steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=parameters.learning_rate / 10.0,
        decay_steps=max(1, n_steps - warm_up),
        warmup_target=parameters.learning_rate,
        warmup_steps=warm_up,
    )
    return keras.optimizers.AdamW(
        schedule,
        weight_decay=parameters.weight_decay,
        global_clipnorm=_MAX_GRADIENT_NORM,
    )
