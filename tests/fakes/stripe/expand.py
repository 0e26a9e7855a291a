"""`expand[]`: ids replaced by the objects they name, and parts that are shown only when asked for."""

from __future__ import annotations

import copy
from typing import Any

from tests.fakes.stripe.errors import ApiError
from tests.fakes.stripe.store import Object, sheet
from tests.fakes.stripe.world import Mode

DEPTH = 4


def expanded(mode: Mode, shown: Object, paths: Any) -> Object:
    """A copy with these paths expanded; 400 for one that leads nowhere or too deep."""
    if not paths:
        return shown
    copied = copy.deepcopy(shown)
    for path in paths if isinstance(paths, list) else [paths]:
        steps = str(path).split(".")
        if len(steps) > DEPTH + (steps[0] == "data"):
            raise ApiError(400, f"You cannot expand more than {DEPTH} levels of a property.", param="expand")
        _step(mode, copied, steps, str(path))
    return copied


def _step(mode: Mode, here: Any, steps: list[str], path: str) -> None:
    if isinstance(here, list):
        for inner in here:
            _step(mode, inner, steps, path)
        return
    if not isinstance(here, dict) or not steps:
        return
    name, rest = steps[0], steps[1:]
    if name not in here:
        hidden = _hidden(mode, here, name)
        if hidden is None:
            raise ApiError(
                400,
                f"This property cannot be expanded ({path}).",
                param="expand",
            )
        here[name] = hidden
    value = here[name]
    if isinstance(value, str):
        found = mode.store.find(value)
        if found is not None:
            here[name] = copy.deepcopy(found)
    elif isinstance(value, list):
        here[name] = [copy.deepcopy(mode.store.find(id_)) or id_ if isinstance(id_, str) else id_ for id_ in value]
    _step(mode, here[name], rest, path)


def _hidden(mode: Mode, thing: Object, name: str) -> Any:
    """Parts that are no plain field: payments of an invoice, refunds of a charge, tiers of a price ..."""
    kind, id_ = thing.get("object"), thing.get("id")
    if (kind, name) == ("invoice", "payments"):
        found = [copy.deepcopy(payment) for payment in mode.store.of("invoice_payment") if payment["invoice"] == id_]
        return sheet(found, False, f"/v1/invoice_payments?invoice={id_}")
    if (kind, name) == ("charge", "refunds"):
        found = [copy.deepcopy(refund) for refund in reversed(mode.store.of("refund")) if refund["charge"] == id_]
        return sheet(found, False, f"/v1/charges/{id_}/refunds")
    if (kind, name) == ("customer", "subscriptions"):
        found = [
            copy.deepcopy(sub)
            for sub in mode.store.of("subscription")
            if sub["customer"] == id_ and sub["status"] != "canceled"
        ]
        return sheet(found, False, f"/v1/customers/{id_}/subscriptions")
    if (kind, name) == ("price", "tiers"):
        price = mode.store.find(id_)
        return copy.deepcopy(price["_tiers"]) if price else None
    return None
