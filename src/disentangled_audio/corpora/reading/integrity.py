"""Checks of a corpus: expected counts, hashes and links between recordings."""

import csv
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from disentangled_audio.corpora.reading.containers import HEADER
from disentangled_audio.corpora.reading.parts import counted_reasons
from disentangled_audio.corpora.sources.folder import File
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Analysis, Corpus, ExpectedFiles, Link

# Shorter ends of recordings are lost by rounding.
_UNHEARD_S = 0.01
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA256SUM = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(.+)")


class KnownHashes:
    """Expected SHA-256 of files, from a table.

    Parameters
    ----------
    table : str or None
        File with lines of `sha256sum`, or a comma- or tab-separated table with the columns `name`
        and `sha256`; None for no hashes.
    folders : list of Path
        Folders that are searched for a relative path.

    Raises
    ------
    UserError
        If the table is missing, has another form, or gives a file two hashes.
    """

    def __init__(self, table: str | None, folders: list[Path]) -> None:
        self._known = {} if table is None else _read_hashes(table, folders)

    def expected(self, file: File) -> str | None:
        """Give the expected hash of a file; None if the table does not name it."""
        # By its whole path, or by its name alone, as in tables for a flat folder.
        return self._known.get(file.relative) or self._known.get(PurePosixPath(file.relative).name)


def _read_hashes(table: str, folders: list[Path]) -> dict[str, str]:
    wanted = Path(table).expanduser()
    candidates = [wanted] if wanted.is_absolute() else [folder / wanted for folder in folders]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise UserError(f"corpus.hashes not found: {', '.join(map(str, candidates))}")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = [match.group(2, 1) for line in lines if (match := _SHA256SUM.fullmatch(line))]
    if not pairs:
        rows = csv.DictReader(lines, delimiter="\t" if "\t" in "".join(lines[:1]) else ",")
        pairs = [(row.get("name") or "", (row.get("sha256") or "").lower()) for row in rows]
    known = dict(pairs)
    if not pairs or any(not name or not _SHA256.fullmatch(value) for name, value in pairs):
        raise UserError(
            f"corpus.hashes {path} must hold lines of sha256sum, or columns name and sha256"
        )
    if any(known[name] != value for name, value in pairs):
        raise UserError(f"corpus.hashes {path} gives a file two hashes")
    return known


def integrity_report(
    recordings: pd.DataFrame, splits: pd.DataFrame, rejected: pd.DataFrame, corpus: Corpus
) -> dict[str, Any]:
    """Report counts and missing recordings, as plain numbers and text.

    Parameters
    ----------
    recordings : DataFrame
        One row per item, with `recording_id`, `path`, `kind` and the name's columns.
    splits : DataFrame
        `recording_id`, `target` and `role` of the same items.
    rejected : DataFrame
        One row per rejected file.
    corpus : Corpus
        With its `expected` counts.

    Returns
    -------
    dict
        `recordings` and `rejected`, their numbers; `found` (class, kind, recordings); `expected`
        (where, expected, found); `without_target`, the number of recordings unused for lack of a
        target; `outside_where`, the number left out by the protocol's `where`; `complete`, whether
        every expected count is right; `findings`, sentences.
    """
    # Labelled parts count one by one; channels and windows of a file are one recording.
    one = "path" if corpus.segments is None else ["path", "start_s", "end_s", "target"]
    of_protocol = splits[["recording_id", "target", "role"]]
    # A corpus may have columns of these names.
    own = recordings.drop(columns=["target", "role"], errors="ignore")
    files = own.merge(of_protocol, on="recording_id", validate="one_to_one").drop_duplicates(one)
    expected = [_counted(entry, files) for entry in corpus.expected]
    has_target = files.loc[files["role"] == "unused", "target"].notna()
    without_target, outside_where = int((~has_target).sum()), int(has_target.sum())
    return {
        "recordings": len(files),
        "rejected": len(rejected),
        "found": _found(files),
        "expected": expected,
        "complete": all(entry["found"] == entry["expected"] for entry in expected),
        "without_target": without_target,
        "outside_where": outside_where,
        "findings": _findings(expected, _left_out(rejected, corpus), without_target, outside_where),
    }


def not_heard(recordings: pd.DataFrame, analysis: Analysis) -> dict[str, float]:
    """Count the recordings that are longer than their clips, and the seconds that are not heard.

    Clips that start at the direct sound leave out the end of a response on purpose.
    """
    items = recordings.drop_duplicates(["path", "start_s", "end_s"])
    if analysis.align == "direct_sound":
        items = items[items["kind"] != "rir"]
    left_s = items["duration_s"] - items["heard_s"]
    cut = left_s > _UNHEARD_S
    return {
        "recordings": int(cut.sum()),
        "seconds": float(left_s[cut].sum()),
        "of_seconds": float(items["duration_s"].sum()),
    }


def _left_out(rejected: pd.DataFrame, corpus: Corpus) -> str:
    """Say how many files, and how many labels, are not used; empty if all are."""
    if rejected.empty:
        return ""
    what = f"{len(rejected)} files were rejected"
    if corpus.segments is not None or corpus.analysis.part == "windows":
        reasons = counted_reasons(rejected["reason"])
        what = f"{len(rejected)} files, labels or parts were left out ({reasons})"
    return f"{what}; rejected_recordings has the reasons."


def _found(files: pd.DataFrame) -> list[dict[str, Any]]:
    counts = files.assign(target=files["target"].astype(object).fillna("none"))
    sizes = counts.groupby(["target", "kind"], sort=True).size()
    return [
        {"class": str(target), "kind": str(kind), "recordings": int(size)}
        for (target, kind), size in sizes.items()
    ]


def _counted(entry: ExpectedFiles, files: pd.DataFrame) -> dict[str, Any]:
    matching = pd.Series(True, index=files.index)
    for column, values in entry.where.items():
        if column not in files:
            raise UserError(f"corpus.expected: there is no column '{column}'")
        matching &= files[column].astype("string").isin(values).fillna(False)
    return {"where": entry.where, "expected": entry.recordings, "found": int(matching.sum())}


def _findings(
    expected: list[dict[str, Any]], left_out: str, without_target: int, outside_where: int
) -> list[str]:
    findings = []
    for entry in expected:
        if entry["found"] != entry["expected"]:
            what = " ".join("+".join(values) for values in entry["where"].values()) or "all"
            findings.append(
                f"{entry['found']} of {entry['expected']} expected recordings were found ({what})."
            )
    if left_out:
        findings.append(left_out)
    if without_target:
        findings.append(f"{without_target} recordings have no target and are not used.")
    if outside_where:
        findings.append(f"{outside_where} recordings are left out by protocol.where.")
    return findings


def wrong_headers(recordings: pd.DataFrame) -> list[str]:
    """Say how many recordings have a wrong header, although all of their samples were read."""
    wrong = recordings[recordings["warnings"].str.startswith(HEADER)].drop_duplicates("path")
    if wrong.empty:
        return []
    path, example = wrong.iloc[0][["path", "warnings"]]
    n_files = recordings["path"].nunique()
    return [
        f"{len(wrong)} of {n_files} recordings were read to their end although "
        f"their headers are wrong (column warnings), such as {path}: {example}."
    ]


def linked_recordings(recordings: pd.DataFrame, link: Link | None) -> pd.DataFrame:
    """Pair items that belong together, such as a room's noises and its impulse responses.

    Returns
    -------
    DataFrame
        `recording_id` and `linked_id`, one row per pair; empty without a link.

    Raises
    ------
    UserError
        If a column that `link` names is missing.
    """
    if link is None:
        return pd.DataFrame({"recording_id": [], "linked_id": []}, dtype=str)
    missing = [column for column in link.by if column not in recordings]
    if missing:
        raise UserError(f"corpus.link.by: there is no column '{missing[0]}'")
    columns = ["recording_id", *link.by]
    known = recordings.dropna(subset=link.by)
    one, other = (known.loc[known["kind"] == kind, columns] for kind in (link.kind, link.to))
    pairs = one.merge(other.rename(columns={"recording_id": "linked_id"}), on=link.by)
    return pairs[["recording_id", "linked_id"]].reset_index(drop=True)
