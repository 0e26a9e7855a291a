"""Records of other systems as Segment's calls: the formats of exports, and of webhooks that bring their own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from trialwise.sources import webhooks
from trialwise.sources.calls import Translate
from trialwise.sources.http import record

__all__ = ["FILE_FORMATS", "TRANSLATORS", "Translate"]


def _own() -> dict[str, Translate]:
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "translate"):
            found[info.name] = module.translate
    return found


_OWN = _own()

FILE_FORMATS: tuple[str, ...] = tuple(sorted(_OWN))
"""The formats files are imported in."""

TRANSLATORS: Mapping[str, Translate] = {
    **_OWN,
    **{
        module.WEBHOOK.format: module.translate
        for module in webhooks.modules().values()
        if hasattr(module, "translate")
    },
    record.FORMAT: record.translate,
}
"""Format -> its translator: one record's JSON text (and the envelope's, or None) to one call; raises Untranslatable."""
