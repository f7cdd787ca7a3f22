"""Adapters of inference."""

import math
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import HYBRID, PROBABILITY_PREFIX
from disentangled_audio.models.bank import BANK, MEMBERS, NETWORK
from disentangled_audio.models.feature_values import acoustic_measures
from disentangled_audio.models.preparation import FeatureReader, Features, Known, Preprocessing
from disentangled_audio.models.tables import class_shares, code_table, features_of, training_classes
from disentangled_audio.parameters import CODES, InferenceParameters, ParallelParameters
from disentangled_audio.runs.inference_models import columns_of
from disentangled_audio.storage.progress import chunk_progress

# Enough for the encoders' large batch, and soon done: others start after the first part.
FIRST_FILES = 256
# What a part costs beside its files is shared by more; few enough to hold the views of all workers.
FILES_AT_ONCE = 512
# In a cell of the table.
BETWEEN_WARNINGS = "; "
# How usual a recording is at most that counts as unlike those of training.
UNLIKE = 0.05


def classify_recordings(
    inference: InferenceParameters,
    parallel: ParallelParameters,
    manifest: dict[str, Any],
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    fourier_features: pd.DataFrame,
    codes: pd.DataFrame,
    provisional_codes: pd.DataFrame,
    **models: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Classify recordings by the models of a run, preprocessed as that run's manifest says.

    A row an item: `path`, `channel`, `class`, `confidence` (the hybrid's probability of it),
    `in_distribution` and `distance` (`evaluation.novelty`, in the spaces of Fourier features and
    codes), `p_<class>` of the hybrid, `<model>_p_<class>` of each other model, acoustic parameters
    of impulse responses, `warnings`, and the model's version. A file that cannot be used is a row
    with `error` and `what_to_do` in place of all that. Rows are in the order of the files, and
    have the same columns whatever the files are.
    """
    from disentangled_audio.corpora.sources.named import named_files
    from disentangled_audio.storage.parallel import in_parallel

    files = named_files(inference.recordings)
    seed = manifest["parameters"]["seed"]
    tables = (fourier_features, codes, provisional_codes)
    novelty = _novelty_by_kind(recordings["kind"].to_numpy(), splits, *tables, seed)
    run = _Run(manifest, recordings, splits, models, novelty)
    known = _known(recordings, splits)
    reader = FeatureReader(Preprocessing.of_run(manifest), known, inference.kind)
    parts = [(start, files[start:end]) for start, end in pairwise(_part_edges(len(files)))]
    answers, done = {}, 0
    with chunk_progress("classifying", "files", passing=True) as update:
        update(0, len(files))
        for part in in_parallel(reader, parts, parallel):
            answers[part.position] = run.predict(part)
            done += part.n_files
            update(done, len(files))
    table = pd.concat([answers[position] for position in sorted(answers)], ignore_index=True)
    # Those of a file that can be used, and of one that cannot, even if all are of one sort.
    table = table.reindex(columns=run.columns)
    table["model_version"] = manifest["run_id"]
    return table, table


def _part_edges(n_files: int) -> list[int]:
    """Where parts begin, and the end; all but the first are as large as the others."""
    first = min(FIRST_FILES, n_files)
    n_others = math.ceil((n_files - first) / FILES_AT_ONCE)
    return [0, *np.linspace(first, n_files, n_others + 1, dtype=int).tolist()]


def _known(recordings: pd.DataFrame, splits: pd.DataFrame) -> dict[str, Known]:
    first = recordings.assign(role=splits["role"].to_numpy()).drop_duplicates("sha256")
    return {
        row.sha256: Known(row.path, row.kind, row.role)
        for row in first[["sha256", "path", "kind", "role"]].itertuples()
    }


def _novelty_by_kind(
    kind: Any,
    splits: pd.DataFrame,
    fourier_features: pd.DataFrame,
    codes: pd.DataFrame,
    provisional_codes: pd.DataFrame,
    seed: int,
) -> dict[str, Any]:
    """What is usual among all recordings (""), and among those of a kind where enough are known."""
    tables = (splits, fourier_features, codes, provisional_codes)
    found = {"": _novelty(*tables, seed)}
    kinds = sorted(set(kind))
    # A single kind is all recordings.
    for name in kinds if len(kinds) > 1 else []:
        rows = kind == name
        if {"train", "validation"} <= set(splits.loc[rows, "role"]):
            own = _novelty(*(table[rows] for table in tables), seed)
            if own.least <= UNLIKE:
                found[name] = own
    return found


def _novelty(
    splits: pd.DataFrame,
    fourier_features: pd.DataFrame,
    codes: pd.DataFrame,
    provisional_codes: pd.DataFrame,
    seed: int,
) -> Any:
    """What is usual, in the space of Fourier features and in that of codes.

    Spectra are fitted to no label, so that training rows, seen by the other groups, are usual too.
    Codes of training rows lie where training put them: there validation rows alone are usual, by
    encoders that had not seen them.
    """
    from disentangled_audio.evaluation.representation.novelty import Novelty, fit_space

    role, group = splits["role"].to_numpy(), splits["group"].to_numpy()
    training, validation = role == "train", role == "validation"
    of_spectra = fit_space(
        features_of(fourier_features), training, training | validation, group, seed
    )
    first, kept = (
        fit_space(features_of(table), training, validation, group, seed)
        for table in (provisional_codes, codes)
    )
    return Novelty([of_spectra, replace(kept, usual=first.usual)])


class _Run:
    """Models of a run, and what new recordings are compared with."""

    def __init__(
        self,
        manifest: dict[str, Any],
        recordings: pd.DataFrame,
        splits: pd.DataFrame,
        models: dict[str, Any],
        novelty: Any,
    ) -> None:
        self._schema = manifest["feature_schema"]
        self._preprocessing = Preprocessing.of_run(manifest)
        self._batch_size = manifest["parameters"]["disentangler"]["schedule"]["batch_size"]
        self._n_channels = set(recordings["n_channels"])
        self._rates_hz = set(recordings["sample_rate_hz"])
        self._classes = training_classes(splits)
        self._shares = class_shares(splits)
        self._models = models
        self._encoders = _encoders(models["disentangler"])
        self._novelty = novelty

    @cached_property
    def _compiled(self) -> Any:
        from disentangled_audio.models.training import LARGE_BATCH, compile_network

        return compile_network(self._encoders, LARGE_BATCH)

    @property
    def columns(self) -> list[str]:
        """Of the table of answers, whatever the files are."""
        judges = [name for name in MEMBERS if name in self._models[HYBRID].members_]
        classes = [f"{PROBABILITY_PREFIX}{name}" for name in self._classes]
        return [
            *("path", "channel", "kind", "class", "confidence"),
            *("in_distribution", "least_in_distribution", "distance", "warnings"),
            *classes,
            *(f"{model}_{name}" for model in judges for name in classes),
            *acoustic_measures(self._preprocessing.acoustic).names,
            *("error", "what_to_do"),
        ]

    def predict(self, part: Features) -> pd.DataFrame:
        """What the models say of some files, in the order of the files."""
        rejected = pd.DataFrame(part.rejected).rename(columns={"reason": "error"})
        if not part.rows:
            return rejected
        rows = pd.DataFrame(part.rows)
        spaces, acoustics = self._tables(part, rows["recording_id"])
        probabilities = self._probabilities(spaces, acoustics)
        compared = self._compared(
            rows["kind"], [features_of(spaces[name]) for name in ("fourier_features", "codes")]
        )
        table = rows[["place", "path", "channel", "kind"]].copy()
        of_hybrid = probabilities[HYBRID]
        table["class"] = np.asarray(self._classes, dtype=object)[of_hybrid.argmax(axis=1)]
        table["confidence"] = of_hybrid.max(axis=1)
        table[list(compared)] = compared
        columns = {f"{PROBABILITY_PREFIX}{c}": of_hybrid[:, k] for k, c in enumerate(self._classes)}
        columns |= {
            f"{model}_{PROBABILITY_PREFIX}{c}": values[:, k]
            for model, values in probabilities.items()
            if model != HYBRID
            for k, c in enumerate(self._classes)
        }
        table["warnings"] = self._warnings(rows, compared)
        measured = acoustics.drop(columns="recording_id")
        # As an array: a table of so many columns is masked column by column.
        shown = np.where((rows["kind"] == "rir").to_numpy()[:, np.newaxis], measured, np.nan)
        parts = [table, pd.DataFrame(columns), pd.DataFrame(shown, columns=measured.columns)]
        answers = pd.concat([pd.concat(parts, axis=1), rejected], ignore_index=True)
        return answers.sort_values("place", kind="stable", ignore_index=True)

    def _tables(self, part: Features, recording_id: pd.Series) -> tuple[dict[str, Any], Any]:
        """Features by name, after their schema has been compared with the run's."""
        from disentangled_audio.models.streaming_pca import project
        from disentangled_audio.models.tables import feature_table
        from disentangled_audio.models.training import LARGE_BATCH, encode

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
        return {**tables, "target": pooled["target"]}, acoustics

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

    def _probabilities(self, spaces: dict[str, Any], acoustics: Any) -> dict[str, Any]:
        fused = {name: self._judged(name, spaces) for name in self._models[HYBRID].members_}
        members = {**fused, HYBRID: self._models[HYBRID].predict_proba(fused)}
        shares = np.array([self._shares[f"{PROBABILITY_PREFIX}{c}"] for c in self._classes])
        # As in `predictions`: who cannot judge says how frequent the classes were.
        return {
            name: np.where(np.isnan(values), shares, values) for name, values in members.items()
        }

    def _judged(self, member: str, spaces: dict[str, Any]) -> Any:
        if member == NETWORK:
            return np.asarray(spaces["target"], dtype=float)
        features = BANK[member].values(spaces[BANK[member].entry])
        return self._models[member].predict_proba(features)

    def _compared(self, kinds: pd.Series, values: list[Any]) -> pd.DataFrame:
        """With training recordings of the same kind; a row each."""
        parts = []
        for name, rows in kinds.groupby(kinds).indices.items():
            novelty = self._novelty.get(name, self._novelty[""])
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
        analysis = self._preprocessing.corpus.analysis
        is_unlike = (compared["in_distribution"] <= UNLIKE) | compared["is_far"]
        return [
            BETWEEN_WARNINGS.join(self._warnings_of(row, unlike, analysis))
            for row, unlike in zip(rows.to_dict("records"), is_unlike, strict=True)
        ]

    def _warnings_of(self, row: dict[str, Any], is_unlike: bool, analysis: Any) -> list[str]:
        found = []
        if row["clipped_run"]:
            found.append(f"{row['clipped_run']} samples in a row at full scale: perhaps clipped")
        if row["duration_s"] < analysis.duration_s:
            found.append(
                f"{row['duration_s']:.3g} s, shorter than the clips of training "
                f"({analysis.duration_s:g} s)"
            )
        if row["sample_rate_hz"] not in self._rates_hz:
            trained = ", ".join(str(rate) for rate in sorted(self._rates_hz))
            found.append(f"{row['sample_rate_hz']} Hz, training recordings have {trained} Hz")
        if row["n_channels"] not in self._n_channels:
            trained = ", ".join(str(n) for n in sorted(self._n_channels))
            found.append(f"{row['n_channels']} channels, training recordings have {trained}")
        if row["seen_as"] in ("train", "validation"):
            found.append("a recording that the model was trained on")
        elif is_unlike:
            found.append("unlike the training recordings")
        return found


_VIEWS = ("log_mel", "content_view", "rhythm_view", "pitch_view")


def _encoders(disentangler: Any) -> Any:
    """The network without its decoder, which nobody listens to here."""
    from keras import Model

    wanted = [name for name in (*CODES, "target") if name in disentangler.output]
    return Model(disentangler.input, {name: disentangler.output[name] for name in wanted})


def _shown(schema: list[Any]) -> str:
    if schema and isinstance(schema[0], str):
        return f"{len(schema)} columns ({schema[0]} to {schema[-1]})"
    return " × ".join(map(str, schema))
