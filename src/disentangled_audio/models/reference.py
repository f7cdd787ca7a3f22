"""What a classifier knows of the recordings that it was trained on."""

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

# How usual a recording is at most that counts as unlike those of training.
UNLIKE = 0.05
_SPACE = ("training", "centre", "spread", "usual")
_SPACES = ("fourier_features", "codes")
_KNOWN = ("sha256", "noise_seed", "kind", "role")


@dataclass(frozen=True)
class Reference:
    """The training recordings, as far as new ones are compared with them.

    Attributes
    ----------
    shares : share of each class among training rows, by the class, in the classifier's order.
    n_channels, rates_hz : of all recordings of the corpus, ascending.
    known : recordings of the corpus by the SHA-256 of their bytes.
    novelty : what is usual among all recordings (""), and among those of a kind of which enough
        are known.
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
        """From the tables of a run.

        Parameters
        ----------
        tables : dict of DataFrame
            `recordings`, `splits`, `fourier_features`, `codes` and `provisional_codes`, whose rows
            are the same items.
        seed : int
            Of the run; very many rows are drawn from.
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
        """Plain values and arrays that `unpacked` makes the same of; no name of a recording."""
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
        """Of what `packed` returned.

        Raises
        ------
        UserError
            If arrays are missing or do not fit together; names the file `path`.
        """
        try:
            known = _unpacked_known(facts, arrays)
            novelty = {
                kind: Novelty([_space(arrays, f"{number}_{name}") for name in _SPACES])
                for number, kind in enumerate(facts["compared_kinds"])
            }
            if "" not in novelty or not known:
                raise ValueError("it knows no recordings")
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise UserError(
                f"{path} does not describe the recordings of a training run ({error})"
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
        raise ValueError("there are not as many facts as recordings")
    rows = zip(sha256, *(values.tolist() for values in others), strict=True)
    return {
        row.tobytes().hex(): Known(seed, facts["kinds"][kind], facts["roles"][role])
        for row, seed, kind, role in rows
    }


def _space(arrays: dict[str, NDArray[Any]], prefix: str) -> Space:
    training, centre, spread, usual = (arrays[f"{prefix}_{part}"] for part in _SPACE)
    n_features = training.shape[1]
    if training.ndim != 2 or any(part.dtype.kind != "f" for part in (training, usual)):
        raise ValueError(f"the arrays of {prefix} are no features")
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
    """What is usual among all recordings (""), and among those of a kind where enough are known."""
    tables = (splits, fourier_features, codes, provisional_codes)
    found = {"": fit_novelty(*tables, seed)}
    kinds = sorted(set(kind))
    # A single kind is all recordings.
    for name in kinds if len(kinds) > 1 else []:
        rows = kind == name
        if {"train", "validation"} <= set(splits.loc[rows, "role"]):
            of_splits, of_spectra, of_codes, of_first = (table[rows] for table in tables)
            own = fit_novelty(of_splits, of_spectra, of_codes, of_first, seed)
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
    """What is usual, in the space of Fourier features and in that of codes.

    Spectra are fitted to no label, so that training rows, seen by the other groups, are usual too.
    Codes of training rows lie where training put them: there validation rows alone are usual, by
    encoders that had not seen them.
    """
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
