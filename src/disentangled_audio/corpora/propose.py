"""Propose a corpus file for a folder of recordings, from names, headers and the shape of sounds."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.corpora.describe import MEASURED_COLUMNS
from disentangled_audio.corpora.proposals import findings, natures
from disentangled_audio.corpora.proposals.choices import (
    DOUBTFUL,
    NUMBERS,
    Column,
    classes,
    classes_with_units,
    groups,
    units_of_classes,
)
from disentangled_audio.corpora.proposals.layout import Layout, examples, layout_of, parts_of
from disentangled_audio.corpora.proposals.questions import (
    Question,
    class_question,
    group_question,
    label_question,
    take_default,
)
from disentangled_audio.corpora.proposals.tables import Beside, table_beside
from disentangled_audio.corpora.proposals.writing import corpus_file
from disentangled_audio.corpora.reading import ffmpeg
from disentangled_audio.corpora.reading.audio import audio_info
from disentangled_audio.corpora.responses import are_impulse_responses
from disentangled_audio.corpora.sources.folder import File, RejectedError, files_in_folder
from disentangled_audio.corpora.sources.unread import NO_FFMPEG, not_read, unread
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AUDIO_PATTERNS
from disentangled_audio.parameters.names import is_name

_LONGEST_CLIP_S = 10.0
_SHORTEST_CLIP_S = 0.1
# Longest name of a corpus that is taken from a folder; the protocol's name adds the target.
_MAX_NAME = 40
# A protocol's default number of folds, for testing and for validation.
_FOLDS = 4
# Names of columns that have another meaning.
_RESERVED = frozenset({*MEASURED_COLUMNS, "folder", "kind", "licence", "citation"})


@dataclass(frozen=True)
class Proposal:
    """A proposed corpus and what to know about it.

    Attributes
    ----------
    name : name of the corpus.
    corpus : its definition.
    protocol : definition of its protocol, without the split.
    splits : splits to try, the best first.
    recordings : a row for each recording: recording_id, path and the columns.
    counts : number of recordings by class.
    reason : where the classes and groups come from.
    warnings : shortcuts to the class other than its sound, copies, and what is left out.
    """

    name: str
    corpus: dict[str, Any]
    protocol: dict[str, Any]
    splits: list[dict[str, Any]]
    recordings: pd.DataFrame
    counts: dict[str, int]
    reason: str
    warnings: list[str]

    @property
    def text(self) -> str:
        """The corpus file, with the best split."""
        protocol = {**self.protocol, "split": self.splits[0]}
        return corpus_file(self.name, self.corpus, protocol)


def propose_corpus(
    folder: Path,
    class_part: int | None = None,
    taken: Collection[str] = (),
    ask: Callable[[Question], str] = take_default,
) -> Proposal:
    """Propose a corpus file for the recordings in a folder.

    Parameters
    ----------
    folder : Path
    class_part : int, optional
        Number of the name part that is the class, from 1. By default the class is a column of a
        table beside the recordings, the sub-folder (of nested ones, the level with the fewest), or
        else the likeliest name part.
    taken : collection of str, optional
        Names of other corpora.
    ask : callable
        Answers what the names leave open; by default, each question's own proposal.

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
    table, warnings = table_beside(folder, facts["relative"].tolist())
    warnings += [*left_out, *unread(folder)]
    layout = layout_of(facts, table, class_part)
    target, others = _target(layout, class_part)
    target = class_question(layout, target, others, ask)
    possible, crossing = groups(layout.facts, layout.columns, target.name)
    group, group_name = group_question(layout, possible, ask)
    layout, target, group = _named(layout, target, group, group_name)
    if unreadable:
        example = unreadable[0].encode("utf-8", "replace").decode("utf-8")
        warnings.append(f"{len(unreadable)} files cannot be read, such as {example}")
    warnings += [
        f"recordings of the same {column.nature} are on both sides of the ready-made split: scores "
        "will not be those for new ones"
        for column in crossing
    ]
    return _proposal(folder, layout, target, group, taken, warnings, ask)


def _proposal(
    folder: Path,
    layout: Layout,
    target: Column,
    group: Column | None,
    taken: Collection[str],
    warnings: Sequence[str],
    ask: Callable[[Question], str],
) -> Proposal:
    grouped_by = None if group is None else group.name
    values = layout.facts[target.name]
    labels = label_question(values, ask)
    known = layout.facts.assign(**{target.name: values.replace(labels)})
    counts = {str(k): int(n) for k, n in known[target.name].value_counts().sort_index().items()}
    kept, left_out = _kept(known, target, grouped_by)
    used = known[known[target.name].isin(kept)]
    protocol: dict[str, Any] = {"target": target.name}
    if labels:
        protocol["labels"] = {name: labels.get(name, name) for name in sorted(values.unique())}
    protocol["group_by"] = [grouped_by] if grouped_by else []
    if left_out:
        protocol["where"] = {target.name: sorted(values[used.index].unique())}
    splits = _splits(layout, used, target.name, grouped_by)
    needed = {target.name, grouped_by, splits[0].get("column")}
    corpus, of_kind = _corpus(folder, layout, needed)
    rows = layout.facts.assign(recording_id=layout.facts["relative"], path=layout.facts["relative"])
    return Proposal(
        name=_name(folder, target.name, taken),
        corpus=corpus,
        protocol=protocol,
        splits=splits,
        recordings=rows,
        counts=counts,
        reason=_reason(layout, target, group, splits[0]) + of_kind,
        warnings=[
            *findings.shortcuts(used, target.name),
            *findings.few({name: counts[name] for name in kept}),
            *left_out,
            *findings.same_sound(folder, known, target.name, grouped_by),
            *warnings,
        ],
    )


def _kept(facts: pd.DataFrame, target: Column, group: str | None) -> tuple[list[str], list[str]]:
    """Classes that can be split, and sentences on the others."""
    enough = classes_with_units(facts, target.name, group)
    every = sorted(facts[target.name].unique())
    few = [name for name in every if name not in enough]
    if not few:
        return every, []
    unit = "recordings" if group is None else f"values of {group}"
    what = f"fewer than 3 {unit} of {examples(few)}"
    if len(enough) < 2:
        return every, [f"{what}: training refuses them; add some"]
    return enough, [f"{what}: left out by `where` until there are more"]


def _target(layout: Layout, class_part: int | None) -> tuple[Column, list[Column]]:
    """Choose the class; also give other columns that are nearly as likely."""
    if class_part is not None:
        name = layout.fields[class_part - 1]
        chosen = next((column for column in layout.columns if column.name == name), None)
        if chosen is None:
            value = layout.facts[name].iloc[0]
            raise UserError(f"--class-part {class_part} is {value} in all names; choose another")
        return chosen, []
    ranked = classes(layout.facts, layout.columns)
    if not ranked:
        raise UserError(
            "no class can be found in sub-folders or names; put each class into a folder of its "
            "own, give the number of the name part that is the class with --class-part"
            f"{parts_of(layout)}, or write the corpus file by hand (docs/recordings.md)"
        )
    (doubt, chosen), *others = ranked
    near = doubt + (1.5 if chosen.origin == "name" else 1)
    # Numbers alone say little of which is the class.
    limit = doubt + 3 if doubt >= NUMBERS else min(near, DOUBTFUL)
    return chosen, [column for other, column in others if other < limit]


def _named(
    layout: Layout, target: Column, group: Column | None, group_name: str
) -> tuple[Layout, Column, Column | None]:
    """Name the columns by what they are; gives the class and the group with their new names."""
    names = {} if target.origin == "table" or target.name == "folder" else {target: natures.LABEL}
    if group is not None and group_name != group.name:
        names[group] = group_name
    for column in layout.columns:
        kind = column.nature or (natures.TAKE if column.is_take else "")
        if kind and column.origin != "table" and column != group:
            names.setdefault(column, kind)
    if target in names and natures.is_group(target.nature):
        names[target] = target.nature
    changed = _unlike(layout, names)
    renamed = layout.renamed(changed)
    by_old = dict(zip(layout.columns, renamed.columns, strict=True))
    return renamed, by_old[target], None if group is None else by_old[group]


def _unlike(layout: Layout, names: dict[Column, str]) -> dict[str, str]:
    """Names of columns that are different, and that ingestion does not use itself."""
    unchanged = {column.name for column in layout.columns if column not in names}
    used = {*unchanged, *layout.fields, *_RESERVED} - {column.name for column in names}
    changed: dict[str, str] = {}
    for column, name in names.items():
        numbered = itertools.chain([name], (f"{name}_{k}" for k in itertools.count(2)))
        changed[column.name] = next(one for one in numbered if one not in used)
        used.add(changed[column.name])
    return changed


def _splits(
    layout: Layout, used: pd.DataFrame, target: str, group: str | None
) -> list[dict[str, Any]]:
    """Splits to try: a ready-made one, then drawn ones."""
    ready = filter(None, (_ready(used, column) for column in layout.columns))
    ways = [("grouped", group), ("random", None)] if group else [("random", None)]
    return [*ready, *(_drawn(way, units_of_classes(used, target, unit)) for way, unit in ways)]


def _drawn(strategy: str, n_units: pd.Series) -> dict[str, Any]:
    """A split with no more folds than the smallest class has units, so that each has one."""
    fewest = int(n_units.min())
    n_folds = min(_FOLDS, max(2, fewest))
    n_others = fewest - math.ceil(fewest / n_folds)
    return {
        "strategy": strategy,
        "n_folds": n_folds,
        "validation_folds": min(_FOLDS, max(2, n_others)),
    }


def _ready(used: pd.DataFrame, column: Column) -> dict[str, Any] | None:
    """The split that folders or a table give, such as `train` and `test`."""
    values = sorted(used[column.name].unique())
    split: dict[str, Any] = {"strategy": "column", "column": column.name}
    if column.nature == natures.FOLD and len(values) > 1:
        return {**split, "validation_folds": _FOLDS}
    if column.nature != natures.PART or len(values) < 2:
        return None
    held_out = [v for v in values if v.lower() in natures.TEST_PARTS]
    test = held_out or [v for v in values if v.lower() not in natures.TRAINING_PARTS]
    train = [value for value in values if value not in test]
    return {**split, "train": train, "test": test, "validation_folds": _FOLDS} if train else None


def _reason(layout: Layout, target: Column, group: Column | None, split: dict[str, Any]) -> str:
    named = "" if target.name == "folder" or target.origin == "table" else f" ({target.name})"
    stays = f"; {group.name} stays on one side of the split" if group else ""
    reason = f"Classes are {layout.place(target)}{named}{stays}."
    if "column" not in split:
        return reason
    values = examples(sorted(layout.facts[split["column"]].unique()))
    return f"{reason} {split['column']} ({values}) names parts of a split."


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


def _check_layout(folder: Path, folders: pd.Series) -> None:
    n_direct = int((folders == ".").sum())
    if 0 < n_direct < len(folders):
        raise UserError(
            f"{n_direct} recordings lie in {folder} itself, and {len(folders) - n_direct} in "
            f"sub-folders, such as {folders[folders != '.'].iloc[0]}, so the classes are unclear. "
            "Move one of the two out of the folder, or name a sub-folder"
        )


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


def _corpus(
    folder: Path, layout: Layout, needed: Collection[str | None]
) -> tuple[dict[str, Any], str]:
    """Definition of the corpus, and a sentence on its kind."""
    facts = layout.facts
    duration_s = float(np.clip(facts["duration_s"].quantile(0.95), _SHORTEST_CLIP_S, None))
    suffixes = Counter(Path(relative).suffix for relative in facts["relative"])
    corpus: dict[str, Any] = {
        "sources": [{"folder": str(folder.resolve())}],
        "files": [f"**/*{suffix}" for suffix in sorted(suffixes)],
    }
    if layout.table is not None and any(c.origin == "table" for c in layout.columns):
        corpus |= _metadata(layout.table)
    if _has_columns_of_names(layout, needed):
        corpus["name_patterns"] = [layout.pattern]
    are_rir = are_impulse_responses([folder / relative for relative in facts["relative"]])
    if are_rir:
        corpus["kind"] = "rir"
    corpus["licence"] = "unknown"
    corpus["analysis"] = {
        "sample_rate_hz": int(facts["rate_hz"].mode().iloc[0]),
        "duration_s": round(min(duration_s, _LONGEST_CLIP_S), 2),
    }
    said = " Most sound like room impulse responses, so their kind is rir." if are_rir else ""
    return corpus, said


def _metadata(table: Beside) -> dict[str, str]:
    key = {} if table.key in {"path", "file"} else {"metadata_key": table.key}
    return {"metadata": str(table.path.resolve()), **key}


def _has_columns_of_names(layout: Layout, needed: Collection[str | None]) -> bool:
    """Whether names give a column that is needed, or, without a table, any but numbers."""
    of_names = [c for c in layout.columns if c.origin != "table" and c.name != "folder"]
    if any(column.name in needed for column in of_names):
        return True
    return layout.table is None and not all(column.is_take for column in of_names)
