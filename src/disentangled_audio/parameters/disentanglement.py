"""Parameters of the pipeline `disentanglement`."""

from pydantic import Field

from disentangled_audio.parameters.base import Parameters
from disentangled_audio.parameters.representation_learning import Code


class DisentanglementParameters(Parameters):
    """How to measure disentanglement."""

    carried_by: dict[str, Code] = {}
    """Code that should carry each factor (`target`, `group`, a factor of the protocol, `duration`,
    `level`, `median_f0` or `t20`), for block scores and swaps. Empty expects only the target, in
    the content code; factors of a code that the model does not have are left out."""
    max_items: int = Field(default=3000, ge=50)
    """Largest number of rows for the leakage matrix and the block scores; of more, a random sample
    is used."""
    raw_components: int = Field(default=40, ge=2)
    """Number of principal components of the log-mel spectrogram in the control without codes."""
    n_examples: int = Field(default=4, ge=1, le=100)
    """Number of recordings whose swaps are kept as pictures and sounds."""
