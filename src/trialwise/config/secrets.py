"""What comes from the environment alone, read by who needs a secret: pydantic-settings takes long to import."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from trialwise.config.environment import ENV_PREFIX, HTTP_PREFIX, WEBHOOK_PREFIX


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
