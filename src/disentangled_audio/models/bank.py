"""The bank: the classifiers that the hybrid fuses.

To add one, write a `Member` into `BANK` and its name into `hybrid.members` of the configuration.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.models.tables import features_of
from disentangled_audio.parameters import HybridParameters


def _decay_values(acoustics: pd.DataFrame) -> NDArray[np.float64]:
    from disentangled_audio.models.decay_features import decay_features

    measured = acoustics.drop(columns=["recording_id", "reasons"], errors="ignore")
    values, _ = decay_features(measured.to_numpy(dtype=float), list(measured))
    return values


@dataclass(frozen=True)
class Member:
    """A support vector machine of the bank.

    Attributes
    ----------
    label : str
        What people call it.
    says : str
        What it is, for those who read a report.
    entry : str
        The catalog's entry that it reads, a table or an array with one row an item.
    values : callable
        From that entry to its features, (n_items, n_features). An item whose features are NaN is
        not judged.
    augmented : str, optional
        Entry with further training rows.
    provisional : str, optional
        Entry with the same features for the fit that judges validation rows, where features are
        themselves learned from these.
    is_optional : bool
        Whether it is trained only where `hybrid.members` names it, and left out of the hybrid where
        it cannot be trained.
    """

    label: str
    says: str
    entry: str
    values: Callable[[Any], NDArray[np.float64]] = features_of
    augmented: str | None = None
    provisional: str | None = None
    is_optional: bool = True

    @property
    def further(self) -> dict[str, str]:
        """Entries that training takes beside features, by what they are for."""
        entries = {"augmented": self.augmented, "provisional": self.provisional}
        return {name: entry for name, entry in entries.items() if entry is not None}


# By name, in the order in which figures and tables show them. `svm` is the published one.
BANK = {
    "svm": Member(
        "Fourier + SVM",
        "support vector machine on the principal components of the clip's Fourier spectrum",
        "fourier_features",
        augmented="augmented_features",
        is_optional=False,
    ),
    "mel_svm": Member(
        "MFCC + SVM",
        "support vector machine on cepstra over time",
        "mel_features",
    ),
    "timbre_svm": Member(
        "Timbre + SVM",
        "support vector machine on statistics of the spectrum over the clip",
        "timbre_features",
    ),
    "acoustic_svm": Member(
        "Decay + SVM",
        "support vector machine on how the sound decays by band (impulse responses)",
        "acoustic_parameters",
        values=_decay_values,
    ),
    "code_svm": Member(
        "Codes + SVM",
        "support vector machine on the codes for content, rhythm and pitch",
        "codes",
        provisional="provisional_codes",
        is_optional=False,
    ),
}
NETWORK = "cnn"
MEMBERS = (*BANK, NETWORK)
MODELS = (*MEMBERS, HYBRID)


def check_members(names: list[str]) -> None:
    """Stop where the configuration names a member that is not in the bank.

    Raises
    ------
    UserError
        Naming it, and those that there are.
    """
    unknown = [name for name in names if name not in MEMBERS]
    if unknown:
        raise UserError(
            f"hybrid.members: the bank has no '{unknown[0]}'; it has {', '.join(MEMBERS)}"
        )


def fusion_of(parameters: HybridParameters) -> Any:
    """The hybrid before it is fitted."""
    from disentangled_audio.models.fusion import ProbabilityFusion

    return ProbabilityFusion(parameters.max_temperature)
