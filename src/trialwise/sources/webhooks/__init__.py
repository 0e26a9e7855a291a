"""Webhooks: who may call, and what is in a call. One provider is one module of this package with a WEBHOOK in it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType

from trialwise.errors import ConfigError, nearest
from trialwise.sources.webhooks.protocol import Refused, Request, Webhook

__all__ = ["PROVIDERS", "Refused", "Request", "Webhook", "check_providers", "modules"]


def modules() -> dict[str, ModuleType]:
    """The provider modules by provider name: those of this package that have a WEBHOOK."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "WEBHOOK"):
            found[module.WEBHOOK.name] = module
    return found


PROVIDERS: Mapping[str, Webhook] = {name: module.WEBHOOK for name, module in modules().items()}
"""Provider name -> its webhook."""


def check_providers(names: Iterable[str]) -> None:
    """Raises ConfigError when secrets are given for a provider nobody knows."""
    for name in names:
        if name not in PROVIDERS:
            raise ConfigError(
                f"TRIALWISE_WEBHOOK_{name.upper()}: no webhook is called '{name}'{nearest(name, PROVIDERS)}",
                f"Webhooks are {', '.join(sorted(PROVIDERS))}.",
            )
