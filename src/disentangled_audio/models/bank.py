"""The bank: the hybrid's members, and how a member and the hybrid are set up."""

from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.models.tables import feature_table
from disentangled_audio.parameters import HybridParameters

# In the order in which figures and tables show them; the published branches are svm and cnn.
MEMBERS = ("svm", "mel_svm", "timbre_svm", "acoustic_svm", "code_svm", "cnn")
MODELS = (*MEMBERS, HYBRID)


def decay_table(acoustics: pd.DataFrame) -> pd.DataFrame:
    """What the acoustic SVM sees of acoustic parameters."""
    from disentangled_audio.models.decay_features import decay_features

    measured = acoustics.drop(columns=["recording_id", "reasons"], errors="ignore")
    values, _ = decay_features(measured.to_numpy(dtype=float), list(measured))
    return feature_table(acoustics["recording_id"], values, "log_t")


def fusion_of(parameters: HybridParameters) -> Any:
    """The hybrid before it is fitted."""
    from disentangled_audio.models.fusion import ProbabilityFusion

    return ProbabilityFusion(parameters.max_temperature)
