"""Propose a corpus file for a folder of recordings, from names, headers and the shape of sounds."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import kruskal

from disentangled_audio.corpora.reading import ffmpeg
from disentangled_audio.corpora.reading.audio import audio_info
from disentangled_audio.corpora.responses import are_impulse_responses
from disentangled_audio.corpora.sources.folder import File, RejectedError, files_in_folder
from disentangled_audio.corpora.sources.unread import NO_FFMPEG, not_read, unread
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AUDIO_PATTERNS, FourierParameters
from disentangled_audio.parameters.names import is_name

_SEPARATORS = re.compile(r"[_\-. ]")
# A field with more values than this share of the files is a number, not a class.
_MAX_SHARE = 0.25
# A property that predicts the class this much better than chance is worth a warning.
_WARNING_MARGIN = 0.15
_LONGEST_CLIP_S = 10.0
_SHORTEST_CLIP_S = 0.1
_LEAST_GROUPS = 4
# Longest name of a corpus that is taken from a folder; the protocol's name adds the target.
_MAX_NAME = 40
# A protocol's default number of folds, for testing and for validation.
_MOST_FOLDS = 4
# One each for training, validation and test.
_LEAST_ROWS = 3
# Fourier components of `--env=folder` for sounds other than impulse responses, which have the
# default, and the share of the expected training rows to rely on.
_COMPONENTS = 20
_SURE_SHARE = 0.8
# Folders with only these names are the parts of a ready-made split, not classes.
_PARTS_OF_SPLITS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
)


@dataclass(frozen=True)
class Proposal:
    """A proposed corpus file and what to know about it.

    Attributes
    ----------
    text : the corpus file as YAML.
    counts : number of recordings by class.
    reason : where the classes and groups come from.
    warnings : shortcuts to the class other than its sound, and unreadable files.
    options : parameters to type because there are so few recordings.
    """

    text: str
    counts: dict[str, int]
    reason: str
    warnings: list[str]
    options: list[str]


def propose_corpus(
    folder: Path, class_part: int | None = None, taken: Collection[str] = ()
) -> Proposal:
    """Propose a corpus file for the recordings in a folder.

    Parameters
    ----------
    folder : Path
    class_part : int, optional
        Number of the name part that is the class, from 1. By default the class is the sub-folder
        (of nested ones, the level with the fewest), or else the first suitable name part.
    taken : collection of str, optional
        Names of other corpora.

    Raises
    ------
    UserError
        If it is not a folder, has no readable recording, no class can be found in its names, or
        only some of the recordings lie in sub-folders.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name a folder of recordings")
    found = files_in_folder(folder, AUDIO_PATTERNS)
    if not found:
        raise UserError(" ".join([f"{folder} has no recordings.", *unread(folder)]))
    facts, unreadable, left_out = _headers(found)
    if facts.empty:
        reasons = ". ".join(left_out)
        raise UserError(f"none of the {len(found)} recordings of {folder} can be read. {reasons}")
    _check_layout(folder, facts["folder"])
    target, group, pattern, reason = _columns(facts, class_part)
    counts = {str(name): int(n) for name, n in facts[target].value_counts().sort_index().items()}
    warnings = [*_shortcuts(facts, target), *_few(counts), *left_out, *unread(folder)]
    if unreadable:
        example = unreadable[0].encode("utf-8", "replace").decode("utf-8")
        warnings.append(f"{len(unreadable)} files cannot be read, such as {example}")
    n_folds, n_validation_folds = _numbers_of_folds(min(counts.values()))
    corpus = _corpus(folder, facts, pattern)
    n_components = _COMPONENTS
    if are_impulse_responses([folder / relative for relative in facts["relative"]]):
        corpus["kind"] = "rir"
        n_components = FourierParameters().n_components
        reason += " Most sound like room impulse responses, so their kind is rir."
    text = _yaml(_name(folder, target, taken), corpus, target, group, n_folds, n_validation_folds)
    learned_share = (1 - 1 / n_folds) * (1 - 1 / n_validation_folds)
    n_training = max(1, int(_SURE_SHARE * len(facts) * learned_share))
    options = [f"fourier.n_components={n_training}"] if n_training < n_components else []
    return Proposal(text, counts, reason, warnings, options)


def _headers(files: list[File]) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Read the headers; also give unreadable files, and sentences on those that need ffmpeg."""
    rows, unreadable, needing = [], [], []
    for file in files:
        try:
            info = audio_info(file)
            # Ingestion rejects names that are not UTF-8, too.
            file.relative.encode()
        except (RejectedError, UnicodeEncodeError) as error:
            (needing if str(error) == ffmpeg.MISSING else unreadable).append(file.relative)
            continue
        rows.append(
            {
                "relative": file.relative,
                "folder": str(Path(file.relative).parent.as_posix()),
                "duration_s": info.duration_s,
                "sampling rate": f"{info.sample_rate_hz} Hz",
                "rate_hz": info.sample_rate_hz,
                "format": info.storage,
                "number of channels": str(info.n_channels),
            }
        )
    return pd.DataFrame(rows), unreadable, not_read((name, NO_FFMPEG) for name in needing)


def _columns(
    facts: pd.DataFrame, class_part: int | None
) -> tuple[str, str | None, str | None, str]:
    """Choose target, group and name pattern, with a reason; adds name columns to the table."""
    levels = _add_levels(facts)
    fields, are_all = _add_fields(facts)
    pattern = _pattern(levels, fields, are_all)
    candidates = _without_counter(facts, [name for name in fields if _is_class(facts[name])])
    places = [name for name in levels if facts[name].nunique() > 1]
    splits = [name for name in places if _is_split(facts[name])]
    places = [name for name in places if name not in splits]
    split_hint = "".join(_split_hint(facts, name) for name in splits)
    if class_part is None and places:
        target = min(places, key=lambda name: facts[name].nunique())
        group = _group(facts, target, [*places, *candidates])
        others = " or ".join(name for name in places if name != target)
        also = f" ({target}; target: {others} is possible too)" if others else ""
        reason = f"Classes are the sub-folders{also}{_grouping(group)}.{split_hint}"
        return target, group, None if target == "folder" and not group else pattern, reason
    target = _target(facts, fields, candidates, class_part)
    group = _group(facts, target, [*places, *candidates])
    others = [_number(name) for name in candidates if name != target]
    also = f" (--class-part {' or '.join(others)} is possible too)" if others else ""
    reason = f"Classes are part {_number(target)} of the names{also}{_grouping(group)}.{split_hint}"
    return target, group, pattern, reason


def _check_layout(folder: Path, folders: pd.Series) -> None:
    n_direct = int((folders == ".").sum())
    if 0 < n_direct < len(folders):
        raise UserError(
            f"{n_direct} recordings lie in {folder} itself, and {len(folders) - n_direct} in "
            f"sub-folders, such as {folders[folders != '.'].iloc[0]}, so the classes are unclear. "
            "Move one of the two out of the folder, or name a sub-folder"
        )


def _add_levels(facts: pd.DataFrame) -> list[str]:
    """Add a column for each folder level that all files have; a single level is `folder`."""
    parents = facts["folder"].map(lambda folder: PurePosixPath(folder).parts)
    n_levels = parents.map(len)
    if n_levels.max() < 2:
        return ["folder"]
    levels = [f"level{place + 1}" for place in range(n_levels.min())]
    for place, name in enumerate(levels):
        facts[name] = parents.map(lambda parts, at=place: parts[at])
    return levels


def _is_split(values: pd.Series) -> bool:
    return set(values.str.lower()) <= _PARTS_OF_SPLITS


def _split_hint(facts: pd.DataFrame, name: str) -> str:
    return (
        f" {name} ({', '.join(sorted(set(facts[name])))}) names parts of a split, not classes; "
        f"to use it: split: {{strategy: column, column: {name}, test: …}}."
    )


def _add_fields(facts: pd.DataFrame) -> tuple[list[str], bool]:
    """Add a column for each part that all names have; tell if no name has more parts."""
    stems = facts["relative"].map(lambda name: _SEPARATORS.split(Path(name).stem))
    n_fields = stems.map(len)
    if n_fields.max() == 1:
        return [], True
    fields = [f"field{place + 1}" for place in range(n_fields.min())]
    for place, name in enumerate(fields):
        facts[name] = stems.map(lambda parts, at=place: parts[at])
    return fields, n_fields.nunique() == 1


def _number(field: str) -> str:
    return field.removeprefix("field")


def _without_counter(facts: pd.DataFrame, kinds: list[str]) -> list[str]:
    """Drop the candidate that numbers the takes of each combination of the others."""
    digits = [name for name in kinds if facts[name].str.isdigit().all()]
    if not digits or len(kinds) == 1:
        return kinds
    counter = max(digits, key=lambda name: facts[name].nunique())
    others = [name for name in kinds if name != counter]
    most = max(facts[name].nunique() for name in others)
    repeats = facts.duplicated(["folder", *others, counter]).any()
    return kinds if repeats or facts[counter].nunique() <= most else others


def _target(
    facts: pd.DataFrame, fields: list[str], candidates: list[str], class_part: int | None
) -> str:
    if class_part is not None:
        if class_part > len(fields):
            raise UserError(
                f"--class-part {class_part}: some names have fewer parts, such as "
                f"{min(facts['relative'], key=lambda name: len(_SEPARATORS.split(name)))}"
            )
        name = fields[class_part - 1]
        if facts[name].nunique() < 2:
            raise UserError(
                f"--class-part {class_part} is {facts[name].iloc[0]} in all names; choose another"
            )
        return name
    if not candidates:
        parts = [f"{n}: {_examples(facts[name])}" for n, name in enumerate(fields, start=1)]
        seen = f" (the parts are {'; '.join(parts)})" if parts else ""
        raise UserError(
            "no class can be found in sub-folders or names; put each class into a folder of its "
            "own, give the number of the name part that is the class with --class-part"
            f"{seen}, or write the corpus file by hand (docs/recordings.md)"
        )
    return candidates[0]


def _examples(values: pd.Series) -> str:
    names = values.unique()
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _grouping(group: str | None) -> str:
    return f"; {group} stays on one side of the split" if group else "; rows are split at random"


def _is_class(values: pd.Series) -> bool:
    return 2 <= values.nunique() <= max(2, _MAX_SHARE * len(values)) and (
        values.value_counts().min() > 1
    )


def _group(facts: pd.DataFrame, target: str, kinds: list[str]) -> str | None:
    """Find a field with several values, in more than two of which every class occurs."""
    for name in kinds:
        enough = facts[name].nunique() >= _LEAST_GROUPS
        if name != target and enough and facts.groupby(target)[name].nunique().min() > 2:
            return name
    return None


def _pattern(levels: list[str], fields: list[str], are_all: bool) -> str | None:
    """Build the name pattern for nested folders and name parts; None if there are neither."""
    above = "" if levels == ["folder"] else _above(levels)
    if not fields:
        return rf"{above}[^/]+" if above else None
    groups = [f"(?P<{name}>[^/_. -]+)" for name in fields]
    rest = "" if are_all else r"(?:[_\-. ][^/]*)?"
    return above + r"[_\-. ]".join(groups) + rest + r"\.\w+"


def _above(levels: list[str]) -> str:
    return "".join(f"(?P<{name}>[^/]+)/" for name in levels) + "(?:[^/]+/)*"


def _shortcuts(facts: pd.DataFrame, target: str) -> list[str]:
    warnings = []
    for name in ("sampling rate", "format", "number of channels"):
        table = pd.crosstab(facts[target], facts[name], normalize="index")
        accuracy = float(table.max(axis=0).sum()) / len(table)
        if accuracy > 1 / len(table) + _WARNING_MARGIN:
            values = "; ".join(f"{c}: {table.loc[c].idxmax()}" for c in table.index[:4])
            warnings.append(
                f"{name} differs by class ({values}): a model may learn it instead of the sound"
            )
    parts = [part.to_numpy() for _, part in facts.groupby(target)["duration_s"]]
    if facts["duration_s"].nunique() > 1 and len(facts) > len(parts):
        statistic = kruskal(*parts).statistic
        # Epsilon squared: the share of the ranks' variance that lies between classes.
        if statistic / (len(facts) - 1) > _WARNING_MARGIN:
            medians = facts.groupby(target)["duration_s"].median()
            values = "; ".join(f"{c}: {medians[c]:.3g} s" for c in medians.index[:4])
            warnings.append(
                f"duration differs by class (medians {values}): a model may learn it; choose "
                "analysis.duration_s so that all clips are full"
            )
    return warnings


def _numbers_of_folds(fewest: int) -> tuple[int, int]:
    """Number of folds, and of validation folds, for the number of rows of the smallest class.

    There are no more folds than rows, so that a class has rows in each; `_few` warns of fewer.
    """
    n_folds = min(_MOST_FOLDS, max(2, fewest))
    n_others = fewest - math.ceil(fewest / n_folds)
    return n_folds, min(_MOST_FOLDS, max(2, n_others))


def _few(counts: dict[str, int]) -> list[str]:
    warnings = []
    few_to_judge = "scores and confidence will be rough"
    for least, why in ((_LEAST_ROWS, "training refuses them"), (10, few_to_judge)):
        few = [name for name, n in counts.items() if n < least]
        if few:
            warnings.append(f"fewer than {least} recordings of {', '.join(few[:5])}: {why}")
    return warnings


def _name(folder: Path, target: str, taken: Collection[str]) -> str:
    """Name the corpus after its folder, with parent folders or a number if the name is taken."""
    parts = [re.sub(r"\W+", "_", part).strip("_").lower() for part in folder.resolve().parts]
    parts = [part[:_MAX_NAME] for part in parts]
    # Reserved names such as `con` are usable with a number; names without letters are not.
    parts = [part for part in parts if is_name(f"{part}_2")] or ["own"]
    names = ["_".join(parts[first:]) for first in range(len(parts) - 1, -1, -1)]
    numbered = (f"{names[0]}_{number}" for number in itertools.count(2))
    possible = (
        name
        for name in itertools.chain(names, numbered)
        if is_name(name) and is_name(f"{name}_{target}")
    )
    return next(name for name in possible if name not in taken)


def _corpus(folder: Path, facts: pd.DataFrame, pattern: str | None) -> dict[str, Any]:
    duration_s = float(np.clip(facts["duration_s"].quantile(0.95), _SHORTEST_CLIP_S, None))
    suffixes = Counter(Path(relative).suffix for relative in facts["relative"])
    corpus = {
        "sources": [{"folder": str(folder.resolve())}],
        "files": [f"**/*{suffix}" for suffix in sorted(suffixes)],
        "licence": "unknown",
        "analysis": {
            "sample_rate_hz": int(facts["rate_hz"].mode().iloc[0]),
            "duration_s": round(min(duration_s, _LONGEST_CLIP_S), 2),
        },
    }
    if pattern:
        corpus["name_patterns"] = [pattern]
    return corpus


def _yaml(
    name: str,
    corpus: dict[str, Any],
    target: str,
    group: str | None,
    n_folds: int,
    n_validation_folds: int,
) -> str:
    split = {"strategy": "grouped" if group else "random", "n_folds": n_folds}
    if n_validation_folds < _MOST_FOLDS:
        split["validation_folds"] = n_validation_folds
    protocol = {"target": target, "group_by": [group] if group else [], "split": split}
    content = {"corpora": {name: corpus}, "protocols": {f"{name}_{target}": protocol}}
    return "# Proposed; change what is wrong.\n" + yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True
    )
