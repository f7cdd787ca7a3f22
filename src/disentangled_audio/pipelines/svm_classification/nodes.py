"""Adapters of SVM classification and the hybrid."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX, ROLES
from disentangled_audio.models.bank import BANK, MEMBERS, MODELS, Member, fusion_of
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


def train_member(
    features: Any,
    splits: pd.DataFrame,
    parameters: SvmParameters,
    hybrid: HybridParameters,
    seed: int,
    *further: Any,
    name: str,
) -> tuple[Any, pd.DataFrame]:
    """Train a member of the bank; an optional one that cannot be trained says nothing instead."""
    from disentangled_audio.models.absent import AbsentMember

    member = BANK[name]
    sources = (features, *further, splits)
    check_same(*sources)
    given = dict(zip(member.further, further, strict=True))
    classes = training_classes(splits)
    try:
        if member.is_optional and name not in hybrid.members:
            raise UserError("hybrid.members does not name it")
        final, probabilities, temperature = _train(
            member, features, splits, parameters, seed, **given
        )
    except UserError as error:
        if not member.is_optional:
            raise
        if name in hybrid.members:
            logger.warning("%s is left out of the hybrid: %s", name, error)
        final, temperature = AbsentMember(str(error), classes), None
        probabilities = final.predict_proba(splits)
    table = probability_table(splits["recording_id"], probabilities, classes, temperature)
    return stamp(final, *sources), stamp(table, *sources)


def _train(
    member: Member,
    features: Any,
    splits: pd.DataFrame,
    parameters: SvmParameters,
    seed: int,
    *,
    augmented: pd.DataFrame | None = None,
    provisional: Any = None,
) -> tuple[Any, NDArray[np.float64], float]:
    """Choose and fit on training rows; refit with the choice on training and validation rows.

    The first fit is calibrated on the validation rows and gives their probabilities, so that the
    hybrid is set on rows that its members have not seen. The refit takes over the temperature;
    it is what is kept and what predicts all other rows. Features that were themselves learned, from
    validation rows too, are given to it alone; the first fit then has provisional ones. Augmented
    rows are fitted, never scored.
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

    role = splits["role"].to_numpy()
    values = member.values(features)
    first = values if provisional is None else member.values(provisional)
    known = has_features(values)
    target, group = splits["target"].to_numpy(dtype=object), splits["group"].to_numpy(object)
    rows = Rows(first, target, group)
    training, validation = rows[known & (role == "train")], rows[known & (role == "validation")]
    _check_known(training, validation, training_classes(splits))
    extra = None if augmented is None else _augmented_rows(augmented, splits)
    chosen = search_svm(training, parameters, seed)
    # One kind for both fits: the refit takes over the first one's temperature.
    n_fitted = len(training) + len(validation) + (0 if extra is None else len(extra))
    n_landmarks = n_landmarks_for(n_fitted, parameters)
    judge = fit_svm(training, chosen, extra, n_landmarks, seed)
    temperature = calibrated_temperature(judge, validation)
    rows = Rows(values, target, group)
    rows = rows[known & (role == "train")] + rows[known & (role == "validation")]
    final = CalibratedSvm(fit_svm(rows, chosen, extra, n_landmarks, seed), temperature)
    probabilities = final.predict_proba(values)
    on_validation = CalibratedSvm(judge, temperature).predict_proba(validation.features)
    probabilities[known & (role == "validation")] = on_validation
    return final, probabilities, temperature


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
    # A member that could not be trained is NaN throughout.
    members = {
        name: values
        for name, values in members.items()
        if name in parameters.members and not np.isnan(values).all()
    }
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
