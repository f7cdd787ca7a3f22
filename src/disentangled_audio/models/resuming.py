"""How far a training is, and how it goes on from a checkpoint."""

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
    data += tuple(target.values for target in targets.values())
    return Checkpoint(folder, _digest(views, data, parameters, seed))


@dataclass
class State:
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

    def saved(self, variables: list[keras.Variable]) -> tuple[Arrays, dict[str, Any]]:
        """All that is needed to go on, for a checkpoint."""
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
    """Go on where a checkpoint of the same training stands, if there is one."""
    saved = checkpoint.load()
    if saved is None:
        return
    state.restore(*saved, variables)
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
    """Hash of everything that changes the result of a training."""
    facts = {
        # A refit has its epochs as `epochs`.
        "parameters": parameters.model_dump(mode="json", exclude={"schedule": {"refit_epochs"}}),
        "terms": repr(parameters.terms),
        "seed": seed,
        "versions": [keras.__version__, tf.__version__, version("numpy")],
        "code": code_hash("training"),
    }
    return digest_of([*(views[name] for name in VIEW_NAMES), *rows], facts)
