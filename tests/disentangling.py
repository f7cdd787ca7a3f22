"""Parameters of small disentanglers, for tests that say only what matters to them."""

from typing import Any

from disentangled_audio.parameters import DisentanglerParameters


def disentangler(
    base: DisentanglerParameters | None = None, **values: Any
) -> DisentanglerParameters:
    """`base` with other values, each in the group that has a field of its name.

    Groups are given as dictionaries of what differs in them.
    """
    changed = (base or DisentanglerParameters()).model_dump()
    groups = {name: part for name, part in changed.items() if isinstance(part, dict)}
    for name, value in values.items():
        if name in groups:
            groups[name].update(value)
            continue
        (group,) = [part for part in groups.values() if name in part] or [changed]
        group[name] = value
    return DisentanglerParameters.model_validate(changed)
