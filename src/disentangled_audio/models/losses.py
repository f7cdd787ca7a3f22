"""Loss terms of the disentangler."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from disentangled_audio.models.disentangler import AUXILIARY, head_name
from disentangled_audio.models.factor_targets import FactorTarget
from disentangled_audio.models.independence import conditional_dependence, share_within
from disentangled_audio.parameters import DisentanglerParameters


class Losses:
    """Loss terms of a model's batches.

    Parameters
    ----------
    model : keras.Model
    log_mel : (n_items, n_frames, n_mels)
        Training rows; the reconstruction error is relative to their variance.
    parameters : DisentanglerParameters
    targets : dict
        Factors that vary in the training rows.
    """

    def __init__(
        self,
        model: keras.Model,
        log_mel: NDArray[np.float32],
        parameters: DisentanglerParameters,
        targets: dict[str, FactorTarget],
    ) -> None:
        self.model = model
        self.weights = parameters.losses
        self.terms = parameters.terms
        self.targets = targets
        variance = tf.reduce_mean(tf.math.reduce_variance(tf.constant(log_mel), axis=0))
        self.log_mel_variance = max(float(variance), 1e-6)

    def __call__(
        self, batch: dict[str, tf.Tensor], training: bool, ramp: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Loss terms and accuracy of a batch; terms of weight 0 are reported but not trained.

        Parameters
        ----------
        batch : dict
            From `Rows.batch`.
        training : bool
        ramp : scalar
            Factor on the weights of the terms that separate codes, 0 to 1.
        """
        outputs = self.model({name: batch[name] for name in self.model.input}, training=training)
        error = ops.mean(ops.square(outputs["log_mel"] - batch["log_mel"]))
        weighted = {
            # 1 is the error of always reconstructing the mean spectrogram.
            "reconstruction": (
                self.weights.reconstruction_weight,
                error / self.log_mel_variance,
            ),
            "classification": (
                self.weights.classification_weight,
                self._cross_entropy(batch, outputs["target"]),
            ),
            **self._code_terms(batch, outputs, ramp),
        }
        if AUXILIARY in outputs:
            entropy = self._cross_entropy(batch, outputs[AUXILIARY])
            weighted[AUXILIARY] = (self.weights.auxiliary_weight, entropy)
        if self.model.losses:
            weight = self.weights.variational_weight
            weighted["bottleneck"] = (weight, sum(self.model.losses))
        hits = ops.argmax(outputs["target"], axis=1) == ops.argmax(batch["target"], axis=1)
        return {
            "loss": sum(
                weight * term
                for name, (weight, term) in weighted.items()
                # These terms do not measure the codes, so they must not choose the epoch.
                if training or not name.startswith(("adversary", AUXILIARY))
            ),
            **{name: term for name, (_, term) in weighted.items()},
            "accuracy": ops.mean(batch["known"] * ops.cast(hits, "float32")),
        }

    def _code_terms(
        self, batch: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor], ramp: tf.Tensor
    ) -> dict[str, tuple[Any, tf.Tensor]]:
        """Weight and value of each loss of a code and a factor."""
        terms = self.terms
        found = {}
        for code, term in terms.readouts.items():
            for factor in self._present(term.of):
                name = head_name("readout", code, factor)
                found[name] = (term.weight, self._relative_loss(batch, factor, outputs[name]))
        for code, term in terms.adversaries.items():
            for factor in self._present(term.of):
                name = head_name("adversary", code, factor)
                value = self._relative_loss(batch, factor, outputs[name])
                found[name] = (term.weight * ramp, value)
        for code, term in terms.compactness.items():
            for factor in self._present(term.of):
                name = head_name("compactness", code, factor)
                value = share_within(outputs[code], batch[f"cells of {factor}"])
                found[name] = (term.weight * ramp, value)
        for code, term in terms.independence.items():
            for factor in self._present(term.of):
                cells = self._cells(batch, factor, term.within)
                value = conditional_dependence(outputs[code], batch[f"values of {factor}"], cells)
                name = head_name("independence", code, factor)
                found[name] = (term.weight * ramp, value)
        return found

    def _present(self, factors: list[str]) -> list[str]:
        """The factors that vary in the training rows."""
        return [factor for factor in factors if factor in self.targets]

    def _relative_loss(
        self, batch: dict[str, tf.Tensor], factor: str, predicted: tf.Tensor
    ) -> tf.Tensor:
        """Loss of a head, relative to the loss at chance."""
        values, known = batch[f"values of {factor}"], batch[f"known of {factor}"]
        if self.targets[factor].is_number:
            losses = ops.mean(ops.square(predicted - values), axis=1)
        else:
            # The validation rows of a refit may have classes without an output of the head.
            values = values[:, : predicted.shape[1]]
            known = ops.sum(values, axis=1)
            losses = ops.categorical_crossentropy(values, predicted) / np.log(values.shape[1])
        return ops.sum(known * losses) / ops.maximum(ops.sum(known), 1.0)

    def _cells(self, batch: dict[str, tf.Tensor], factor: str, within: list[str]) -> tf.Tensor:
        """One-hot combinations of the factors in `within`; rows without `factor` are zero."""
        cells = batch[f"known of {factor}"][:, None]
        for name in self._present(within):
            joint = cells[:, :, None] * batch[f"cells of {name}"][:, None, :]
            cells = ops.reshape(joint, (-1, cells.shape[1] * joint.shape[2]))
        return cells

    def _cross_entropy(self, batch: dict[str, tf.Tensor], probabilities: tf.Tensor) -> tf.Tensor:
        smoothing = self.weights.label_smoothing
        wanted = (1.0 - smoothing) * batch["target"] + smoothing / batch["target"].shape[1]
        entropies = ops.categorical_crossentropy(wanted, probabilities)
        return ops.mean(batch["weight"] * entropies)
