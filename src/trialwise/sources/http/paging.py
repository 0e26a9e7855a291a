"""Which page comes next, in each of the ways APIs have of saying so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trialwise.connections import HttpSection, PagingSection, steps
from trialwise.errors import SourceError
from trialwise.sources.http.path import is_true, scalar
from trialwise.sources.piece import Piece

Params = Mapping[str, str | int | float | bool]
_PARAMS = {"page": "page", "offset": "offset", "cursor": "cursor"}


@dataclass(frozen=True)
class Request:
    """What is asked for: an address and the parameters that go with it (never a secret)."""

    url: str
    params: Params = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Equal for equal requests."""
        return hashlib.sha256(json.dumps([self.url, dict(self.params)], sort_keys=True).encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """As it is kept between pulls."""
        return {"url": self.url, "params": dict(self.params)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """The request `to_json` told of."""
        return cls(str(data["url"]), dict(data["params"]))


def first_request(section: HttpSection, since: str | int | None) -> Request:
    """The first page of a pull of what came after `since` (None: of everything)."""
    paging = section.paging
    params: dict[str, Any] = dict(section.params)
    if section.since is not None and since is not None:
        params[section.since.param] = since
    if paging.size is not None:
        params[paging.size_param] = paging.size
    if paging.kind == "page":
        params[param_of(paging)] = 1 if paging.first is None else paging.first
    elif paging.kind == "offset":
        params[param_of(paging)] = 0
    return Request(section.url, params)


def param_of(paging: PagingSection) -> str:
    """The parameter that says which page is meant: as configured, else the kind's own name."""
    return paging.param or _PARAMS[paging.kind]


def next_request(
    paging: PagingSection, asked: Request, text: str, link: str | None, pieces: Sequence[Piece]
) -> Request | None:
    """The request after `asked`, whose answer was `text` with these records; None when that was the last page.

    link: the answer's Link header of relation "next". An address is returned as it stands, relative or not.
    Raises SourceError when a last record lacks the field the next page is asked by.
    """
    if paging.kind == "none" or (paging.more is not None and not is_true(text, steps(paging.more))):
        return None
    if paging.kind == "link_header":
        return Request(link) if link else None
    if paging.kind == "next_url":
        found = scalar(text, steps(paging.path or "$")) if text else None
        return Request(str(found)) if found not in (None, "") else None
    param = param_of(paging)
    if paging.kind == "cursor":
        cursor = _cursor(paging, text, pieces)
        return None if cursor in (None, "") else Request(asked.url, {**asked.params, param: cursor})
    if not pieces:
        return None
    step = 1 if paging.kind == "page" else len(pieces)
    return Request(asked.url, {**asked.params, param: int(asked.params[param]) + step})


def _cursor(paging: PagingSection, text: str, pieces: Sequence[Piece]) -> Any:
    if paging.path is not None:
        return scalar(text, steps(paging.path)) if text else None
    if not pieces:
        return None
    last = pieces[-1].data.decode("utf-8", "surrogateescape")
    found = scalar(last, steps(paging.field or "$"))
    if found in (None, ""):
        raise SourceError(
            f"the last record of a page has no {paging.field}, by which the next page is asked",
            "Name a field every record has under paging.field in trialwise.toml.",
        )
    return found
