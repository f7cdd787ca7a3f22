"""Training of the disentangler, and its codes for any rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from disentangled_audio.models.checkpoint import Arrays, Checkpoint, digest_of
from disentangled_audio.models.disentangler import AUXILIARY, build_disentangler, head_name
from disentangled_audio.models.factor_targets import FactorTarget, factor_target
from disentangled_audio.models.independence import conditional_dependence, share_within
from disentangled_audio.models.views import VIEW_NAMES
from disentangled_audio.parameters import DisentanglerParameters
from disentangled_audio.storage.hashing import code_hash

_logger = logging.getLogger(__name__)

Views = dict[str, NDArray[np.float32]]
Progress = Callable[[int, dict[str, float]], None]

_STANDARDISED_VIEWS = {
    "standardise_content": "content_view",
    "standardise_rhythm": "rhythm_view",
    "standardise_pitch": "pitch_view",
    "standardise_timbre": "content_view",
    "standardise_whole": "log_mel",
    "rebuilt": "log_mel",
}
NO_LABEL = -1
_WARM_UP_SHARE = 0.05
_MAX_GRADIENT_NORM = 1.0
_VALIDATION_BATCH = 256
_ENCODED_ROWS = 4096
# Batches that take longer than a trace.
_COMPILED_FROM = 6
# What a training comes out of, beside its inputs.
# Rows at once of what many rows are encoded by.
LARGE_BATCH = 256


def train_disentangler(  # noqa: PLR0913
    views: Views,
    labels: NDArray[np.integer],
    train_rows: NDArray[np.bool_],
    validation_rows: NDArray[np.bool_],
    n_classes: int,
    parameters: DisentanglerParameters,
    seed: int,
    progress: Progress | None = None,
    checkpoint_folder: Path | None = None,
    factors: pd.DataFrame | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train encoders, decoder and head together.

    Weights and standardisation come from training rows only. Validation rows decide which
    epoch's weights are kept and when to stop. Other rows are only checked for NaN.

    Of more than `max_epoch_rows` training rows, each epoch sees as many, drawn at random;
    standardisation and the validation loss come from as many, drawn once.

    With a checkpoint folder, the whole state is kept there after each epoch. A training of the
    same inputs, parameters, seed, packages and code goes on after the last complete epoch, to
    the same weights and history as an undisturbed one, to the last bit; one that had finished
    is not repeated.

    Parameters
    ----------
    views : dict
        From `make_views`, each (n_items, n_frames, n_bands); held once, batches are copied.
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
        Called after each epoch with the epoch, from 1, and that epoch's row of the history; also
        with the last epoch of a training that is resumed.
    checkpoint_folder : Path, optional
        Without it a training that is interrupted is lost.
    factors : DataFrame of n_items rows, optional
        What `parameters.terms` name beside `target`, which is the labels': floating-point columns
        are numbers, others classes. Training rows decide scales, thirds and classes.

    Returns
    -------
    model : keras.Model
        With the weights of the epoch of lowest validation loss, averaged over recent epochs if
        `weight_averaging` is on.
    history : pandas.DataFrame
        A row per epoch: `epoch`, and `training_` and `validation_` with `loss`,
        `reconstruction`, `classification`, `auxiliary` where there is such a head, `bottleneck`
        where codes are drawn, a `readout_<code>_<factor>`, `independence_<code>_<factor>`,
        `compactness_<code>_<factor>` and `adversary_<code>_<factor>` a term, and `accuracy`. Terms
        are without their weights, `loss` is the weighted sum (in validation with the full weights
        from the first epoch on, so that epochs compare, and without adversaries, whose success is
        not wanted, and `auxiliary`). Training values include dropout and augmentation, so they may
        be worse than validation values.

    Raises
    ------
    ValueError
        If rows do not fit each other, a view has NaN, a part is empty, the parts overlap, a class
        has no training row, or a loss names a factor that is not there.
    """
    _check_rows(views, labels, train_rows, validation_rows, n_classes)
    shapes = {name: views[name].shape[1:] for name in VIEW_NAMES}
    targets = _factor_targets(factors, labels, train_rows, train_rows, parameters)
    # Of the refit the same is true.
    _tell_left_out(parameters, targets)
    columns = {name: target.values.shape[1] for name, target in targets.items()}
    model = build_disentangler(shapes, n_classes, parameters, seed, columns)
    sample = _some(train_rows, parameters.schedule.max_epoch_rows, seed)
    _standardise(model, {name: views[name][sample] for name in VIEW_NAMES})
    scored = _some(validation_rows, parameters.schedule.max_epoch_rows, seed)
    training, validation = (
        _Rows(views, labels, of, n_classes, parameters, targets) for of in (train_rows, scored)
    )
    trainer = _Trainer(model, training, views["log_mel"][sample], parameters, targets)
    data = (labels, train_rows, scored)
    checkpoint = _checkpoint(checkpoint_folder, views, data, targets, parameters, seed)
    history = _train(trainer, training, validation, seed, progress, checkpoint)
    return model, history


def refit_disentangler(  # noqa: PLR0913
    model: keras.Model,
    views: Views,
    labels: NDArray[np.integer],
    train_rows: NDArray[np.bool_],
    validation_rows: NDArray[np.bool_],
    n_classes: int,
    parameters: DisentanglerParameters,
    seed: int,
    *,
    progress: Progress | None = None,
    checkpoint_folder: Path | None = None,
    factors: pd.DataFrame | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Go on for `refit_epochs` epochs, on validation rows too; nothing is chosen.

    What the model that is given says of its validation rows tells how good it is; the one that is
    made may learn from these rows.

    Parameters
    ----------
    model : keras.Model
        From `train_disentangler`, of the same rows and parameters; it stays as it is.
    views, labels, train_rows, validation_rows, n_classes, parameters, seed
        As in `train_disentangler`.
    progress, checkpoint_folder, factors
        As in `train_disentangler`.

    Returns
    -------
    model : keras.Model
        With the weights after the last epoch, averaged over recent epochs if `weight_averaging`
        is on.
    history : pandas.DataFrame
        As in `train_disentangler`, without validation.
    """
    rows = train_rows | validation_rows
    # Separation does not come in gradually again.
    changes = {"epochs": parameters.schedule.refit_epochs, "ramp_epochs": 0}
    schedule = parameters.schedule.model_copy(update=changes)
    parameters = parameters.model_copy(update={"schedule": schedule})
    targets = _factor_targets(factors, labels, train_rows, rows, parameters)
    weights = model.get_weights()
    # Generators of noise are no weights: the clone's begin anew.
    refitted = keras.models.clone_model(model)
    refitted.set_weights(weights)
    sample = _some(rows, parameters.schedule.max_epoch_rows, seed)
    training = _Rows(views, labels, rows, n_classes, parameters, targets)
    trainer = _Trainer(refitted, training, views["log_mel"][sample], parameters, targets)
    data = (labels, rows, *weights)
    checkpoint = _checkpoint(checkpoint_folder, views, data, targets, parameters, seed)
    return refitted, _train(trainer, training, None, seed, progress, checkpoint)


def _checkpoint(
    folder: Path | None,
    views: Views,
    data: tuple[NDArray[Any], ...],
    targets: dict[str, FactorTarget],
    parameters: DisentanglerParameters,
    seed: int,
) -> Checkpoint | None:
    """Of a training of some data; targets are data too."""
    if folder is None:
        return None
    data += tuple(target.values for target in targets.values())
    return Checkpoint(folder, _digest(views, data, parameters, seed))


def _train(
    trainer: _Trainer,
    training: _Rows,
    validation: _Rows | None,
    seed: int,
    progress: Progress | None,
    checkpoint: Checkpoint | None,
) -> pd.DataFrame:
    """Train, give the model its best weights (the last without validation), and tell of it."""
    tf.config.experimental.enable_op_determinism()
    model, parameters = trainer.model, trainer.parameters
    state = _State(np.random.default_rng(seed), _values(model))
    if checkpoint is not None:
        _resume(checkpoint, state, trainer, progress, parameters)

    while not state.finished(parameters):
        row = {"epoch": state.epoch + 1}
        row |= _prefixed("training", trainer.train(training, state))
        latest = _values(model)
        averages = _moving_average(
            state.averages, latest, state.epoch + 1, parameters.schedule.weight_averaging
        )
        if validation is not None:
            _assign(model, averages)
            row |= _prefixed("validation", trainer.score(validation))
            _assign(model, latest)
        state.add(row, averages)
        if checkpoint is not None:
            checkpoint.save(*state.saved(trainer))
        if progress is not None:
            progress(state.epoch, row)
    _assign(model, state.best_weights)
    return pd.DataFrame(state.history)


@dataclass(frozen=True)
class CompiledNetwork:
    """A network for many batches of one size, traced once; what is not wanted is not computed."""

    input: dict[str, Any]
    call: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]

    def __call__(self, batch: dict[str, tf.Tensor], *, training: bool) -> dict[str, tf.Tensor]:
        """Outputs of a batch, as the network's in inference."""
        return self.call(batch)


def compile_network(
    model: keras.Model, batch_size: int, outputs: Collection[str] | None = None
) -> CompiledNetwork:
    """Trace a network, which takes as long as some five batches without.

    Parameters
    ----------
    model : keras.Model
    batch_size : int
        The only one that it can then take.
    outputs : names, optional
        Which outputs are wanted; all by default.
    """
    wanted = list(outputs or model.output)

    def call(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        encoded = model(batch, training=False)
        return {name: encoded[name] for name in wanted}

    specification = {
        name: tf.TensorSpec((batch_size, *tensor.shape[1:]), tf.float32)
        for name, tensor in model.input.items()
    }
    # A function of one signature: TensorFlow would warn of others that are traced again and again.
    function = tf.function(call, autograph=False).get_concrete_function(specification)
    return CompiledNetwork(model.input, function)


def encode(
    model: keras.Model | CompiledNetwork,
    views: dict[str, Any],
    batch_size: int = 256,
    outputs: Collection[str] | None = None,
) -> Views:
    """Codes, class probabilities and reconstruction of all rows.

    The last batch is filled up with copies of its last row, so every row is computed in a batch
    of the same size, wherever it stands.

    Parameters
    ----------
    model : keras.Model or CompiledNetwork
        From `train_disentangler`; it is compiled where there are many batches.
    views : dict
        The model's inputs at least (`content_view`, `rhythm_view` and `pitch_view`, or `log_mel`),
        each (n_items, n_frames, n_bands), NumPy or zarr arrays; a part of their rows is read at a
        time.
    batch_size : int
        Rows computed together.
    outputs : names, optional
        Which outputs are wanted; all by default. The others are not held.

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
    n_items = views[next(iter(model.input))].shape[0]
    if n_items == 0:
        raise ValueError("no rows to encode")
    if isinstance(model, keras.Model) and n_items > _COMPILED_FROM * batch_size:
        model = compile_network(model, batch_size, outputs)
    # Whole batches, so that each is the same as if all rows were read at once.
    n_read = max(1, _ENCODED_ROWS // batch_size) * batch_size
    parts = [
        _encode_part(model, views, slice(first, first + n_read), batch_size, outputs)
        for first in range(0, n_items, n_read)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _encode_part(
    model: keras.Model | CompiledNetwork,
    views: dict[str, Any],
    part: slice,
    batch_size: int,
    outputs: Collection[str] | None,
) -> Views:
    inputs = {name: np.asarray(views[name][part], dtype=np.float32) for name in model.input}
    _check_finite(inputs, first_row=part.start)
    n_items = len(next(iter(inputs.values())))
    batches = []
    for start in range(0, n_items, batch_size):
        rows = np.minimum(np.arange(start, start + batch_size), n_items - 1)
        batch = {name: tf.constant(view[rows]) for name, view in inputs.items()}
        encoded = model(batch, training=False)
        batches.append({name: encoded[name].numpy() for name in outputs or encoded})
    return {
        name: np.concatenate([batch[name] for batch in batches])[:n_items] for name in batches[0]
    }


class _Rows:
    """Some rows of the views with what the losses need; only batches are copied."""

    def __init__(
        self,
        views: Views,
        labels: NDArray[np.integer],
        rows: NDArray[np.bool_],
        n_classes: int,
        parameters: DisentanglerParameters,
        targets: dict[str, FactorTarget],
    ) -> None:
        own = labels[rows]
        known = own != NO_LABEL
        self.n_rows = len(own)
        self._views = {name: views[name] for name in VIEW_NAMES}
        self._index = np.flatnonzero(rows)
        target = np.zeros((len(own), n_classes), dtype=np.float32)
        target[known, own[known]] = 1.0
        # A mean over all rows then is the mean over those of known class.
        of_known = known.astype(np.float32) * np.float32(len(own) / known.sum())
        weight = of_known.copy()
        if parameters.losses.balance_classes:
            weight[known] *= _class_weights(own[known], n_classes)
        self._labels = {"target": target, "known": of_known, "weight": weight}
        for name, factor in targets.items():
            self._labels[f"values of {name}"] = factor.values[rows]
            self._labels[f"known of {name}"] = factor.known[rows]
            self._labels[f"cells of {name}"] = factor.cells[rows]

    def batch(self, numbers: NDArray[np.integer]) -> dict[str, tf.Tensor]:
        """Rows by their numbers among these rows."""
        index = self._index[numbers]
        views = {name: tf.constant(view[index], tf.float32) for name, view in self._views.items()}
        return views | {name: tf.constant(of[numbers]) for name, of in self._labels.items()}

    def specification(self) -> dict[str, tf.TensorSpec]:
        """Type and shape of a batch of any number of rows."""
        one = self.batch(np.arange(1))
        return {
            name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
            for name, tensor in one.items()
        }


@dataclass
class _State:
    """How far a training is, beside the variables of model and optimiser."""

    generator: np.random.Generator
    averages: list[NDArray[np.float32]]
    best_weights: list[NDArray[np.float32]] = field(init=False)
    best_loss: float = np.inf
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.best_weights = self.averages

    @property
    def epoch(self) -> int:
        """The last complete epoch."""
        return len(self.history)

    def add(self, row: dict[str, float], averages: list[NDArray[np.float32]]) -> None:
        """Take in a complete epoch; one that nothing judges is better than those before it."""
        self.history.append(row)
        self.averages = averages
        loss = row.get("validation_loss", -float(self.epoch))
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best_weights = averages

    def finished(self, parameters: DisentanglerParameters) -> bool:
        """Whether all epochs are over, or the last of them were in vain."""
        in_vain = self.epoch - self.best_epoch
        schedule = parameters.schedule
        return self.epoch >= schedule.epochs or in_vain >= schedule.patience_epochs

    def saved(self, trainer: _Trainer) -> tuple[Arrays, dict[str, Any]]:
        """All that is needed to go on, for a checkpoint."""
        arrays = {
            "variables": [variable.numpy() for variable in trainer.variables],
            "averages": self.averages,
            "best_weights": self.best_weights,
        }
        facts = {
            "generator": self.generator.bit_generator.state,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "history": self.history,
        }
        return arrays, facts

    def restore(self, arrays: Arrays, facts: dict[str, Any], trainer: _Trainer) -> None:
        """Undo `saved`."""
        for variable, value in zip(trainer.variables, arrays["variables"], strict=True):
            variable.assign(value)
        self.averages, self.best_weights = arrays["averages"], arrays["best_weights"]
        self.generator.bit_generator.state = facts["generator"]
        self.best_loss, self.best_epoch = facts["best_loss"], facts["best_epoch"]
        self.history = facts["history"]


def _resume(
    checkpoint: Checkpoint,
    state: _State,
    trainer: _Trainer,
    progress: Progress | None,
    parameters: DisentanglerParameters,
) -> None:
    """Go on where a checkpoint of the same training stands, if there is one."""
    saved = checkpoint.load()
    if saved is None:
        return
    state.restore(*saved, trainer)
    if state.finished(parameters):
        _logger.info("training had finished after epoch %d; its result is reused", state.epoch)
    else:
        _logger.info("training is resumed from epoch %d", state.epoch)
    if progress is not None:
        progress(state.epoch, state.history[-1])


def _digest(
    views: Views,
    rows: tuple[NDArray[Any], ...],
    parameters: DisentanglerParameters,
    seed: int,
) -> str:
    """Of everything that changes the result of a training."""
    facts = {
        # A refit has its epochs as `epochs`.
        "parameters": parameters.model_dump(mode="json", exclude={"schedule": {"refit_epochs"}}),
        "terms": repr(parameters.terms),
        "seed": seed,
        "versions": [keras.__version__, tf.__version__, version("numpy")],
        "code": code_hash("training"),
    }
    return digest_of([*(views[name] for name in VIEW_NAMES), *rows], facts)


class _Trainer:
    """Optimiser, loss terms and the compiled steps of one training."""

    def __init__(
        self,
        model: keras.Model,
        training: _Rows,
        log_mel: NDArray[np.float32],
        parameters: DisentanglerParameters,
        targets: dict[str, FactorTarget],
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.targets = targets
        n_rows = min(training.n_rows, parameters.schedule.max_epoch_rows)
        self.learning_rate = _learning_rate(n_rows, parameters)
        self.optimiser = keras.optimizers.AdamW(
            weight_decay=parameters.schedule.weight_decay, global_clipnorm=_MAX_GRADIENT_NORM
        )
        self.optimiser.build(model.trainable_variables)
        variance = tf.reduce_mean(tf.math.reduce_variance(tf.constant(log_mel), axis=0))
        self.log_mel_variance = max(float(variance), 1e-6)
        # One signature for full and last batches: tracing twice costs as much as some epochs. No
        # control flow hangs on a tensor, and without a search for it tracing is quicker.
        signature = [training.specification()]
        ramp = tf.TensorSpec([], tf.float32)
        self.train_step = tf.function(
            self._train_step, input_signature=[*signature, ramp], autograph=False
        )
        self.score_step = tf.function(self._score_step, input_signature=signature, autograph=False)

    @property
    def variables(self) -> list[keras.Variable]:
        """All that training changes; seed generators of random layers are among the model's."""
        return [*self.model.variables, *self.optimiser.variables]

    def train(self, rows: _Rows, state: _State) -> dict[str, float]:
        """One epoch; the terms that separate codes come in gradually."""
        order = state.generator.permutation(rows.n_rows)[: self.parameters.schedule.max_epoch_rows]
        ramp = min(1.0, (state.epoch + 1) / (self.parameters.schedule.ramp_epochs + 1))
        step = partial(self.train_step, ramp=tf.constant(ramp, tf.float32))
        return self._over(step, rows, order, self.parameters.schedule.batch_size)

    def score(self, rows: _Rows) -> dict[str, float]:
        return self._over(self.score_step, rows, np.arange(rows.n_rows), _VALIDATION_BATCH)

    def _over(
        self, step: Any, rows: _Rows, order: NDArray[np.integer], batch_size: int
    ) -> dict[str, float]:
        """Mean of each term over the rows."""
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        results = [(len(batch), step(rows.batch(batch))) for batch in batches]
        return {
            name: float(sum(n * float(terms[name]) for n, terms in results) / len(order))
            for name in results[0][1]
        }

    def _train_step(self, batch: dict[str, tf.Tensor], ramp: tf.Tensor) -> dict[str, tf.Tensor]:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            terms = self._terms(batch, True, ramp)
        gradients = tape.gradient(
            terms["loss"], variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        # Once a step; an optimiser that has the schedule asks it for each variable, in every trace.
        self.optimiser.learning_rate.assign(self.learning_rate(self.optimiser.iterations))
        self.optimiser.apply(gradients, variables)
        return terms

    def _score_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._terms(batch, False, tf.constant(1.0))

    def _terms(
        self, batch: dict[str, tf.Tensor], training: bool, ramp: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Loss terms and accuracy of a batch; terms of weight 0 are told, and not trained on."""
        outputs = self.model({name: batch[name] for name in self.model.input}, training=training)
        error = ops.mean(ops.square(outputs["log_mel"] - batch["log_mel"]))
        weighted = {
            # 1 is the error of always reconstructing the mean spectrogram.
            "reconstruction": (
                self.parameters.losses.reconstruction_weight,
                error / self.log_mel_variance,
            ),
            "classification": (
                self.parameters.losses.classification_weight,
                self._cross_entropy(batch, outputs["target"]),
            ),
            **self._code_terms(batch, outputs, ramp),
        }
        if AUXILIARY in outputs:
            entropy = self._cross_entropy(batch, outputs[AUXILIARY])
            weighted[AUXILIARY] = (self.parameters.losses.auxiliary_weight, entropy)
        if self.model.losses:
            weight = self.parameters.losses.variational_weight
            weighted["bottleneck"] = (weight, sum(self.model.losses))
        hits = ops.argmax(outputs["target"], axis=1) == ops.argmax(batch["target"], axis=1)
        return {
            "loss": sum(
                weight * term
                for name, (weight, term) in weighted.items()
                # What is no merit of the codes may not choose the epoch.
                if training or not name.startswith(("adversary", AUXILIARY))
            ),
            **{name: term for name, (_, term) in weighted.items()},
            "accuracy": ops.mean(batch["known"] * ops.cast(hits, "float32")),
        }

    def _code_terms(
        self, batch: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor], ramp: tf.Tensor
    ) -> dict[str, tuple[Any, tf.Tensor]]:
        """Weight and value of each loss of a code and a factor."""
        terms = self.parameters.terms
        found = {}
        for code, term in terms.readouts.items():
            for factor in self._had(term.of):
                name = head_name("readout", code, factor)
                found[name] = (term.weight, self._ignorance(batch, factor, outputs[name]))
        for code, term in terms.adversaries.items():
            for factor in self._had(term.of):
                name = head_name("adversary", code, factor)
                value = self._ignorance(batch, factor, outputs[name])
                found[name] = (term.weight * ramp, value)
        for code, term in terms.compactness.items():
            for factor in self._had(term.of):
                name = head_name("compactness", code, factor)
                value = share_within(outputs[code], batch[f"cells of {factor}"])
                found[name] = (term.weight * ramp, value)
        for code, term in terms.independence.items():
            for factor in self._had(term.of):
                cells = self._cells(batch, factor, term.within)
                value = conditional_dependence(outputs[code], batch[f"values of {factor}"], cells)
                name = head_name("independence", code, factor)
                found[name] = (term.weight * ramp, value)
        return found

    def _had(self, factors: list[str]) -> list[str]:
        """Those that vary in the training rows."""
        return [factor for factor in factors if factor in self.targets]

    def _ignorance(self, batch: dict[str, tf.Tensor], factor: str, guessed: tf.Tensor) -> tf.Tensor:
        """Loss of a head, as a share of that of knowing nothing."""
        values, known = batch[f"values of {factor}"], batch[f"known of {factor}"]
        if self.targets[factor].is_number:
            losses = ops.mean(ops.square(guessed - values), axis=1)
        else:
            # A refit may meet classes that the head does not have.
            values = values[:, : guessed.shape[1]]
            known = ops.sum(values, axis=1)
            losses = ops.categorical_crossentropy(values, guessed) / np.log(values.shape[1])
        return ops.sum(known * losses) / ops.maximum(ops.sum(known), 1.0)

    def _cells(self, batch: dict[str, tf.Tensor], factor: str, within: list[str]) -> tf.Tensor:
        """One-hot combinations of the factors within which another must not be told."""
        cells = batch[f"known of {factor}"][:, None]
        for name in self._had(within):
            joint = cells[:, :, None] * batch[f"cells of {name}"][:, None, :]
            cells = ops.reshape(joint, (-1, cells.shape[1] * joint.shape[2]))
        return cells

    def _cross_entropy(self, batch: dict[str, tf.Tensor], probabilities: tf.Tensor) -> tf.Tensor:
        smoothing = self.parameters.losses.label_smoothing
        wanted = (1.0 - smoothing) * batch["target"] + smoothing / batch["target"].shape[1]
        entropies = ops.categorical_crossentropy(wanted, probabilities)
        return ops.mean(batch["weight"] * entropies)


def _factor_targets(
    factors: pd.DataFrame | None,
    labels: NDArray[np.integer],
    train_rows: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    parameters: DisentanglerParameters,
) -> dict[str, FactorTarget]:
    """What the losses of some rows need of each factor that varies in the training rows."""
    table = pd.DataFrame(index=range(len(labels))) if factors is None else factors
    table = table.assign(target=pd.Series(labels, index=table.index).astype("string"))
    table.loc[labels == NO_LABEL, "target"] = pd.NA
    targets = {}
    for name in parameters.terms.factors:
        if name not in table:
            raise ValueError(
                f"a loss of the disentangler names the factor '{name}'; there are "
                f"{', '.join(map(str, table))}"
            )
        target = factor_target(table[name], train_rows, rows)
        if target is not None:
            targets[name] = target
    return targets


def _tell_left_out(parameters: DisentanglerParameters, targets: dict[str, FactorTarget]) -> None:
    for name in parameters.terms.factors:
        if name not in targets:
            _logger.warning(
                "factor '%s' does not vary in the training rows: its losses are left out", name
            )


def _some(rows: NDArray[np.bool_], max_rows: int, seed: int) -> NDArray[np.bool_]:
    """The rows, or a random part of them where they are more than `max_rows`."""
    if rows.sum() <= max_rows:
        return rows
    some = np.zeros_like(rows)
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(rows), max_rows, replace=False)
    some[chosen] = True
    return some


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


def _check_finite(views: Views, first_row: int = 0) -> None:
    for name, view in views.items():
        bad = ~np.isfinite(view).all(axis=tuple(range(1, view.ndim)))
        if bad.any():
            raise ValueError(f"{name} has NaN or infinity in row {first_row + int(bad.argmax())}")


def _standardise(model: keras.Model, training: Views) -> None:
    names = {layer.name for layer in model.layers}
    for layer, view in _STANDARDISED_VIEWS.items():
        if layer in names:
            model.get_layer(layer).fit(training[view])


def _learning_rate(
    n_rows: int, parameters: DisentanglerParameters
) -> keras.optimizers.schedules.LearningRateSchedule:
    schedule = parameters.schedule
    n_steps = -(-n_rows // schedule.batch_size) * schedule.epochs
    warm_up = max(1, round(_WARM_UP_SHARE * n_steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=schedule.learning_rate / 10.0,
        decay_steps=max(1, n_steps - warm_up),
        warmup_target=schedule.learning_rate,
        warmup_steps=warm_up,
    )
