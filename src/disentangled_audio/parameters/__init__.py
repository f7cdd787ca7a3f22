"""Typed parameters, checked by Kedro before the first node runs; the only place of defaults.

There is one file per pipeline; ingestion reads `corpus`, `sources`, `protocol` and `parallel`.
Names include units. An unknown key is an error that names it.
"""

from disentangled_audio.parameters.audit import AuditParameters
from disentangled_audio.parameters.base import Parameters
from disentangled_audio.parameters.corpus import (
    AUDIO_FILES,
    AUDIO_PATTERNS,
    FFMPEG_FILES,
    Analysis,
    Corpus,
    ExpectedFiles,
    Link,
    Segments,
)
from disentangled_audio.parameters.cross_validation import CrossValidationParameters
from disentangled_audio.parameters.disentanglement import DisentanglementParameters
from disentangled_audio.parameters.feature_engineering import (
    AcousticParameters,
    AugmentationParameters,
    CepstraParameters,
    FourierParameters,
    OnnxParameters,
    PretrainedParameters,
    ViewParameters,
)
from disentangled_audio.parameters.inference import InferenceParameters
from disentangled_audio.parameters.parallel import ParallelParameters
from disentangled_audio.parameters.protocol import Protocol, Split
from disentangled_audio.parameters.reporting import EvaluationParameters
from disentangled_audio.parameters.representation_learning import (
    CODES,
    Code,
    CodeTerm,
    CodeTerms,
    DecoderParameters,
    DisentanglerParameters,
    EncoderParameters,
    HeadParameters,
    IndependenceTerm,
    LossParameters,
    ScheduleParameters,
    ViewAugmentationParameters,
)
from disentangled_audio.parameters.sources import (
    GENERATORS,
    AnySource,
    ArchiveSource,
    AudioFormat,
    FactorsSource,
    FolderSource,
    Format,
    MatFormat,
    RawFormat,
    Source,
    TwinSource,
)
from disentangled_audio.parameters.svm_classification import HybridParameters, SvmParameters

# Groups by their key in `conf`, in the order of the pipelines.
GROUPS: dict[str, type[Parameters]] = {
    "parallel": ParallelParameters,
    "corpus": Corpus,
    "protocol": Protocol,
    "fourier": FourierParameters,
    "acoustic": AcousticParameters,
    "augmentation": AugmentationParameters,
    "views": ViewParameters,
    "cepstra": CepstraParameters,
    "pretrained": PretrainedParameters,
    "disentangler": DisentanglerParameters,
    "svm": SvmParameters,
    "hybrid": HybridParameters,
    "audit": AuditParameters,
    "evaluation": EvaluationParameters,
    "disentanglement": DisentanglementParameters,
    "cross_validation": CrossValidationParameters,
    "inference": InferenceParameters,
}
