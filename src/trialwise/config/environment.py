"""TRIALWISE_ variables: what comes from the environment alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from trialwise.errors import ConfigError, nearest

ENV_PREFIX = "TRIALWISE_"
WEBHOOK_PREFIX = f"{ENV_PREFIX}WEBHOOK_"
HTTP_PREFIX = f"{ENV_PREFIX}HTTP_"


def _webhook_secrets() -> dict[str, tuple[str, ...]]:
    """Provider -> secrets, from TRIALWISE_WEBHOOK_<PROVIDER>; several, while one is replaced, stand between commas."""
    found = {}
    for variable, value in os.environ.items():
        if variable.startswith(WEBHOOK_PREFIX):
            secrets = tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
            if secrets:
                found[variable.removeprefix(WEBHOOK_PREFIX).lower()] = secrets
    return found


def _http_secrets() -> dict[str, str]:
    """Name of a [sources.http] section -> its secret, from TRIALWISE_HTTP_<NAME>."""
    return {
        variable.removeprefix(HTTP_PREFIX).lower(): value.strip()
        for variable, value in os.environ.items()
        if variable.startswith(HTTP_PREFIX) and value.strip()
    }


class Secrets(BaseSettings):
    """What comes from the environment alone; never written to a log, a database or an export."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    stripe_key: str | None = None
    home: str | None = None
    webhooks: Mapping[str, tuple[str, ...]] = Field(default_factory=_webhook_secrets, repr=False)
    http: Mapping[str, str] = Field(default_factory=_http_secrets, repr=False)


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse TRIALWISE_ variables nobody reads: pydantic-settings would ignore a misspelt one silently."""
    known = {f"{ENV_PREFIX}{field.upper()}" for field in Secrets.model_fields if field not in ("webhooks", "http")}
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
