"""Progress of a training, and how it resumes from a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from disentangled_audio.models.checkpoint import Arrays, Checkpoint, digest_of
from disentangled_audio.models.encoding import Views
from disentangled_audio.models.factor_targets import FactorTarget
from disentangled_audio.models.views import VIEW_NAMES
from disentangled_audio.parameters import DisentanglerParameters
from disentangled_audio.storage.hashing import code_hash

_logger = logging.getLogger(__name__)

Progress = Callable[[int, dict[str, float]], None]


def checkpoint_of(
    folder: Path | None,
    views: Views,
    data: tuple[NDArray[Any], ...],
    targets: dict[str, FactorTarget],
    parameters: DisentanglerParameters,
    seed: int,
) -> Checkpoint | None:
    """Checkpoint for this training set, including its targets; None without a folder."""
    if folder is None:
        return None
    facts = {
        # A refit has `refit_epochs` as its `epochs`.
        "parameters": parameters.model_dump(mode="json", exclude={"schedule": {"refit_epochs"}}),
        "terms": repr(parameters.terms),
        "seed": seed,
        "versions": [keras.__version__, tf.__version__, version("numpy")],
        "code": code_hash("training"),
    }
    arrays = [*(views[name] for name in VIEW_NAMES), *data]
    arrays += [target.values for target in targets.values()]
    return Checkpoint(folder, digest_of(arrays, facts))


@dataclass
class State:
    """State of a training, without the variables of model and optimiser."""

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
        """Number of complete epochs."""
        return len(self.history)

    def add(self, row: dict[str, float], averages: list[NDArray[np.float32]]) -> None:
        """Add a complete epoch; without validation, the last epoch counts as the best."""
        self.history.append(row)
        self.averages = averages
        loss = row.get("validation_loss", -float(self.epoch))
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best_weights = averages

    def finished(self, parameters: DisentanglerParameters) -> bool:
        """Whether all epochs are done, or too many epochs brought no improvement."""
        schedule = parameters.schedule
        without_gain = self.epoch - self.best_epoch
        return self.epoch >= schedule.epochs or without_gain >= schedule.patience_epochs

    def saved(self, variables: list[keras.Variable]) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and facts for a checkpoint."""
        arrays = {
            "variables": [variable.numpy() for variable in variables],
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

    def restore(
        self, arrays: Arrays, facts: dict[str, Any], variables: list[keras.Variable]
    ) -> None:
        """Undo `saved`."""
        for variable, value in zip(variables, arrays["variables"], strict=True):
            variable.assign(value)
        self.averages, self.best_weights = arrays["averages"], arrays["best_weights"]
        self.generator.bit_generator.state = facts["generator"]
        self.best_loss, self.best_epoch = facts["best_loss"], facts["best_epoch"]
        self.history = facts["history"]


def resume(
    checkpoint: Checkpoint,
    state: State,
    variables: list[keras.Variable],
    progress: Progress | None,
    parameters: DisentanglerParameters,
) -> None:
    """Restore the state from a checkpoint of the same training, if there is one."""
    saved = checkpoint.load()
    if saved is None:
        return
    state.restore(*saved, variables)
    if state.finished(parameters):
        _logger.info("training had finished after epoch %d; its result is reused", state.epoch)
    else:
        _logger.info("training resumes after epoch %d", state.epoch)
    if progress is not None:
        progress(state.epoch, state.history[-1])
