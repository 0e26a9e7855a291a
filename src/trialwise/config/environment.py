"""TRIALWISE_ variables: which there are. `trialwise.config.secrets` reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from trialwise.errors import ConfigError, nearest

ENV_PREFIX = "TRIALWISE_"
WEBHOOK_PREFIX = f"{ENV_PREFIX}WEBHOOK_"
HTTP_PREFIX = f"{ENV_PREFIX}HTTP_"
SINGLE = ("stripe_key", "home")
"""Fields of Secrets that are one variable each."""


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse TRIALWISE_ variables nobody reads: pydantic-settings would ignore a misspelt one silently."""
    known = {f"{ENV_PREFIX}{field.upper()}" for field in SINGLE}
    for variable in environment:
        if variable.startswith((WEBHOOK_PREFIX, HTTP_PREFIX)) and variable not in (WEBHOOK_PREFIX, HTTP_PREFIX):
            continue  # providers are known where they are served, APIs from the file: see check_http_secrets
        if variable.startswith(ENV_PREFIX) and variable not in known:
            close = nearest(variable.removeprefix(ENV_PREFIX), [name.removeprefix(ENV_PREFIX) for name in known])
            raise ConfigError(
                f"unknown environment variable {variable}{close.replace(chr(39), chr(39) + ENV_PREFIX, 1)}",
                f"Known ones: {', '.join(sorted(known))}, {WEBHOOK_PREFIX}<PROVIDER> and {HTTP_PREFIX}<NAME>.",
            )


def check_http_secrets(environment: Mapping[str, str], names: Collection[str]) -> None:
    """Refuse a TRIALWISE_HTTP_ variable whose [sources.http] section is not among `names`: it would go unread."""
    known = [f"{HTTP_PREFIX}{name.upper()}" for name in names]
    for variable in environment:
        if variable.startswith(HTTP_PREFIX) and variable not in known:
            name = variable.removeprefix(HTTP_PREFIX).lower()
            raise ConfigError(
                f"{variable} is set, but there is no [sources.http.{name}]{nearest(variable, known)}",
                "Add the section to trialwise.toml, or unset the variable.",
            )
