"""From features of recordings to what the models of one run say of them."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import HYBRID, PROBABILITY_PREFIX
from disentangled_audio.models.bank import BANK, MEMBERS, NETWORK
from disentangled_audio.models.feature_values import acoustic_measures
from disentangled_audio.models.preparation import Features, Preprocessing
from disentangled_audio.models.reference import UNLIKE, Reference
from disentangled_audio.models.tables import code_table, feature_table, features_of
from disentangled_audio.parameters import CODES
from disentangled_audio.runs.run_files import columns_of

# In a cell of the table.
BETWEEN_WARNINGS = "; "
UNUSABLE = ("error", "what_to_do")
_VIEWS = ("log_mel", "content_view", "rhythm_view", "pitch_view")


class _Made(NamedTuple):
    """What is computed of the items of some files.

    Attributes
    ----------
    rows : facts of each item.
    tables : features, acoustic parameters and codes, as a training run has them in its catalog.
    target : (n_items, n_classes), the network's probabilities.
    """

    rows: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    target: NDArray[np.float64]


class Answers:
    """What the models of a run say of recordings, and how usual those are.

    Parameters
    ----------
    manifest : dict
        What the run, or its bundle, says of its features.
    preprocessing : Preprocessing
    reference : Reference
    models : dict
        `fourier_pca`, `disentangler`, the SVMs of the bank and `hybrid`, by name.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        preprocessing: Preprocessing,
        reference: Reference,
        models: dict[str, Any],
    ) -> None:
        unknown = [name for name in models[HYBRID].members_ if name not in MEMBERS]
        if unknown:
            raise UserError(
                f"the hybrid of {manifest['run_id']} has the member '{unknown[0]}', which this "
                "version's bank does not have. Train anew with kedro run, or use the code of then"
            )
        self._schema = manifest["feature_schema"]
        self._preprocessing = preprocessing
        self._batch_size = manifest["parameters"]["disentangler"]["schedule"]["batch_size"]
        self._reference = reference
        self._models = models
        self._encoders = _encoders(models["disentangler"])

    @cached_property
    def _compiled(self) -> Any:
        from disentangled_audio.models.encoding import LARGE_BATCH, compile_network

        return compile_network(self._encoders, LARGE_BATCH)

    @property
    def columns(self) -> list[str]:
        """Of the table of answers, whatever the files are."""
        judges = [name for name in MEMBERS if name in self._models[HYBRID].members_]
        classes = [f"{PROBABILITY_PREFIX}{name}" for name in self._reference.classes]
        return [
            *("path", "channel", "kind", "class", "confidence"),
            *("in_distribution", "least_in_distribution", "distance", "warnings"),
            *classes,
            *(f"{model}_{name}" for model in judges for name in classes),
            *acoustic_measures(self._preprocessing.acoustic).names,
            *UNUSABLE,
        ]

    @property
    def code_columns(self) -> list[str]:
        """Of the table of codes, whatever the files are."""
        return ["path", "channel", *self._schema["codes"], *UNUSABLE]

    def predictions(self, part: Features) -> pd.DataFrame:
        """What the models say of some files, in the order of the files."""
        if not part.rows:
            return _with_rejected(None, part)
        made = self._make(part)
        rows = made.rows
        probabilities = self._probabilities(made)
        compared = self._compared(
            rows["kind"], [features_of(made.tables[name]) for name in ("fourier_features", "codes")]
        )
        classes = self._reference.classes
        table = rows[["place", "path", "channel", "kind"]].copy()
        of_hybrid = probabilities[HYBRID]
        table["class"] = np.asarray(classes, dtype=object)[of_hybrid.argmax(axis=1)]
        table["confidence"] = of_hybrid.max(axis=1)
        table[list(compared)] = compared
        columns = {f"{PROBABILITY_PREFIX}{c}": of_hybrid[:, k] for k, c in enumerate(classes)}
        columns |= {
            f"{model}_{PROBABILITY_PREFIX}{c}": values[:, k]
            for model, values in probabilities.items()
            if model != HYBRID
            for k, c in enumerate(classes)
        }
        table["warnings"] = self._warnings(rows, compared)
        measured = made.tables["acoustic_parameters"].drop(columns="recording_id")
        # As an array: a table of so many columns is masked column by column.
        shown = np.where((rows["kind"] == "rir").to_numpy()[:, np.newaxis], measured, np.nan)
        parts = [table, pd.DataFrame(columns), pd.DataFrame(shown, columns=measured.columns)]
        return _with_rejected(pd.concat(parts, axis=1), part)

    def codes(self, part: Features) -> pd.DataFrame:
        """Codes of some files, in the order of the files."""
        if not part.rows:
            return _with_rejected(None, part)
        made = self._make(part)
        table = made.rows[["place", "path", "channel"]].reset_index(drop=True)
        return _with_rejected(table.join(made.tables["codes"].drop(columns="recording_id")), part)

    def _make(self, part: Features) -> _Made:
        """Features, after their schema has been compared with the run's."""
        from disentangled_audio.models.encoding import LARGE_BATCH, encode
        from disentangled_audio.models.streaming_pca import project

        rows = pd.DataFrame(part.rows)
        recording_id = rows["recording_id"]
        made = part.values
        self._check("waveforms", [part.n_samples])
        for name in ("fourier_spectra", *_VIEWS):
            self._check(name, list(made[name].shape[1:]))
        views = {name: made[name] for name in _VIEWS}
        n_rows = len(made["log_mel"])
        batch_size = LARGE_BATCH if n_rows >= LARGE_BATCH else self._batch_size
        network = self._compiled if batch_size == LARGE_BATCH else self._encoders
        encoded = encode(network, views, batch_size)
        pooled = {name: part.windows.pooled(values) for name, values in encoded.items()}
        acoustics = self._acoustics(recording_id, made["acoustic_values"])
        features = project(self._models["fourier_pca"], made["fourier_spectra"])
        tables = {
            "fourier_features": feature_table(recording_id, features, "pc"),
            "mel_features": feature_table(recording_id, made["mel_features"], "cepstrum"),
            "timbre_features": feature_table(recording_id, made["timbre_features"], "timbre"),
            "acoustic_parameters": acoustics,
            "codes": code_table(recording_id, pooled),
        }
        for name, table in tables.items():
            self._check(name, columns_of(table))
        return _Made(rows, tables, np.asarray(pooled["target"], dtype=float))

    def _acoustics(self, recording_id: pd.Series, values: Any) -> pd.DataFrame:
        """recording_id and one column a measure."""
        table = pd.DataFrame(values, columns=acoustic_measures(self._preprocessing.acoustic).names)
        table.insert(0, "recording_id", recording_id.to_numpy())
        return table

    def _check(self, name: str, found: list[Any]) -> None:
        if self._schema[name] != found:
            raise UserError(
                f"the feature schema of '{name}' differs from the manifest's: the models were "
                f"trained on {_shown(self._schema[name])}, this version of the code makes "
                f"{_shown(found)}. Train anew with kedro run, or use the code of then"
            )

    def _probabilities(self, made: _Made) -> dict[str, NDArray[np.float64]]:
        fused = {name: self._judged(name, made) for name in self._models[HYBRID].members_}
        members = {**fused, HYBRID: self._models[HYBRID].predict_proba(fused)}
        shares = np.array(list(self._reference.shares.values()))
        # As in `predictions`: who cannot judge says how frequent the classes were.
        return {
            name: np.where(np.isnan(values), shares, values) for name, values in members.items()
        }

    def _judged(self, member: str, made: _Made) -> Any:
        if member == NETWORK:
            return made.target
        features = BANK[member].values(made.tables[BANK[member].entry])
        return self._models[member].predict_proba(features)

    def _compared(self, kinds: pd.Series, values: list[Any]) -> pd.DataFrame:
        """With training recordings of the same kind; a row each."""
        novelties = self._reference.novelty
        parts = []
        for name, rows in kinds.groupby(kinds).indices.items():
            novelty = novelties.get(name, novelties[""])
            compared = novelty.compare([of_space[rows] for of_space in values])
            parts.append(
                pd.DataFrame(
                    {
                        "in_distribution": compared.in_distribution,
                        "least_in_distribution": novelty.least,
                        "distance": compared.distance,
                        "is_far": compared.is_far,
                    },
                    index=rows,
                )
            )
        return pd.concat(parts).sort_index()

    def _warnings(self, rows: pd.DataFrame, compared: pd.DataFrame) -> list[str]:
        is_unlike = (compared["in_distribution"] <= UNLIKE) | compared["is_far"]
        return [
            BETWEEN_WARNINGS.join(self._warnings_of(row, unlike))
            for row, unlike in zip(rows.to_dict("records"), is_unlike, strict=True)
        ]

    def _warnings_of(self, row: dict[str, Any], is_unlike: bool) -> list[str]:
        found = []
        duration_s = self._preprocessing.corpus.analysis.duration_s
        if row["clipped_run"]:
            found.append(f"{row['clipped_run']} samples in a row at full scale: perhaps clipped")
        if row["duration_s"] < duration_s:
            found.append(
                f"{row['duration_s']:.3g} s, shorter than the clips of training ({duration_s:g} s)"
            )
        if row["sample_rate_hz"] not in self._reference.rates_hz:
            trained = ", ".join(map(str, self._reference.rates_hz))
            found.append(f"{row['sample_rate_hz']} Hz, training recordings have {trained} Hz")
        if row["n_channels"] not in self._reference.n_channels:
            trained = ", ".join(map(str, self._reference.n_channels))
            found.append(f"{row['n_channels']} channels, training recordings have {trained}")
        if row["seen_as"] in ("train", "validation"):
            found.append("a recording that the model was trained on")
        elif is_unlike:
            found.append("unlike the training recordings")
        return found


def _with_rejected(table: pd.DataFrame | None, part: Features) -> pd.DataFrame:
    """Answers, with files that cannot be used among them in their places."""
    rejected = pd.DataFrame(part.rejected).rename(columns={"reason": "error"})
    if table is None:
        return rejected
    joined = pd.concat([table, rejected], ignore_index=True)
    return joined.sort_values("place", kind="stable", ignore_index=True)


def _encoders(disentangler: Any) -> Any:
    """The network without its decoder, which nobody listens to here."""
    from keras import Model

    wanted = [name for name in (*CODES, "target") if name in disentangler.output]
    return Model(disentangler.input, {name: disentangler.output[name] for name in wanted})


def _shown(schema: list[Any]) -> str:
    if schema and isinstance(schema[0], str):
        return f"{len(schema)} columns ({schema[0]} to {schema[-1]})"
    return " × ".join(map(str, schema))
