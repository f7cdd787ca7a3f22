"""Summary of the training recordings, with which a classifier compares new ones."""

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.representation.novelty import Novelty, Space, fit_space
from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX
from disentangled_audio.models.preparation import Known
from disentangled_audio.models.tables import class_shares, features_of, training_classes

# A recording with this `in_distribution` or less is called unlike the training recordings.
UNLIKE = 0.05
_SPACE = ("training", "centre", "spread", "usual")
_SPACES = ("fourier_features", "codes")
_KNOWN = ("sha256", "noise_seed", "kind", "role")


@dataclass(frozen=True)
class Reference:
    """Facts about the training recordings.

    Attributes
    ----------
    shares : share of each class among the training rows, in the order of the classes.
    n_channels, rates_hz : values in the corpus, ascending.
    known : recordings of the corpus by the SHA-256 of their bytes.
    novelty : novelty measures by kind; "" stands for all recordings.
    """

    shares: dict[str, float]
    n_channels: list[int]
    rates_hz: list[int]
    known: dict[str, Known]
    novelty: dict[str, Novelty]

    @property
    def classes(self) -> list[str]:
        """Class names, in the order of the probability columns."""
        return list(self.shares)

    @property
    def kinds(self) -> list[str]:
        """Kinds of the corpus's recordings."""
        return sorted({known.kind for known in self.known.values()})

    @classmethod
    def of_tables(cls, tables: dict[str, pd.DataFrame], seed: int) -> "Reference":
        """Make a reference from the tables of a run.

        Parameters
        ----------
        tables : dict of DataFrame
            `recordings`, `splits`, `fourier_features`, `codes` and `provisional_codes`, with the
            same items in the same order.
        seed : int
            Seed of the run, for draws from very many rows.
        """
        recordings, splits = tables["recordings"], tables["splits"]
        shares = class_shares(splits)
        names = ("fourier_features", "codes", "provisional_codes")
        features, codes, provisional_codes = (tables[name] for name in names)
        return cls(
            {name: shares[f"{PROBABILITY_PREFIX}{name}"] for name in training_classes(splits)},
            sorted(map(int, set(recordings["n_channels"]))),
            sorted(map(int, set(recordings["sample_rate_hz"]))),
            _known(recordings, splits),
            novelty_by_kind(
                recordings["kind"].to_numpy(), splits, features, codes, provisional_codes, seed
            ),
        )

    def packed(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Plain values and arrays for `unpacked`, without names of recordings."""
        known = list(self.known.values())
        kinds, roles = self.kinds, sorted({found.role for found in known})
        arrays: dict[str, NDArray[Any]] = {
            "sha256": np.frombuffer(bytes.fromhex("".join(self.known)), np.uint8).reshape(-1, 32),
            "noise_seed": np.array([found.noise_seed for found in known], np.uint32),
            "kind": np.array([kinds.index(found.kind) for found in known], np.uint16),
            "role": np.array([roles.index(found.role) for found in known], np.uint16),
        }
        for number, novelty in enumerate(self.novelty.values()):
            for name, space in zip(_SPACES, novelty.spaces, strict=True):
                for part in _SPACE:
                    arrays[f"{number}_{name}_{part}"] = getattr(space, part)
        facts: dict[str, Any] = {
            "shares": self.shares,
            "n_channels": self.n_channels,
            "rates_hz": self.rates_hz,
            "kinds": kinds,
            "roles": roles,
            "compared_kinds": list(self.novelty),
        }
        return facts, arrays

    @classmethod
    def unpacked(
        cls, facts: dict[str, Any], arrays: dict[str, NDArray[Any]], path: Any
    ) -> "Reference":
        """Undo `packed`; raise UserError if arrays of the file `path` are missing or do not fit."""
        try:
            known = _unpacked_known(facts, arrays)
            novelty = {
                kind: Novelty([_space(arrays, f"{number}_{name}") for name in _SPACES])
                for number, kind in enumerate(facts["compared_kinds"])
            }
            if "" not in novelty or not known:
                raise ValueError("it has no recordings")
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise UserError(
                f"{path} does not describe the recordings of a training run ({error}); ask for a "
                "new copy"
            ) from error
        return cls(facts["shares"], facts["n_channels"], facts["rates_hz"], known, novelty)


def _known(recordings: pd.DataFrame, splits: pd.DataFrame) -> dict[str, Known]:
    first = recordings.assign(role=splits["role"].to_numpy()).drop_duplicates("sha256")
    return {
        row.sha256: Known(zlib.crc32(row.path.encode()), row.kind, str(row.role))
        for row in first[["sha256", "path", "kind", "role"]].itertuples()
    }


def _unpacked_known(facts: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> dict[str, Known]:
    sha256, *others = (arrays[name] for name in _KNOWN)
    if sha256.dtype != np.uint8 or sha256.shape[1:] != (32,):
        raise ValueError("hashes of recordings are not 32 bytes long")
    if any(values.shape != (len(sha256),) or values.dtype.kind != "u" for values in others):
        raise ValueError("the numbers of facts and recordings differ")
    rows = zip(sha256, *(values.tolist() for values in others), strict=True)
    return {
        row.tobytes().hex(): Known(seed, facts["kinds"][kind], facts["roles"][role])
        for row, seed, kind, role in rows
    }


def _space(arrays: dict[str, NDArray[Any]], prefix: str) -> Space:
    training, centre, spread, usual = (arrays[f"{prefix}_{part}"] for part in _SPACE)
    n_features = training.shape[1]
    if training.ndim != 2 or any(part.dtype.kind != "f" for part in (training, usual)):
        raise ValueError(f"the arrays of {prefix} are not features")
    if centre.shape != (n_features,) or spread.shape != (n_features,) or usual.ndim != 1:
        raise ValueError(f"the arrays of {prefix} do not fit together")
    if not len(training) or not len(usual):
        raise ValueError(f"{prefix} is empty")
    return Space(training, centre, spread, usual)


def novelty_by_kind(
    kind: NDArray[Any],
    splits: pd.DataFrame,
    fourier_features: pd.DataFrame,
    codes: pd.DataFrame,
    provisional_codes: pd.DataFrame,
    seed: int,
) -> dict[str, Novelty]:
    """Novelty measures of all recordings (""), and of each kind with enough recordings."""
    tables = (splits, fourier_features, codes, provisional_codes)
    found = {"": fit_novelty(*tables, seed)}
    kinds = sorted(set(kind))
    # A single kind is the same as all recordings.
    for name in kinds if len(kinds) > 1 else []:
        rows = kind == name
        if {"train", "validation"} <= set(splits.loc[rows, "role"]):
            own_splits, spectra, final, provisional = (table[rows] for table in tables)
            own = fit_novelty(own_splits, spectra, final, provisional, seed)
            if own.least <= UNLIKE:
                found[name] = own
    return found


def fit_novelty(
    splits: pd.DataFrame,
    fourier_features: pd.DataFrame,
    codes: pd.DataFrame,
    provisional_codes: pd.DataFrame,
    seed: int,
) -> Novelty:
    """Fit the novelty measure in the spaces of Fourier features and of codes.

    Spectra do not depend on labels, so training rows, compared with other groups, also show which
    distances are usual. Codes of training rows were fitted; for them, only validation rows show
    this, with encoders that have not seen these.
    """
    role, group = splits["role"].to_numpy(), splits["group"].to_numpy()
    training, validation = role == "train", role == "validation"
    spectra = fit_space(features_of(fourier_features), training, training | validation, group, seed)
    provisional, final = (
        fit_space(features_of(table), training, validation, group, seed)
        for table in (provisional_codes, codes)
    )
    return Novelty([spectra, replace(final, usual=provisional.usual)])
