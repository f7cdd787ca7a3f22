"""Predictions and codes of new recordings from the models of one run."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.parts import counted_reasons
from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import (
    HYBRID,
    PRETRAINED_HYBRID,
    PROBABILITY_PREFIX,
    ROLES,
)
from disentangled_audio.models.bank import BANK, MEMBERS, NETWORK
from disentangled_audio.models.feature_values import acoustic_measures
from disentangled_audio.models.preparation import Features, Preprocessing
from disentangled_audio.models.reference import UNLIKE, Reference
from disentangled_audio.models.tables import code_table, feature_table, features_of
from disentangled_audio.parameters import CODES
from disentangled_audio.runs.run_files import columns_of

# Separates several warnings in one cell of the table.
BETWEEN_WARNINGS = "; "
UNUSABLE = ("error", "what_to_do")
# Facts that are compared with those of the training recordings once for all files.
STORED = ("sample_rate_hz", "n_channels", "unheard_s")
_TIMES = ("start_s", "end_s")
_MUCH_SHORTER = 0.5
# Share of a recording that may remain unheard in silence.
_LITTLE = 0.05
# Of the columns of `candidates` that give an item's place in a feature space.
SPACE_PREFIX = "space_"
_VIEWS = ("log_mel", "content_view", "rhythm_view", "pitch_view")


class _Computed(NamedTuple):
    """Results of one part: facts of each item, feature tables by catalog name, and the network's
    probabilities, (n_items, n_classes)."""

    rows: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    target: NDArray[np.float64]


class Answers:
    """Applies the models of a run to recordings and compares these with the training recordings.

    Parameters
    ----------
    manifest : dict
        Manifest of the run or its bundle.
    preprocessing : Preprocessing
    reference : Reference
    models : dict
        `fourier_pca`, `disentangler`, the SVMs of the bank and the hybrids, by name. The hybrid
        with pretrained weights answers if the run has one.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        preprocessing: Preprocessing,
        reference: Reference,
        models: dict[str, Any],
    ) -> None:
        self._hybrid = _hybrid_of(models)
        unknown = [name for name in self._hybrid.members_ if name not in MEMBERS]
        if unknown:
            raise UserError(
                f"the hybrid of {manifest['run_id']} has the member '{unknown[0]}', which is not "
                "in the bank of this code. Train again with kedro run, or use the code of that run"
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
        """Columns of the predictions; they do not depend on the files."""
        members = [name for name in MEMBERS if name in self._hybrid.members_]
        return [
            *("path", "channel", "kind", "start_s", "end_s", "duration_s"),
            *("class", "confidence"),
            *("in_distribution", "least_in_distribution", "distance"),
            *("n_windows", "agreement", "warnings"),
            *(name for model in (HYBRID, *members) for name in self._probability_columns(model)),
            *acoustic_measures(self._preprocessing.acoustic).names,
            *UNUSABLE,
        ]

    @property
    def code_columns(self) -> list[str]:
        """Columns of the codes; they do not depend on the files."""
        return ["path", "channel", *_TIMES, *self._schema["codes"], *UNUSABLE]

    @property
    def candidate_columns(self) -> list[str]:
        """Columns of the candidates; they do not depend on the files."""
        return [
            *("path", "channel", "sha256", "duration_s", "is_labelled", "class", "confidence"),
            *("in_distribution", "distance", "is_unlike", *self._probability_columns(HYBRID)),
            *(name for names in self._space_columns() for name in names),
            *UNUSABLE,
        ]

    def _space_columns(self) -> list[list[str]]:
        return [
            [f"{SPACE_PREFIX}{number}_{column}" for column in range(len(space.centre))]
            for number, space in enumerate(self._reference.novelty[""].spaces)
        ]

    def _probability_columns(self, model: str) -> list[str]:
        prefix = "" if model == HYBRID else f"{model}_"
        return [f"{prefix}{PROBABILITY_PREFIX}{name}" for name in self._reference.classes]

    def predictions(self, part: Features) -> pd.DataFrame:
        """Predict the class of each item, in the order of the files."""
        if not part.rows:
            return _with_rejected(None, part)
        computed = self._compute(part)
        rows, tables = computed.rows, computed.tables
        probabilities = self._probabilities(computed)
        compared = self._compare(rows["kind"], _novelty_values(computed))
        table = rows[["place", "path", "channel", "kind", *_TIMES, *STORED]].copy()
        table["duration_s"] = rows["recording_s"]
        hybrid = probabilities[HYBRID]
        table["class"] = self._best(hybrid)
        table["confidence"] = hybrid.max(axis=1)
        table[list(compared)] = compared
        columns = {
            name: column
            for model, values in probabilities.items()
            for name, column in zip(self._probability_columns(model), values.T, strict=True)
        }
        table["warnings"] = self._warnings(rows, compared)
        measured = tables["acoustic_parameters"].drop(columns="recording_id")
        # NumPy masks the whole array at once; pandas would mask column by column.
        shown = np.where((rows["kind"] == "rir").to_numpy()[:, np.newaxis], measured, np.nan)
        parts = [table, pd.DataFrame(columns), pd.DataFrame(shown, columns=measured.columns)]
        return _with_rejected(pd.concat(parts, axis=1), part)

    def codes(self, part: Features) -> pd.DataFrame:
        """Codes of each item, in the order of the files."""
        if not part.rows:
            return _with_rejected(None, part)
        computed = self._compute(part)
        table = computed.rows[["place", "path", "channel", *_TIMES]].reset_index(drop=True)
        codes = computed.tables["codes"].drop(columns="recording_id")
        return _with_rejected(table.join(codes), part)

    def candidates(self, part: Features) -> pd.DataFrame:
        """What a choice of recordings to label needs of each item, in the order of the files."""
        if not part.rows:
            return _with_rejected(None, part)
        computed = self._compute(part)
        rows, values = computed.rows, _novelty_values(computed)
        hybrid = self._probabilities(computed)[HYBRID]
        compared = self._compare(rows["kind"], values)
        table = rows[["place", "path", "channel", "sha256", "duration_s"]].copy()
        table["is_labelled"] = rows["seen_as"].isin(ROLES)
        table["class"] = self._best(hybrid)
        table["confidence"] = hybrid.max(axis=1)
        table[["in_distribution", "distance"]] = compared[["in_distribution", "distance"]]
        table["is_unlike"] = _is_unlike(compared)
        spaces = self._reference.novelty[""].spaces
        blocks = [
            pd.DataFrame(space.relative(own), columns=names)
            for space, own, names in zip(spaces, values, self._space_columns(), strict=True)
        ]
        shares = pd.DataFrame(hybrid, columns=self._probability_columns(HYBRID))
        return _with_rejected(pd.concat([table, shares, *blocks], axis=1), part)

    def _compute(self, part: Features) -> _Computed:
        """Compute features and codes; refuse a schema that differs from the run's."""
        from disentangled_audio.models.encoding import LARGE_BATCH, encode
        from disentangled_audio.models.streaming_pca import project

        rows = pd.DataFrame(part.rows)
        rows["end_s"] = rows["start_s"] + rows["heard_s"]
        recording_id = rows["recording_id"]
        arrays = part.values
        self._check("waveforms", [part.n_samples])
        for name in ("fourier_spectra", *_VIEWS):
            self._check(name, list(arrays[name].shape[1:]))
        views = {name: arrays[name] for name in _VIEWS}
        n_rows = len(arrays["log_mel"])
        batch_size = LARGE_BATCH if n_rows >= LARGE_BATCH else self._batch_size
        network = self._compiled if batch_size == LARGE_BATCH else self._encoders
        encoded = encode(network, views, batch_size)
        pooled = {name: part.windows.pooled(values) for name, values in encoded.items()}
        acoustics = pd.DataFrame(
            arrays["acoustic_values"], columns=acoustic_measures(self._preprocessing.acoustic).names
        )
        acoustics.insert(0, "recording_id", recording_id.to_numpy())
        features = project(self._models["fourier_pca"], arrays["fourier_spectra"])
        tables = {
            "fourier_features": feature_table(recording_id, features, "pc"),
            "mel_features": feature_table(recording_id, arrays["mel_features"], "cepstrum"),
            "timbre_features": feature_table(recording_id, arrays["timbre_features"], "timbre"),
            "acoustic_parameters": acoustics,
            "codes": code_table(recording_id, pooled),
        }
        if "embedding" in arrays:
            tables["embedding_features"] = feature_table(
                recording_id, arrays["embedding"], "embedding"
            )
        for name, table in tables.items():
            self._check(name, columns_of(table))
        return _Computed(rows, tables, np.asarray(pooled["target"], dtype=float))

    def _check(self, name: str, found: list[Any]) -> None:
        if self._schema[name] != found:
            raise UserError(
                f"the feature schema of '{name}' differs from the manifest's: the models were "
                f"trained on {_shown(self._schema[name])}, this code computes {_shown(found)}. "
                "Train again with kedro run, or use the code of that run"
            )

    def _probabilities(self, computed: _Computed) -> dict[str, NDArray[np.float64]]:
        fused = {name: self._member(name, computed) for name in self._hybrid.members_}
        members = {**fused, HYBRID: self._hybrid.predict_proba(fused)}
        if NETWORK in fused:
            members[NETWORK] = self._hybrid.predict_alone(NETWORK, fused[NETWORK])
        shares = np.array(list(self._reference.shares.values()))
        # A member that does not apply gets the class shares, as in the catalog's `predictions`.
        return {
            name: np.where(np.isnan(values), shares, values) for name, values in members.items()
        }

    def _member(self, name: str, computed: _Computed) -> NDArray[np.float64]:
        if name == NETWORK:
            return computed.target
        features = BANK[name].values(computed.tables[BANK[name].entry])
        return self._models[name].predict_proba(features)

    def _best(self, probabilities: NDArray[np.float64]) -> NDArray[np.object_]:
        """Most probable class of each row."""
        return np.asarray(self._reference.classes, dtype=object)[probabilities.argmax(axis=1)]

    def _compare(self, kinds: pd.Series, spaces: list[NDArray[np.float64]]) -> pd.DataFrame:
        """Compare each row with the training recordings of its kind."""
        novelties = self._reference.novelty
        parts = []
        for name, rows in kinds.groupby(kinds).indices.items():
            novelty = novelties.get(name, novelties[""])
            compared = novelty.compare([values[rows] for values in spaces])
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

    def remarks(self, table: pd.DataFrame, left_out: list[str]) -> list[str]:
        """Sentences about all files: how they differ from training, and what is not heard."""
        files = table.drop_duplicates("path")
        trained, used = self._reference, self._preprocessing.corpus.analysis
        heard = "loudest" if used.channel == "first" else used.channel
        return [
            *_differing(
                files["sample_rate_hz"], trained.rates_hz, "Hz", f"at {used.sample_rate_hz} Hz"
            ),
            *_differing(
                files["n_channels"], trained.n_channels, "channels", f"on channel: {heard}"
            ),
            *_unheard(files),
            *_left_out(left_out),
        ]

    def _warnings(self, rows: pd.DataFrame, compared: pd.DataFrame) -> list[str]:
        is_unlike = _is_unlike(compared)
        return [
            BETWEEN_WARNINGS.join(self._warnings_of(row, unlike))
            for row, unlike in zip(rows.to_dict("records"), is_unlike, strict=True)
        ]

    def _warnings_of(self, row: dict[str, Any], is_unlike: bool) -> list[str]:
        found = []
        duration_s = self._preprocessing.clip_s
        if row["warnings"]:
            found.append(row["warnings"])
        if row["clipped_run"]:
            found.append(f"{row['clipped_run']} samples in a row at full scale: perhaps clipped")
        if row["duration_s"] < duration_s * _MUCH_SHORTER:
            found.append(
                f"{row['duration_s']:.3g} s, less than half of a training clip ({duration_s:g} s)"
            )
        if row["seen_as"] in ("train", "validation"):
            found.append("the model was trained on this recording")
        elif is_unlike:
            found.append("unlike the training recordings")
        return found


def _differing(values: pd.Series, trained: list[int], unit: str, heard: str) -> list[str]:
    """Say how many files have a value that no training recording has."""
    known = values.dropna().astype(int)
    others = known[~known.isin(trained)]
    if others.empty:
        return []
    found, usual = (" or ".join(map(str, each)) for each in (sorted(set(others)), trained))
    return [
        f"{len(others)} of {len(values)} files: {found} {unit} (training recordings: {usual}); "
        f"heard {heard}"
    ]


def _unheard(files: pd.DataFrame) -> list[str]:
    """Say of how many files only one clip is heard, although they are longer."""
    cut = files[files["unheard_s"] > _LITTLE * files["duration_s"]]
    if cut.empty:
        return []
    return [
        f"{len(cut)} of {len(files)} files are heard as one clip, as in training, because they are "
        f"of the training corpus or impulse responses: {cut['unheard_s'].sum():.3g} of "
        f"{cut['duration_s'].sum():.3g} s are not heard"
    ]


def _left_out(reasons: list[str]) -> list[str]:
    if not reasons:
        return []
    return [f"{len(reasons)} windows have no row: {counted_reasons(reasons)}"]


def _novelty_values(computed: _Computed) -> list[NDArray[np.float64]]:
    """Features of the spaces in which items are compared with the training recordings."""
    return [features_of(computed.tables[name]) for name in ("fourier_features", "codes")]


def _is_unlike(compared: pd.DataFrame) -> pd.Series:
    return (compared["in_distribution"] <= UNLIKE) | compared["is_far"]


def _with_rejected(table: pd.DataFrame | None, part: Features) -> pd.DataFrame:
    """Insert the rejected files at their places."""
    rejected = pd.DataFrame(part.rejected).rename(columns={"reason": "error"})
    if table is None:
        return rejected
    joined = pd.concat([table, rejected], ignore_index=True)
    return joined.sort_values("place", kind="stable", ignore_index=True)


def _hybrid_of(models: dict[str, Any]) -> Any:
    """The hybrid that answers: with pretrained weights, if it was trained."""
    pretrained = models.get(PRETRAINED_HYBRID)
    return pretrained if hasattr(pretrained, "members_") else models[HYBRID]


def _encoders(disentangler: Any) -> Any:
    """The network without its decoder, which predictions do not need."""
    from keras import Model

    wanted = [name for name in (*CODES, "target") if name in disentangler.output]
    return Model(disentangler.input, {name: disentangler.output[name] for name in wanted})


def _shown(schema: list[Any]) -> str:
    if schema and isinstance(schema[0], str):
        return f"{len(schema)} columns ({schema[0]} to {schema[-1]})"
    return " × ".join(map(str, schema))
