"""What the providers' tests have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trialwise.sources.formats import TRANSLATORS


def call_of(provider: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return TRANSLATORS[provider](json.dumps(record), None)


def ids(provider: str, *records: Mapping[str, Any]) -> list[str]:
    return [call_of(provider, record)["messageId"] for record in records]


def told(provider: str, record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Event and properties, without those every call has."""
    call = call_of(provider, record)
    return call["event"], {key: value for key, value in call["properties"].items() if key != "provider"}
