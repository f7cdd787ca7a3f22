"""Parameters of the pipeline `disentanglement`."""

from pydantic import Field

from disentangled_audio.parameters.base import Parameters
from disentangled_audio.parameters.representation_learning import Code


class DisentanglementParameters(Parameters):
    """How disentanglement is measured."""

    carried_by: dict[str, Code] = {}
    """Which code should carry which factor (`target`, `group`, a factor of the protocol,
    `duration`, `level`, `median_f0` or `t20`), for block scores and swaps. Empty asks content for
    the target alone; factors of a code that the model does not have are left out."""
    max_items: int = Field(default=3000, ge=50)
    """Largest number of rows of the leakage matrix and the block scores, drawn at random."""
    raw_components: int = Field(default=40, ge=2)
    """Number of principal components of the log-mel spectrogram that serve as the raw control."""
    n_examples: int = Field(default=4, ge=1, le=100)
    """Number of inputs whose swaps are kept to be seen and heard."""
