"""Pictures and players embedded in the page, as values that JSON can hold."""

import io
import wave
from base64 import b64encode
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

FIGURE_DPI = 130
CSS_DPI = 96
# 36 players (six mistakes, six swaps of five sounds) of this length take 5.8 MB as base64; a page
# of 10 MB has 4 MB left for figures.
MOST_SAMPLES = 60_000
LOUDEST = 0.9


def picture(figure: Figure, text: str) -> dict[str, Any]:
    """Encode a figure as PNG; `text` describes it for those who do not see it.

    Returns
    -------
    dict
        ``png`` (base64), ``text``, and ``width`` and ``height`` in CSS pixels at which letters
        have their intended size.
    """
    buffer = io.BytesIO()
    # Without the library's version, equal figures give equal files.
    figure.savefig(buffer, format="png", dpi=FIGURE_DPI, metadata={"Software": None})
    width, height = (round(CSS_DPI * float(inches)) for inches in figure.get_size_inches())
    return {"png": _base64(buffer.getvalue()), "text": text, "width": width, "height": height}


def player(samples: NDArray[np.floating], sample_rate_hz: int, text: str) -> dict[str, Any]:
    """Encode a sound as 16-bit WAV, as loud as possible; of a long one only the start.

    Parameters
    ----------
    samples : (n_samples,)
        Linear amplitude.

    Returns
    -------
    dict
        ``wav`` (base64), ``text``, and ``cut_s``: length in seconds if the sound was cut, or None.
    """
    kept = np.asarray(samples[:MOST_SAMPLES], dtype=float)
    peak = np.abs(kept).max(initial=0.0)
    scaled = kept * (LOUDEST * np.iinfo(np.int16).max / peak) if peak > 0 else kept
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(np.round(scaled).astype("<i2").tobytes())
    cut_s = len(kept) / sample_rate_hz if len(kept) < len(samples) else None
    return {"wav": _base64(buffer.getvalue()), "text": text, "cut_s": cut_s}


def _base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")
