"""Which column of a flat file is what: `--map ours=theirs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trialwise.connections import FIELDS
from trialwise.errors import InputError, nearest

ID_FIELDS = frozenset({"account_id", "user_id", "anonymous_id", "id"})


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """{'event': 'action', ...} of ['event=action', ...].

    Raises InputError for a pair without '=', an unknown field of ours (with the nearest one), or one given twice.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        ours, sign, theirs = pair.partition("=")
        ours, theirs = ours.strip(), theirs.strip()
        if not sign or not ours or not theirs:
            raise InputError(f"--map {pair!r} is no pair", "Write it as ours=theirs, such as --map account_id=company.")
        if ours in mapping:
            raise InputError(f"--map names {ours} twice: {mapping[ours]} and {theirs}", "Keep one of them.")
        mapping[ours] = theirs
    check_mapping(mapping)
    return mapping


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raises InputError when the mapping names a field trialwise does not know."""
    for ours in mapping:
        if ours not in FIELDS:
            raise InputError(
                f"--map {ours}={mapping[ours]}: trialwise has no field '{ours}'{nearest(ours, FIELDS)}",
                f"Fields are {', '.join(FIELDS)}; every other column becomes a property.",
            )
