"""Parameters of the pipeline `audit`."""

from pydantic import Field

from disentangled_audio.parameters.base import Parameters


class AuditParameters(Parameters):
    """Spectra that the audit's controls see of each clip."""

    direct_s: float = Field(default=0.005, gt=0, le=1)
    """Length in seconds of the beginning of a clip that the control for the first sound sees."""
    direct_bands: int = Field(default=16, ge=2, le=256)
    """Number of bands of the spectrum of that beginning."""
    long_term_bands: int = Field(default=24, ge=2, le=256)
    """Number of bands of the spectrum of the whole clip, and of its quiet parts."""
    long_term_min_hz: float = Field(default=50.0, gt=0)
    """Lower edge of the first of these bands, in Hz."""
