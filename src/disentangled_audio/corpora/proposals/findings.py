"""What is worth a warning before training: shortcuts, small classes, copies, overlapping cuts."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy.stats import kruskal

from disentangled_audio.corpora.reading.ingest import ingest
from disentangled_audio.corpora.shared_sound import shared_sound
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Analysis, Corpus, FolderSource, ParallelParameters
from disentangled_audio.storage.hashing import file_hash

# A property that predicts the class this much better than chance is worth a warning.
_WARNING_MARGIN = 0.15
# Medians of durations that differ by less are the same to a listener.
_LEAST_RATIO = 1.1
_FEW = 10
# Recordings that are compared, in series of neighbours: cuts of one recording have similar names.
_MOST_COMPARED = 300
_SERIES = 20
_COMPARED_S = 10.0
_COMPARED_RATE_HZ = 16000


def shortcuts(facts: pd.DataFrame, target: str) -> list[str]:
    """Properties of the files that tell the class."""
    warnings = []
    for name in ("sampling rate", "format", "number of channels"):
        table = pd.crosstab(facts[target], facts[name], normalize="index")
        accuracy = float(table.max(axis=0).sum()) / len(table)
        if accuracy > 1 / len(table) + _WARNING_MARGIN:
            values = "; ".join(f"{c}: {table.loc[c].idxmax()}" for c in table.index[:4])
            warnings.append(
                f"{name} differs by class ({values}): a model may learn it instead of the sound"
            )
    return warnings + _durations(facts, target)


def _durations(facts: pd.DataFrame, target: str) -> list[str]:
    by_class = facts.groupby(target)["duration_s"]
    medians = by_class.median()
    if medians.max() < _LEAST_RATIO * medians.min() or len(facts) <= len(medians):
        return []
    # Epsilon squared: the share of the ranks' variance that lies between classes.
    statistic = kruskal(*(part.to_numpy() for _, part in by_class)).statistic
    if statistic / (len(facts) - 1) <= _WARNING_MARGIN:
        return []
    values = "; ".join(f"{c}: {medians[c]:.3g} s" for c in medians.index[:4])
    return [
        f"duration differs by class (medians {values}): a model may learn it; choose "
        "analysis.duration_s so that all clips are full"
    ]


def few(counts: Mapping[str, int]) -> list[str]:
    """Classes with few recordings."""
    small = [name for name, n in counts.items() if n < _FEW]
    if not small:
        return []
    return [
        f"fewer than {_FEW} recordings of {', '.join(small[:5])}: scores and confidence will be "
        "rough"
    ]


def same_sound(folder: Path, facts: pd.DataFrame, target: str, group: str | None) -> list[str]:
    """Recordings that share sound: copies, and cuts that overlap.

    Copies are looked for among all recordings, other shared sound among some neighbours.

    Parameters
    ----------
    folder : Path
    facts : DataFrame
        `relative`, the class and the group.
    target, group : str
        Columns of the class and of the group, if there is one.
    """
    pairs = pd.concat([_copies(folder, facts), _overlaps(folder, facts)], ignore_index=True)
    pairs = pairs.drop_duplicates(["one", "other"])
    found = []
    for kind, text in (("copy", "copies of others"), ("cut", "partly the same sound as others")):
        of_kind = pairs[pairs["kind"] == kind]
        if len(of_kind):
            n_files = len(set(of_kind["one"]) | set(of_kind["other"]))
            found.append(f"{n_files} recordings are {text}, such as {_example(of_kind)}")
    return found + _across(pairs, facts.set_index("relative"), target, group)


def _across(pairs: pd.DataFrame, rows: pd.DataFrame, target: str, group: str | None) -> list[str]:
    """Pairs that do not belong together although they sound the same."""
    found = []
    for column in filter(None, (target, group)):
        values = [rows.loc[pairs[end], column].to_numpy() for end in ("one", "other")]
        differ = pairs[values[0] != values[1]]
        if len(differ):
            advice = (
                "listen to them, and remove one of each"
                if column == target
                else "a split would train on one and test on the other; group_by: [sound_group] "
                "keeps such recordings together"
            )
            what = "class" if column == target else column
            found.append(f"{_example(differ)} sound the same but differ in {what}: {advice}")
    return found


def _example(pairs: pd.DataFrame) -> str:
    return f"{pairs['one'].iloc[0]} and {pairs['other'].iloc[0]}"


def _pairs(rows: list[tuple[str, str]], kind: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["one", "other"]).assign(kind=kind)


def _copies(folder: Path, facts: pd.DataFrame) -> pd.DataFrame:
    files = facts["relative"].to_frame()
    files["size"] = [(folder / name).stat().st_size for name in files["relative"]]
    alike = files[files["size"].duplicated(keep=False)].copy()
    alike["hash"] = [file_hash(folder / name) for name in alike["relative"]]
    first = alike.groupby("hash")["relative"].transform("first")
    copied = alike[first != alike["relative"]]
    return _pairs(list(zip(first[copied.index], copied["relative"], strict=True)), "copy")


def _overlaps(folder: Path, facts: pd.DataFrame) -> pd.DataFrame:
    duration_s = float(np.clip(facts["duration_s"].quantile(0.95), 0.1, _COMPARED_S))
    corpus = Corpus(
        sources=[FolderSource(folder=str(folder.resolve()), label="folder")],
        files=[_literal(name) for name in _series(sorted(facts["relative"]))],
        max_rejected_share=1,
        analysis=Analysis(sample_rate_hz=_COMPARED_RATE_HZ, duration_s=duration_s),
    )
    parallel = ParallelParameters(backend="threading", n_jobs=1)
    with TemporaryDirectory() as store:
        try:
            ingested = ingest(corpus, [folder], Path(store), parallel)
        except UserError:
            # Ingestion says why none can be used.
            return _pairs([], "cut")
        waveforms, recordings = ingested.waveforms, ingested.recordings
        waveforms.attrs.update(sample_rate_hz=_COMPARED_RATE_HZ, corpus_hash="proposal")
        found = shared_sound(waveforms, recordings, Path(store), parallel)
    path = recordings.set_index("recording_id")["path"].str.removeprefix("folder/")
    ends = (path[found[name]] for name in ("recording_id", "other_id"))
    return _pairs(list(zip(*ends, strict=True)), "cut")


def _series(names: list[str]) -> list[str]:
    """Some of many names, in series of neighbours."""
    if len(names) <= _MOST_COMPARED:
        return names
    starts = np.linspace(0, len(names) - _SERIES, _MOST_COMPARED // _SERIES).astype(int)
    return sorted({name for start in starts for name in names[start : start + _SERIES]})


def _literal(name: str) -> str:
    """Glob pattern of one name."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
