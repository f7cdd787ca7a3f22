"""From files to the features of the training run; travels to workers."""

from dataclasses import dataclass
from typing import Any

from disentangled_audio.parameters import (
    AcousticParameters,
    CepstraParameters,
    Corpus,
    FolderSource,
    FourierParameters,
    ViewParameters,
)

# How files are stored that belong to no corpus: as their headers say.
_NO_SOURCE = FolderSource(folder=".")


@dataclass(frozen=True)
class Preprocessing:
    """What a run did to its recordings, from its manifest."""

    corpus: Corpus
    fourier: FourierParameters
    views: ViewParameters
    cepstra: CepstraParameters
    acoustic: AcousticParameters

    @classmethod
    def of_run(cls, manifest: dict[str, Any]) -> "Preprocessing":
        """Parameters of the run; the clips' length is what it turned out to be."""
        parameters = manifest["parameters"]
        corpus = Corpus.model_validate(parameters["corpus"])
        (n_samples,) = manifest["feature_schema"]["waveforms"]
        duration_s = n_samples / corpus.analysis.clip_rate_hz
        analysis = corpus.analysis.model_copy(update={"duration_s": duration_s})
        return cls(
            # A table of labels belongs to the corpus; new recordings are not in it.
            corpus.model_copy(update={"analysis": analysis, "metadata": None}),
            FourierParameters.model_validate(parameters["fourier"]),
            ViewParameters.model_validate(parameters["views"]),
            CepstraParameters.model_validate(parameters["cepstra"]),
            AcousticParameters.model_validate(parameters["acoustic"]),
        )


@dataclass(frozen=True)
class Known:
    """A recording of the corpus that has the same bytes."""

    name: str
    kind: str
    role: str


@dataclass(frozen=True)
class Features:
    """Of some files: a row an item, and the files that cannot be used.

    Attributes
    ----------
    position : which of all parts it is.
    n_files : how many files it is of.
    rows : facts of each item, with `path`, as `recordings` has them, and `place`: which of the
        part's files it is of.
    rejected : path, reason, what to do and place of each file that cannot be used.
    n_samples : length of the clips; 0 without items.
    values : arrays by name, of items or (views) of their windows; empty without items.
    windows : which item each row of the views is of.
    """

    position: int
    n_files: int
    rows: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    n_samples: int
    values: dict[str, Any]
    windows: Any


@dataclass(frozen=True)
class FeatureReader:
    """Reads files as the training run did, and computes what its models see.

    Attributes
    ----------
    preprocessing : Preprocessing
    known : recordings of the corpus by their SHA-256.
    kind : of all other recordings; None takes what their names say, or the corpus's.
    """

    preprocessing: Preprocessing
    known: dict[str, Known]
    kind: str | None = None

    def __call__(self, part: tuple[int, list[Any]]) -> Features:
        """Features of some files, given with their position among all."""
        from disentangled_audio.corpora.describe import NameGrammar
        from disentangled_audio.corpora.sources.folder import RejectedError

        position, files = part
        grammar = NameGrammar(self.preprocessing.corpus, [])
        rows, clips, rejected = [], [], []
        for place, file in enumerate(files):
            try:
                for row, clip in self._items(file, grammar):
                    rows.append({**row, "place": place})
                    clips.append(clip)
            except RejectedError as error:
                text = {"path": _as_utf8(str(file)), "reason": str(error)}
                rejected.append({**text, "what_to_do": error.of_model, "place": place})
        if not rows:
            return Features(position, len(files), rows, rejected, 0, {}, None)
        values, windows = self._features(rows, clips)
        return Features(position, len(files), rows, rejected, len(clips[0]), values, windows)

    def _items(self, file: Any, grammar: Any) -> list[tuple[dict[str, Any], Any]]:
        from disentangled_audio.corpora.reading.decode import read_content
        from disentangled_audio.corpora.reading.items import Task, read_items
        from disentangled_audio.corpora.sources.folder import Located

        content = read_content([file])
        known = self.known.get(content.sha256)
        columns = {"kind": known.kind if known else self._kind(file, grammar)}
        recording = Located((file,), "named", _as_utf8(file.relative), _NO_SOURCE)
        # The noise behind a short recording must not depend on what the file is called.
        noise_name = known.name if known else content.sha256
        task = Task(recording, columns, (None,), noise_name)
        items = read_items(task, content, self.preprocessing.corpus.analysis)
        facts = {"path": _as_utf8(str(file)), "seen_as": known.role if known else None}
        return [({**row, **facts}, clip) for row, clip in items]

    def _kind(self, file: Any, grammar: Any) -> str:
        named = (grammar.parse(file.relative) or {}).get("kind")
        return self.kind or named or self.preprocessing.corpus.kind

    def _features(self, rows: list[dict[str, Any]], clips: list[Any]) -> tuple[dict[str, Any], Any]:
        import numpy as np

        from disentangled_audio.models.feature_values import (
            acoustic_measures,
            recorded_samples,
            view_summaries,
        )
        from disentangled_audio.models.views import make_views
        from disentangled_audio.models.windows import Windows, cut_windows
        from disentangled_audio.signal.acoustics import measure
        from disentangled_audio.signal.fourier import log_spectrum

        own = self.preprocessing
        waveforms = np.stack(clips)
        rate_hz = own.corpus.analysis.clip_rate_hz
        cut = cut_windows(waveforms, rate_hz, own.views)
        windows = Windows.whole(len(waveforms)) if cut is None else cut.windows
        windowed = waveforms if cut is None else cut[slice(0, cut.shape[0])]
        views = make_views(windowed, rate_hz, own.views)
        course, statistics = view_summaries(views["log_mel"], windows, own.cepstra, own.views)
        facts = (
            np.array([row[name] for row in rows])
            for name in ("kind", "duration_s", "first_arrival_s")
        )
        recorded = recorded_samples(*facts, own.corpus.analysis, waveforms.shape[1])
        values, _ = measure(waveforms, rate_hz, recorded, acoustic_measures(own.acoustic))
        # The waveforms stay here: half of all bytes, of which nothing but the length is looked at.
        features = {
            "fourier_spectra": log_spectrum(waveforms, own.fourier.floor_db),
            **views,
            "mel_features": course,
            "timbre_features": statistics,
            "acoustic_values": values,
        }
        return features, windows


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
