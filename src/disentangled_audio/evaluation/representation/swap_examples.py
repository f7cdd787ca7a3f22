"""A few swaps to be seen and heard: which clips, which codes, and what should come of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from disentangled_audio.evaluation.representation.swap_plan import (
    DONOR,
    INPUT,
    RECOMBINED,
    with_donors,
)
from disentangled_audio.evaluation.representation.swaps import REBUILT, Decode

SWAPPED = "swapped"
# What a row of the table shows; the first two are real spectrograms.
REAL = (INPUT, DONOR)
NO_BREAK = "\N{NO-BREAK SPACE}"
FROM, ATTRIBUTE, READ = "from_", "attribute_", "read_"
# As `leakage.thirds_of_training` numbers them.
THIRDS = {"0.0": "low", "1.0": "middle", "2.0": "high"}


def plan_examples(
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
    codes: Sequence[str],
    *,
    n_examples: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, str]:
    """Choose inputs of many classes and their donors, and say what is to be decoded of them.

    All clips of an example differ from each other in every attribute that varies. The first code
    that carries an attribute gets the first donor, as does the second; each further one gets its
    own. In the recombined result the first code, and codes that carry nothing, stay with the
    input. Where attributes have too few classes for so many clips that differ, there is one donor
    for all; then, and where there are fewer than three codes, there is no recombined result.

    Parameters
    ----------
    attributes : DataFrame of n_items rows
        Classes of each attribute. Rows that lack one that varies are not drawn.
    carried_by : mapping
        Attribute to the code that should carry it.
    codes : sequence
        All codes that the decoder takes.

    Returns
    -------
    plan : DataFrame
        A row a spectrogram: ``example``; ``shown`` (``input``, ``donor``, ``rebuilt``,
        ``swapped``, ``recombined``); ``swap``, the code that is swapped, if one is; and for each
        code ``from_<code>``, the row of the clip that it comes from.
    reason : str
        Why there is no example; empty if there is one.
    """
    columns = ["example", "shown", "swap", *(FROM + code for code in codes)]
    nothing = pd.DataFrame(columns=columns)
    varying = [name for name in carried_by if attributes[name].nunique() > 1]
    if not varying:
        names = ", ".join(carried_by)
        return nothing, (
            f"none of these varies among the test clips: {names}"
            if names
            else "the model has no code that should carry an attribute"
        )
    labels = np.stack([pd.factorize(attributes[name])[0] for name in varying], axis=1)
    carriers = list(dict.fromkeys(carried_by[name] for name in varying))
    examples = _draw(labels, max(2, len(carriers)), n_examples, rng)
    if not examples:
        examples = _draw(labels, 2, n_examples, rng)
    if not examples:
        return nothing, f"no two test clips differ in all of: {', '.join(varying)}"
    rows = [
        {"example": number, **row}
        for number, clips in enumerate(examples)
        for row in _rows(clips, carriers, codes)
    ]
    return pd.DataFrame(rows, columns=columns), ""


def _draw(
    labels: NDArray[np.integer], n_clips: int, n_examples: int, rng: np.random.Generator
) -> list[list[np.intp]]:
    """Clips of each example, the input first; inputs are of the classes least used so far."""
    waiting = rng.permutation(np.flatnonzero((labels >= 0).all(axis=1)))
    used = np.zeros((labels.shape[1], labels.max(initial=0) + 1), dtype=int)
    of_attribute = np.arange(labels.shape[1])
    found: list[list[np.intp]] = []
    while len(waiting) and len(found) < n_examples:
        place = np.argmin(used[of_attribute, labels[waiting]].sum(axis=1))
        first, waiting = waiting[place], np.delete(waiting, place)
        clips = with_donors(labels, first, n_clips, rng)
        if clips:
            used[of_attribute, labels[first]] += 1
            found.append(clips)
    return found


def _rows(clips: list[np.intp], carriers: list[str], codes: Sequence[str]) -> list[dict[str, Any]]:
    first, *donors = clips
    # The first code's donor is the second's too: more clips that all differ are seldom there.
    donor_of = {
        code: donors[min(max(0, place - 1), len(donors) - 1)] for place, code in enumerate(carriers)
    }
    own = dict.fromkeys(codes, first)
    sources = [(INPUT, "", own)]
    sources += [(DONOR, "", dict.fromkeys(codes, donor)) for donor in donors]
    sources += [(REBUILT, "", own)]
    sources += [(SWAPPED, code, own | {code: donor_of[code]}) for code in carriers]
    # Of two codes it would be the second one swapped, once more.
    if 2 < len(carriers) == len(clips):
        given = {code: donor_of[code] for code in carriers[1:]}
        sources += [(RECOMBINED, "", own | given)]
    return [
        {"shown": shown, "swap": swap, **{FROM + code: row for code, row in source.items()}}
        for shown, swap, source in sources
    ]


def draw_examples(
    plan: pd.DataFrame,
    codes: Mapping[str, NDArray[np.floating]],
    log_mel: NDArray[np.floating],
    decode: Decode,
) -> NDArray[np.float32]:
    """Spectrograms of a plan: real ones of inputs and donors, decoded ones of the others.

    Parameters
    ----------
    plan : DataFrame of n_rows rows
        From `plan_examples`.
    codes : mapping of name to (n_items, n_dims)
    log_mel : (n_items, n_frames, n_mels)
    decode : callable
        From codes by name, each (n_results, n_dims), to spectrograms.

    Returns
    -------
    (n_rows, n_frames, n_mels)
    """
    spectra = np.zeros((len(plan), *log_mel.shape[1:]), dtype=np.float32)
    if plan.empty:
        return spectra
    source = {name: plan[FROM + name].to_numpy(dtype=np.intp) for name in codes}
    real = plan["shown"].isin(REAL).to_numpy()
    spectra[real] = log_mel[next(iter(source.values()))[real]]
    spectra[~real] = decode({name: code[source[name][~real]] for name, code in codes.items()})
    return spectra


def name_examples(
    plan: pd.DataFrame,
    recording_id: Sequence[str],
    values: pd.DataFrame,
    carried_by: Mapping[str, str],
) -> pd.DataFrame:
    """The plan in words: recordings for rows, and what each spectrogram should be like.

    Parameters
    ----------
    plan : DataFrame of n_rows rows
        From `plan_examples`.
    recording_id : (n_items,)
    values : DataFrame of n_items rows
        Each attribute in words.
    carried_by : mapping
        Attribute to the code that should carry it.

    Returns
    -------
    DataFrame
        The plan with names in ``from_<code>``, and for each attribute ``attribute_<name>``: that
        of the recording itself, or, where codes were decoded, that of the recording which the
        code that should carry it comes from.
    """
    names = np.asarray(recording_id, dtype=object)
    named = plan.copy()
    for column in plan.columns[plan.columns.str.startswith(FROM)]:
        named[column] = names[plan[column].to_numpy(dtype=np.intp)]
    for attribute, code in carried_by.items():
        rows = plan[FROM + code].to_numpy(dtype=np.intp)
        named[ATTRIBUTE + attribute] = values[attribute].to_numpy(dtype=object)[rows]
    return named


def read_examples(
    table: pd.DataFrame,
    spectra: NDArray[np.floating],
    readers: Mapping[str, Pipeline],
    numbers: Collection[str],
) -> pd.DataFrame:
    """Add what readers name each spectrogram, which few people can hear.

    Parameters
    ----------
    table : DataFrame of n_rows rows
        From `name_examples`.
    spectra : (n_rows, n_frames, n_mels)
        From `draw_examples`.
    readers : mapping
        Attribute to its reader, from `swaps.fit_readers`.
    numbers : collection of str
        Attributes whose classes are thirds of a number.

    Returns
    -------
    DataFrame
        The table with ``read_<attribute>`` for each reader.
    """
    read = table.copy()
    for attribute, reader in readers.items():
        names = reader.predict(spectra) if len(table) else []
        words = THIRDS if attribute in numbers else {}
        read[READ + attribute] = [words.get(name, name) for name in names]
    return read


def shown_swaps(table: pd.DataFrame) -> list[tuple[str, dict[str, int]]]:
    """Choose of all examples what one figure or one page can hold.

    Parameters
    ----------
    table : DataFrame
        From `name_examples` or `read_examples`.

    Returns
    -------
    list of (name, panels)
        Each kind of swap and each example at least once: ``<code> swapped`` or ``recombined``,
        and from a text to the row of the table that it describes, in the order input, its
        reconstruction, donors, result.
    """
    table = table.reset_index(drop=True)
    results = table[table["shown"].isin([SWAPPED, RECOMBINED])]
    kinds = list(dict.fromkeys(results["swap"].where(results["shown"] == SWAPPED, RECOMBINED)))
    examples = list(dict.fromkeys(table["example"]))
    n_shown = max(len(kinds), len(examples)) if kinds else 0
    pairs = [(number % len(kinds), examples[number % len(examples)]) for number in range(n_shown)]
    return [
        (_heading(kinds[kind]), _panels(table[table["example"] == example], kinds[kind]))
        for kind, example in sorted(pairs)
    ]


def told_change(table: pd.DataFrame, panels: Mapping[str, int]) -> str:
    """What the input is and what the result should be instead, such as "dog ← cat".

    Parameters
    ----------
    table : DataFrame
        From `name_examples`.
    panels : mapping of text to row
        One of `shown_swaps`: the input first, the result last.
    """
    attributes = table.loc[:, table.columns.str.startswith(ATTRIBUTE)]
    rows = list(panels.values())
    changed = zip(attributes.iloc[rows[0]], attributes.iloc[rows[-1]], strict=True)
    return ", ".join(f"{own} ← {given}" for own, given in changed if own != given)


def _heading(kind: str) -> str:
    return kind if kind == RECOMBINED else f"{kind} swapped"


def _panels(example: pd.DataFrame, kind: str) -> dict[str, int]:
    """Rows of one example that tell one swap, by what they are and what they should be like."""
    sources = [name for name in example if name.startswith(FROM)]
    rows = example.groupby("shown").groups
    is_result = (example["shown"] if kind == RECOMBINED else example["swap"]) == kind
    result = example.index[is_result][0]
    given: dict[str, list[str]] = {}
    for source in sources:
        given.setdefault(example.loc[result, source], []).append(source.removeprefix(FROM))
    panels = {"input": rows[INPUT][0], "rebuilt: should be": rows[REBUILT][0]}
    for row in rows[DONOR]:
        taken = given.get(example.loc[row, sources[0]])
        if taken:
            panels[f"donor of {', '.join(taken)}"] = row
    panels["result: should be"] = result
    return {f"{name}\n{_described(example.loc[row])}": int(row) for name, row in panels.items()}


def _described(row: pd.Series) -> str:
    """Such as "target 7, duration 0.31 s", and in a line of its own what was read."""
    read = _attributes(row, READ)
    return _attributes(row, ATTRIBUTE) + (f"\nread as {read}" if read else "")


def _attributes(row: pd.Series, prefix: str) -> str:
    """Attributes of one sort, to be broken between them alone."""
    named = row[row.index.str.startswith(prefix)]
    parts = [f"{name.removeprefix(prefix)} {value}" for name, value in named.items()]
    return ", ".join(part.replace(" ", NO_BREAK) for part in parts)
