"""Nodes of representation learning."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import ROLES
from disentangled_audio.models.arrays import named_views, windows_of
from disentangled_audio.models.tables import code_table, probability_table, training_classes
from disentangled_audio.parameters import CODES, DisentanglerParameters, Protocol
from disentangled_audio.runs.provenance import check_same, stamp
from disentangled_audio.storage.progress import epoch_progress


def tabulate_factors(
    measured_factors: pd.DataFrame,
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    protocol: Protocol,
) -> pd.DataFrame:
    """Tabulate target, group, the protocol's factors and measurements of labelled items."""
    sources = (measured_factors, recordings, splits)
    check_same(*sources)
    table = splits[["recording_id", "role", "target", "group"]].copy()
    for name in protocol.factors:
        table[name] = recordings[name].astype("string").to_numpy()
    numbers = measured_factors.drop(columns="recording_id")
    table = table.reset_index(drop=True).join(numbers.reset_index(drop=True))
    return stamp(table[table["role"].isin(ROLES)].reset_index(drop=True), *sources)


def train_disentangler_on_views(  # noqa: PLR0913
    log_mel: Any,
    content_view: Any,
    rhythm_view: Any,
    pitch_view: Any,
    factor_table: pd.DataFrame,
    splits: pd.DataFrame,
    parameters: DisentanglerParameters,
    seed: int,
    training_checkpoint: Path | None = None,
) -> tuple[Any, Any, pd.DataFrame]:
    """Train encoders, decoder and head on training rows; stop early on validation rows.

    With `refit_epochs`, training continues on both; the provisional model, trained without
    validation rows, judges these, and the history continues without validation.

    Unlabelled rows are used for training, but only to be rebuilt. Interrupted training continues
    from its checkpoint. Each window of a long clip is a row with the label and role of its clip.
    """
    from disentangled_audio.models.batches import NO_LABEL
    from disentangled_audio.models.training import refit_disentangler, train_disentangler

    sources = (log_mel, content_view, rhythm_view, pitch_view, factor_table, splits)
    check_same(*sources)
    _check_factors(parameters, factor_table)
    classes = training_classes(splits)
    by_name = named_views(
        splits,
        log_mel=log_mel,
        content_view=content_view,
        rhythm_view=rhythm_view,
        pitch_view=pitch_view,
    )
    # From here on, each window is a row.
    splits = splits.iloc[windows_of(log_mel).items]
    role = splits["role"].to_numpy()
    used = splits["role"].isin(["train", "validation", "unlabelled"]).to_numpy()
    # The trainer never gets test rows.
    views = {name: view.where(used) for name, view in by_name.items()}
    number_of = {name: number for number, name in enumerate(classes)}
    factors = factor_table.set_index("recording_id").drop(columns="role")
    labels = splits.loc[used, "target"].map(number_of).fillna(NO_LABEL).to_numpy(dtype=int)
    validation = role[used] == "validation"
    given = (views, labels, ~validation, validation, len(classes), parameters, seed)
    factors = factors.reindex(splits.loc[used, "recording_id"])
    with epoch_progress(parameters.schedule.epochs) as progress:
        first, history = train_disentangler(
            *given, progress=progress, checkpoint_folder=training_checkpoint, factors=factors
        )
    model = first
    if parameters.schedule.refit_epochs:
        folder = training_checkpoint and training_checkpoint / "refit"
        with epoch_progress(parameters.schedule.refit_epochs, "refit") as progress:
            model, of_refit = refit_disentangler(
                first, *given, progress=progress, checkpoint_folder=folder, factors=factors
            )
        of_refit["epoch"] += len(history)
        history = pd.concat([history, of_refit], ignore_index=True)
    return tuple(stamp(made, *sources) for made in (model, first, history))


def encode_views(
    disentangler: Any,
    provisional_disentangler: Any,
    log_mel: Any,
    content_view: Any,
    rhythm_view: Any,
    pitch_view: Any,
    splits: pd.DataFrame,
    parameters: DisentanglerParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Compute codes and class probabilities of every item, as means over its windows.

    Decoding needs codes of a single spectrogram, so those of the loudest window are saved too. The
    provisional model, not trained on validation rows, gives the probabilities of validation rows
    and the provisional codes of all rows.
    """
    from disentangled_audio.models.encoding import LARGE_BATCH, encode

    models = (disentangler, provisional_disentangler)
    sources = (*models, log_mel, content_view, rhythm_view, pitch_view, splits)
    check_same(*sources)
    views = named_views(
        splits,
        log_mel=log_mel,
        content_view=content_view,
        rhythm_view=rhythm_view,
        pitch_view=pitch_view,
    )
    wanted = [name for name in (*CODES, "target") if name in disentangler.output]
    # Large batches are faster; small ones keep the codes of small corpora the same to the bit.
    schedule = parameters.schedule
    many = log_mel.shape[0] > schedule.max_epoch_rows
    batch_size = max(schedule.batch_size, LARGE_BATCH) if many else schedule.batch_size
    windows = windows_of(log_mel)

    def pooled(encoded: dict[str, Any]) -> dict[str, Any]:
        return {name: windows.pooled(values) for name, values in encoded.items()}

    encoded = encode(disentangler, views, batch_size, wanted)
    kept = provisional = pooled(encoded)
    if not _same_weights(*models):
        provisional = pooled(encode(provisional_disentangler, views, batch_size, wanted))
    loudest = {name: values[windows.loudest] for name, values in encoded.items()}
    codes, loudest_codes, provisional_codes = (
        code_table(splits["recording_id"], own) for own in (kept, loudest, provisional)
    )
    validation = (splits["role"] == "validation").to_numpy()[:, None]
    target = np.where(validation, provisional["target"], kept["target"])
    # Uncalibrated; the hybrid calibrates them, by itself and for `predictions`.
    probabilities = probability_table(
        splits["recording_id"], target, training_classes(splits), temperature=1.0
    )
    made = (codes, loudest_codes, provisional_codes, probabilities)
    return tuple(stamp(table, *sources) for table in made)


def _same_weights(first: Any, second: Any) -> bool:
    weights = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(one, other) for one, other in weights)


def _check_factors(parameters: DisentanglerParameters, factor_table: pd.DataFrame) -> None:
    known = factor_table.columns.drop(["recording_id", "role"])
    unknown = [name for name in parameters.terms.factors if name not in known]
    if unknown:
        raise UserError(
            f"disentangler: a loss names the unknown factor '{unknown[0]}'; this corpus has "
            f"{', '.join(known)}"
        )
