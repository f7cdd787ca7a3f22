"""Adapters of SVM classification and the hybrid."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX, ROLES
from disentangled_audio.models.bank import MEMBERS, MODELS, decay_table, fusion_of
from disentangled_audio.models.tables import (
    class_shares,
    features_of,
    probabilities_of,
    probability_table,
    training_classes,
)
from disentangled_audio.parameters import HybridParameters, SvmParameters
from disentangled_audio.runs.provenance import check_same, stamp

PREDICTION_COLUMNS = (
    *("recording_id", "group", "kind", "fold", "role", "model", "target", "predicted"),
    *("temperature", "weight"),
)

logger = logging.getLogger(__name__)


def train_svm(
    features: pd.DataFrame,
    augmented: pd.DataFrame,
    splits: pd.DataFrame,
    parameters: SvmParameters,
    seed: int,
) -> tuple[Any, pd.DataFrame]:
    """SVM on Fourier features; augmented training rows are fitted, never scored."""
    return _train(features, augmented, splits, parameters, seed)


def train_code_svm(
    codes: pd.DataFrame,
    provisional_codes: pd.DataFrame,
    splits: pd.DataFrame,
    parameters: SvmParameters,
    seed: int,
) -> tuple[Any, pd.DataFrame]:
    """SVM on the codes; those of encoders that have not seen validation rows judge it."""
    return _train(codes, None, splits, parameters, seed, provisional_codes)


def train_mel_svm(
    features: pd.DataFrame, splits: pd.DataFrame, parameters: SvmParameters, seed: int
) -> tuple[Any, pd.DataFrame]:
    """SVM on the cepstra of trimmed, time-normalised clips."""
    return _optional("mel_svm", _train, features, None, splits, parameters, seed)


def train_timbre_svm(
    features: pd.DataFrame, splits: pd.DataFrame, parameters: SvmParameters, seed: int
) -> tuple[Any, pd.DataFrame]:
    """SVM on what the spectrum is like over the whole clip."""
    return _optional("timbre_svm", _train, features, None, splits, parameters, seed)


def train_acoustic_svm(
    acoustics: pd.DataFrame, splits: pd.DataFrame, parameters: SvmParameters, seed: int
) -> tuple[Any, pd.DataFrame]:
    """SVM on the decay of impulse responses in each band; other recordings are not judged."""
    features = stamp(decay_table(acoustics), acoustics)
    return _optional("acoustic_svm", _train, features, None, splits, parameters, seed)


def _optional(name: str, train: Callable[..., Any], *inputs: Any) -> tuple[Any, pd.DataFrame]:
    """What `train` gives; if the member cannot be fitted, one that says nothing."""
    from disentangled_audio.models.absent import AbsentMember

    try:
        return train(*inputs)
    except UserError as error:
        logger.warning("%s is left out of the hybrid: %s", name, error)
        sources = [table for table in inputs if isinstance(table, pd.DataFrame)]
        features, splits = sources[0], sources[-1]
        absent = AbsentMember(str(error), training_classes(splits))
        table = probability_table(
            features["recording_id"], absent.predict_proba(features), absent.classes
        )
        return stamp(absent, *sources), stamp(table, *sources)


def _train(
    features: pd.DataFrame,
    augmented: pd.DataFrame | None,
    splits: pd.DataFrame,
    parameters: SvmParameters,
    seed: int,
    provisional_features: pd.DataFrame | None = None,
) -> tuple[Any, pd.DataFrame]:
    """Choose and fit on training rows; refit with the choice on training and validation rows.

    The first fit is calibrated on the validation rows and gives their probabilities, so that the
    hybrid is set on rows that its members have not seen. The refit takes over the temperature;
    it is what is kept and what predicts all other rows. Features that were themselves learnt, from
    validation rows too, are given to it alone; the first fit then has provisional ones.
    """
    from disentangled_audio.models.svm import (
        CalibratedSvm,
        Rows,
        calibrated_temperature,
        fit_svm,
        has_features,
        n_landmarks_for,
        search_svm,
    )

    optional = [table for table in (augmented, provisional_features) if table is not None]
    sources = (features, *optional, splits)
    check_same(*sources)
    role = splits["role"].to_numpy()
    values = features_of(features)
    first = values if provisional_features is None else features_of(provisional_features)
    known = has_features(values)
    target, group = splits["target"].to_numpy(dtype=object), splits["group"].to_numpy(object)
    rows = Rows(first, target, group)
    training, validation = rows[known & (role == "train")], rows[known & (role == "validation")]
    classes = training_classes(splits)
    _check_known(training, validation, classes)
    extra = None if augmented is None else _augmented_rows(augmented, splits)
    chosen = search_svm(training, parameters, seed)
    # One kind for both fits: the refit takes over the first one's temperature.
    n_fitted = len(training) + len(validation) + (0 if extra is None else len(extra))
    n_landmarks = n_landmarks_for(n_fitted, parameters)
    provisional = fit_svm(training, chosen, extra, n_landmarks, seed)
    temperature = calibrated_temperature(provisional, validation)
    rows = Rows(values, target, group)
    rows = rows[known & (role == "train")] + rows[known & (role == "validation")]
    final = CalibratedSvm(fit_svm(rows, chosen, extra, n_landmarks, seed), temperature)
    probabilities = final.predict_proba(values)
    on_validation = CalibratedSvm(provisional, temperature).predict_proba(validation.features)
    probabilities[known & (role == "validation")] = on_validation
    table = probability_table(features["recording_id"], probabilities, classes, temperature)
    return stamp(final, *sources), stamp(table, *sources)


def _check_known(training: Any, validation: Any, classes: list[str]) -> None:
    """Stop where the rows that have features are not enough, or these tell nothing."""
    missing = sorted(set(classes) - set(training.target))
    if missing:
        raise UserError(
            f"no training row of class {', '.join(missing)} has the features that it needs"
        )
    if not len(validation):
        raise UserError("no validation row has the features that it needs")
    if (training.features == training.features[:1]).all():
        raise UserError("its features are the same for all training rows")


def _augmented_rows(augmented: pd.DataFrame, splits: pd.DataFrame) -> Any:
    from disentangled_audio.models.svm import Rows

    known = splits.set_index("recording_id").loc[augmented["recording_id"]]
    return Rows(
        features_of(augmented),
        known["target"].to_numpy(dtype=object),
        known["group"].to_numpy(dtype=object),
    )


def train_hybrid(
    splits: pd.DataFrame, parameters: HybridParameters, *tables: pd.DataFrame
) -> tuple[Any, pd.DataFrame]:
    """Set temperatures and weights on validation rows; fuse the members' probabilities."""
    check_same(*tables, splits)
    members = {name: probabilities_of(table) for name, table in zip(MEMBERS, tables, strict=True)}
    # A member that could not be fitted is NaN throughout.
    members = {name: values for name, values in members.items() if not np.isnan(values).all()}
    validation = (splits["role"] == "validation").to_numpy()
    classes = training_classes(splits)
    hybrid = fusion_of(parameters).fit(
        {name: probabilities[validation] for name, probabilities in members.items()},
        splits.loc[validation, "target"].to_numpy(dtype=object),
        splits.loc[validation, "group"].to_numpy(dtype=object),
        classes,
    )
    table = probability_table(splits["recording_id"], hybrid.predict_proba(members), classes)
    return stamp(hybrid, *tables, splits), stamp(table, *tables, splits)


def collect_predictions(
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    hybrid: Any,
    *probabilities: pd.DataFrame,
) -> pd.DataFrame:
    """One long table of what every model says of every labelled item.

    A model that cannot judge an item (room acoustics of a noise) answers with the shares of the
    classes in training; one that could not be fitted at all is left out.
    """
    check_same(recordings, splits, hybrid, *probabilities)
    items = splits[["recording_id", "group", "fold", "role", "target"]].assign(
        kind=recordings["kind"].to_numpy()
    )
    weights = dict(zip(hybrid.members_, map(float, hybrid.weights_), strict=True))
    tables = []
    for model, table in zip(MODELS, probabilities, strict=True):
        columns = table.filter(regex=f"^{PROBABILITY_PREFIX}")
        if columns.isna().all(axis=None):
            continue
        columns = columns.fillna(class_shares(splits))
        facts = {
            "model": model,
            "predicted": columns.idxmax(axis=1).str.removeprefix(PROBABILITY_PREFIX),
            "temperature": float(table.attrs.get("temperature") or "nan"),
            "weight": weights.get(model, float("nan")),
        }
        tables.append(pd.concat([items.assign(**facts), columns], axis=1))
    predictions = pd.concat(tables, ignore_index=True)
    predictions = predictions[predictions["role"].isin(ROLES)].reset_index(drop=True)
    probability_columns = [c for c in predictions if c.startswith(PROBABILITY_PREFIX)]
    return stamp(predictions[[*PREDICTION_COLUMNS, *probability_columns]], splits, *probabilities)
