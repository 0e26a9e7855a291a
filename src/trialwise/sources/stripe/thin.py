"""Thin events (API v2): they say that something happened to an object and do not hold it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from trialwise.sources.stripe.api import Api, Missing

_PATH = re.compile(r"/v[12]/[A-Za-z0-9_]+(/[A-Za-z0-9_.-]+)+")


class LeadsNowhere(Exception):
    """There is nothing to fetch for this event, now or later; the message says why."""


@dataclass(frozen=True)
class Related:
    """The object an event is about: where it lies, and the account it belongs to when it is a connected one."""

    path: str
    context: str | None


def related(event: bytes) -> Related:
    """What a thin event points to; raises LeadsNowhere when that is nothing that can be asked for.

    The address comes with a request from outside: only a plain path of the API is followed, never another server's.
    """
    try:
        body = json.loads(event)
    except (ValueError, RecursionError) as error:
        raise LeadsNowhere("it is no JSON") from error
    about = body.get("related_object") if isinstance(body, dict) else None
    path = about.get("url") if isinstance(about, dict) else None
    if not isinstance(path, str):
        raise LeadsNowhere("it names no related object")
    if not _PATH.fullmatch(path) or "/." in path:
        raise LeadsNowhere("its related object lies at no path of the API")
    context = body.get("context")
    return Related(path, context if isinstance(context, str) and context else None)


def fetch(api: Api, about: Related, account: str | None) -> bytes:
    """The object as Stripe sends it; raises LeadsNowhere, NotReadable, and SourceError as the API does.

    account: the one whose key is used, None when it is not known.
    """
    if about.context is not None and account is not None and about.context != account:
        raise LeadsNowhere(f"it belongs to {about.context}")
    try:
        return api.one(about.path).piece.data
    except Missing as error:
        raise LeadsNowhere(f"{about.path} is gone") from error
