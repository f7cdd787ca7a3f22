"""Training and refit of the disentangler."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from disentangled_audio.models.batches import NO_LABEL, Rows, check_rows, some_rows
from disentangled_audio.models.checkpoint import Checkpoint
from disentangled_audio.models.disentangler import build_disentangler
from disentangled_audio.models.encoding import Views
from disentangled_audio.models.factor_targets import FactorTarget, factor_target
from disentangled_audio.models.losses import Losses
from disentangled_audio.models.resuming import Progress, State, checkpoint_of, resume
from disentangled_audio.models.views import VIEW_NAMES
from disentangled_audio.parameters import DisentanglerParameters

_logger = logging.getLogger(__name__)

_STANDARDISED_VIEWS = {
    "standardise_content": "content_view",
    "standardise_rhythm": "rhythm_view",
    "standardise_pitch": "pitch_view",
    "standardise_timbre": "content_view",
    "standardise_whole": "log_mel",
    "rebuilt": "log_mel",
}

_WARM_UP_SHARE = 0.05
_MAX_GRADIENT_NORM = 1.0
_VALIDATION_BATCH = 256


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

    Weights and standardisation come only from training rows. Validation rows decide which epoch's
    weights are kept and when to stop. Other rows are only checked for NaN.

    With more than `max_epoch_rows` training rows, each epoch draws that many at random;
    standardisation and the validation loss use that many rows, drawn once.

    With a checkpoint folder, the state is saved there after each epoch. A training with the same
    inputs, parameters, seed, packages and code resumes after the last complete epoch, with the
    same weights and history to the last bit. A finished training is not repeated.

    Parameters
    ----------
    views : dict
        From `make_views`, each (n_items, n_frames, n_bands); only batches are copied.
    labels : (n_items,)
        Class of each training and validation row, 0 to n_classes - 1. A training row may have
        `NO_LABEL`: it is reconstructed but not classified.
    train_rows, validation_rows : (n_items,)
        Masks of the rows.
    n_classes : int
    parameters : DisentanglerParameters
    seed : int
        The same seed gives the same weights to the last bit on the same machine.
    progress : callable, optional
        Called after each epoch, and after resuming, with the epoch (from 1) and its row of the
        history.
    checkpoint_folder : Path, optional
        Without it, an interrupted training is lost.
    factors : DataFrame of n_items rows, optional
        Factors in `parameters.terms` except `target`, which comes from the labels: floating-point
        columns are numbers, others classes. Training rows decide scales, thirds and classes.

    Returns
    -------
    model : keras.Model
        With the weights of the epoch of lowest validation loss, averaged over recent epochs with
        `weight_averaging`.
    history : pandas.DataFrame
        One row per epoch: `epoch`, and with the prefixes `training_` and `validation_`: `loss`,
        `accuracy`, `reconstruction`, `classification`, `auxiliary` and `bottleneck` if used, and
        one `readout_`, `independence_`, `compactness_` or `adversary_<code>_<factor>` per term.
        Terms are unweighted and `loss` is their weighted sum. The validation loss has the full
        weights in every epoch, so that epochs are comparable, and leaves out adversaries, which
        should not succeed, and `auxiliary`. Training values include dropout and augmentation, so
        they can be worse than validation values.

    Raises
    ------
    ValueError
        If numbers of rows differ, a view has NaN, a part is empty, the parts overlap, a class has
        no training row, or a loss names an unknown factor.
    """
    check_rows(views, labels, train_rows, validation_rows, n_classes)
    shapes = {name: views[name].shape[1:] for name in VIEW_NAMES}
    targets = _factor_targets(factors, labels, train_rows, train_rows, parameters)
    for name in parameters.terms.factors:
        if name not in targets:
            _logger.warning(
                "factor '%s' does not vary in the training rows: its losses are left out", name
            )
    columns = {name: target.values.shape[1] for name, target in targets.items()}
    model = build_disentangler(shapes, n_classes, parameters, seed, columns)
    sample = some_rows(train_rows, parameters.schedule.max_epoch_rows, seed)
    _standardise(model, {name: views[name][sample] for name in VIEW_NAMES})
    scored = some_rows(validation_rows, parameters.schedule.max_epoch_rows, seed)
    training, validation = (
        Rows(views, labels, rows, n_classes, parameters, targets) for rows in (train_rows, scored)
    )
    trainer = _Trainer(model, training, views["log_mel"][sample], parameters, targets)
    data = (labels, train_rows, scored)
    checkpoint = checkpoint_of(checkpoint_folder, views, data, targets, parameters, seed)
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
    """Train for `refit_epochs` more epochs, on training and validation rows; nothing is chosen.

    The given model's predictions for validation rows show how good it is; the refitted model learns
    from these rows.

    Parameters
    ----------
    model : keras.Model
        From `train_disentangler`, with the same rows and parameters; it is not changed.
    views, labels, train_rows, validation_rows, n_classes, parameters, seed, progress, \
checkpoint_folder, factors
        As in `train_disentangler`.

    Returns
    -------
    model : keras.Model
        With the weights after the last epoch, averaged over recent epochs with `weight_averaging`.
    history : pandas.DataFrame
        As in `train_disentangler`, without validation.
    """
    rows = train_rows | validation_rows
    # The terms that separate codes have their full weights from the start.
    changes = {"epochs": parameters.schedule.refit_epochs, "ramp_epochs": 0}
    schedule = parameters.schedule.model_copy(update=changes)
    parameters = parameters.model_copy(update={"schedule": schedule})
    targets = _factor_targets(factors, labels, train_rows, rows, parameters)
    weights = model.get_weights()
    # Noise generators are not weights: those of the clone start from their seeds.
    refitted = keras.models.clone_model(model)
    refitted.set_weights(weights)
    sample = some_rows(rows, parameters.schedule.max_epoch_rows, seed)
    training = Rows(views, labels, rows, n_classes, parameters, targets)
    trainer = _Trainer(refitted, training, views["log_mel"][sample], parameters, targets)
    data = (labels, rows, *weights)
    checkpoint = checkpoint_of(checkpoint_folder, views, data, targets, parameters, seed)
    return refitted, _train(trainer, training, None, seed, progress, checkpoint)


def _train(
    trainer: _Trainer,
    training: Rows,
    validation: Rows | None,
    seed: int,
    progress: Progress | None,
    checkpoint: Checkpoint | None,
) -> pd.DataFrame:
    """Train, set the best weights (the last ones without validation), and return the history."""
    tf.config.experimental.enable_op_determinism()
    model, parameters = trainer.model, trainer.parameters
    state = State(np.random.default_rng(seed), _values(model))
    if checkpoint is not None:
        resume(checkpoint, state, trainer.variables, progress, parameters)

    while not state.finished(parameters):
        row: dict[str, float] = {"epoch": state.epoch + 1}
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
            checkpoint.save(*state.saved(trainer.variables))
        if progress is not None:
            progress(state.epoch, row)
    _assign(model, state.best_weights)
    return pd.DataFrame(state.history)


class _Trainer:
    """Optimiser, losses and compiled steps of one training."""

    def __init__(
        self,
        model: keras.Model,
        training: Rows,
        log_mel: NDArray[np.float32],
        parameters: DisentanglerParameters,
        targets: dict[str, FactorTarget],
    ) -> None:
        self.model = model
        self.parameters = parameters
        n_rows = min(training.n_rows, parameters.schedule.max_epoch_rows)
        self.learning_rate = _learning_rate(n_rows, parameters)
        self.optimiser = keras.optimizers.AdamW(
            weight_decay=parameters.schedule.weight_decay, global_clipnorm=_MAX_GRADIENT_NORM
        )
        self.optimiser.build(model.trainable_variables)
        self.losses = Losses(model, log_mel, parameters, targets)
        # One signature for full and last batches: tracing twice takes as long as some epochs. No
        # control flow depends on a tensor, so tracing without autograph is faster.
        signature = [training.specification()]
        ramp = tf.TensorSpec([], tf.float32)
        self.train_step = tf.function(
            self._train_step, input_signature=[*signature, ramp], autograph=False
        )
        self.score_step = tf.function(self._score_step, input_signature=signature, autograph=False)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that training changes, including the seed generators of random layers."""
        return [*self.model.variables, *self.optimiser.variables]

    def train(self, rows: Rows, state: State) -> dict[str, float]:
        """Run one epoch; the weights of the terms that separate codes rise over `ramp_epochs`."""
        order = state.generator.permutation(rows.n_rows)[: self.parameters.schedule.max_epoch_rows]
        ramp = min(1.0, (state.epoch + 1) / (self.parameters.schedule.ramp_epochs + 1))
        step = partial(self.train_step, ramp=tf.constant(ramp, tf.float32))
        return self._over(step, rows, order, self.parameters.schedule.batch_size)

    def score(self, rows: Rows) -> dict[str, float]:
        return self._over(self.score_step, rows, np.arange(rows.n_rows), _VALIDATION_BATCH)

    def _over(
        self, step: Any, rows: Rows, order: NDArray[np.integer], batch_size: int
    ) -> dict[str, float]:
        """Run a step on all batches and average each term over the rows."""
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        results = [(len(batch), step(rows.batch(batch))) for batch in batches]
        return {
            name: float(sum(n * float(terms[name]) for n, terms in results) / len(order))
            for name in results[0][1]
        }

    def _train_step(self, batch: dict[str, tf.Tensor], ramp: tf.Tensor) -> dict[str, tf.Tensor]:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            terms = self.losses(batch, True, ramp)
        gradients = tape.gradient(
            terms["loss"], variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        # Once per step; an optimiser with the schedule would compute it for each variable.
        self.optimiser.learning_rate.assign(self.learning_rate(self.optimiser.iterations))
        self.optimiser.apply(gradients, variables)
        return terms

    def _score_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self.losses(batch, False, tf.constant(1.0))


def _factor_targets(
    factors: pd.DataFrame | None,
    labels: NDArray[np.integer],
    train_rows: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    parameters: DisentanglerParameters,
) -> dict[str, FactorTarget]:
    """Targets of the losses for each factor that varies in the training rows."""
    table = pd.DataFrame(index=range(len(labels))) if factors is None else factors
    table = table.assign(target=pd.Series(labels, index=table.index).astype("string"))
    table.loc[labels == NO_LABEL, "target"] = pd.NA
    targets = {}
    for name in parameters.terms.factors:
        if name not in table:
            raise ValueError(
                f"disentangler.losses names the factor '{name}'; choose from "
                f"{', '.join(map(str, table))}"
            )
        target = factor_target(table[name], train_rows, rows)
        if target is not None:
            targets[name] = target
    return targets


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
    """Exponential moving average over epochs; the plain mean of the first few."""
    kept = np.float32(min(momentum, (epoch - 1) / epoch))
    return [
        kept * average + (1 - kept) * value for average, value in zip(averages, latest, strict=True)
    ]


def _prefixed(part: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{part}_{name}": value for name, value in values.items()}


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
