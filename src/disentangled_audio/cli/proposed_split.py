"""Tries the splits of a proposed corpus, so that the command that trains runs."""

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from disentangled_audio.errors import UserError

if TYPE_CHECKING:
    from disentangled_audio.corpora.propose import Proposal
    from disentangled_audio.parameters import Protocol

# The seed of conf/base/parameters.yml.
_SEED = 7
# Fourier components of `--env=folder` for sounds other than impulse responses, which have the
# default, and the share of the expected training rows to rely on.
_COMPONENTS = 20
_SURE_SHARE = 0.8


def possible(proposal: "Proposal") -> tuple["Proposal", list[str], list[str]]:
    """Choose the best split of which every fold can be made.

    Returns
    -------
    proposal : Proposal
        With that split.
    options : list of str
        Parameters to type because there are so few recordings.
    trouble : list of str
        Why a better split cannot be used, or none can.
    """
    from disentangled_audio.evaluation.splits import possible_split
    from disentangled_audio.parameters import Protocol

    trouble = []
    for split in proposal.splits:
        # A random split would not keep groups together.
        kept = {} if split["strategy"] != "random" else {"group_by": []}
        described = {**proposal.protocol, **kept}
        protocol = Protocol.model_validate({**described, "split": split})
        found = possible_split(proposal.recordings, protocol, _SEED)
        if found is not None:
            keys = {key: getattr(found, key) for key in ("n_folds", "validation_folds")}
            chosen = split | {key: value for key, value in keys.items() if key in split}
            options = _options(proposal, protocol.model_copy(update={"split": found}))
            return replace(proposal, protocol=described, splits=[chosen]), options, trouble
        trouble.append(_why_not(proposal, protocol))
    return replace(proposal, splits=proposal.splits[-1:]), [], trouble


def _why_not(proposal: "Proposal", protocol: "Protocol") -> str:
    from disentangled_audio.evaluation.splits import fold_protocols

    split = protocol.split
    named = f"split by {split.column}" if split.column else f"{split.strategy} split"
    try:
        fold_protocols(proposal.recordings, protocol, _SEED)
    except UserError as error:
        return f"a {named} is not possible: {error}"
    return f"a {named} is not possible"


def _options(proposal: "Proposal", protocol: "Protocol") -> list[str]:
    from disentangled_audio.evaluation.splits import SplitWarning, make_splits
    from disentangled_audio.parameters import FourierParameters

    is_rir = proposal.corpus.get("kind") == "rir"
    n_components = FourierParameters().n_components if is_rir else _COMPONENTS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)
        splits = make_splits(proposal.recordings, protocol, _SEED)
    n_training = int((splits["role"] == "train").sum())
    n_sure = max(1, int(_SURE_SHARE * n_training))
    return [f"fourier.n_components={n_sure}"] if n_sure < n_components else []
