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
from disentangled_audio.evaluation.scores.summary import HYBRID, PRETRAINED_HYBRID
from disentangled_audio.models.tables import features_of
from disentangled_audio.parameters import HybridParameters


def _decay_values(acoustics: pd.DataFrame) -> NDArray[np.float64]:
    from disentangled_audio.models.decay_features import decay_features

    measured = acoustics.drop(columns=["recording_id", "reasons"], errors="ignore")
    return decay_features(measured.to_numpy(dtype=float), list(measured))


@dataclass(frozen=True)
class Member:
    """A support vector machine of the bank.

    Attributes
    ----------
    label : str
        Display name.
    says : str
        Description for the report.
    entry : str
        Catalog entry of its features, a table or an array with one row per item.
    values : callable
        Converts that entry to features, (n_items, n_features). It gives no probabilities for an
        item whose features are NaN.
    augmented : str, optional
        Catalog entry of additional training rows.
    provisional : str, optional
        Catalog entry of the same features from a model that has not seen validation rows; the fit
        that predicts validation rows uses it.
    source : str, optional
        What its answers come from, if another member's do too; they share a vote in the hybrid.
    is_optional : bool
        Whether it is trained only if `hybrid.members` names it, and dropped from the hybrid if it
        cannot be trained.
    is_pretrained : bool
        Whether its features come from pretrained weights; then only the hybrid with pretrained
        weights has it.
    """

    label: str
    says: str
    entry: str
    values: Callable[[Any], NDArray[np.float64]] = features_of
    augmented: str | None = None
    provisional: str | None = None
    source: str | None = None
    is_optional: bool = True
    is_pretrained: bool = False

    @property
    def further(self) -> dict[str, str]:
        """Additional catalog entries that training reads, by role."""
        entries = {"augmented": self.augmented, "provisional": self.provisional}
        return {name: entry for name, entry in entries.items() if entry is not None}


# In the order of figures and tables. `svm` is the published model.
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
        source="cepstra",
    ),
    "timbre_svm": Member(
        "Timbre + SVM",
        "support vector machine on statistics of the spectrum over the clip",
        "timbre_features",
        source="cepstra",
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
        source="network",
        is_optional=False,
    ),
    "embedding_svm": Member(
        "Embedding + SVM",
        "support vector machine on what pretrained weights make of the clip",
        "embedding_features",
        is_pretrained=True,
    ),
}
NETWORK = "cnn"
SOURCES = {name: member.source or name for name, member in BANK.items()} | {NETWORK: "network"}
MEMBERS = (*BANK, NETWORK)
MODELS = (*MEMBERS, HYBRID, PRETRAINED_HYBRID)
PRETRAINED = frozenset(name for name, member in BANK.items() if member.is_pretrained)
# Members that learn from the corpus alone.
FROM_SCRATCH = tuple(name for name in MEMBERS if name not in PRETRAINED)


def check_members(names: list[str]) -> None:
    """Raise UserError if the configuration names a member that is not in the bank."""
    unknown = [name for name in names if name not in MEMBERS]
    if unknown:
        raise UserError(
            f"hybrid.members: the bank has no '{unknown[0]}'; choose from {', '.join(MEMBERS)}"
        )


def fusion_of(parameters: HybridParameters) -> Any:
    """The unfitted hybrid."""
    from disentangled_audio.models.fusion import ProbabilityFusion

    return ProbabilityFusion(parameters.max_temperature, SOURCES)
