"""[sources]: what trialwise fetches by itself, from HTTP APIs and from folders."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from trialwise.errors import nearest
from trialwise.section import Name, Section, Slug

FIELDS = (
    "event",
    "account_id",
    "user_id",
    "anonymous_id",
    "timestamp",
    "received_at",
    "id",
    "properties",
)
"""What a column of flat records can be mapped to; every other column is a property."""
Step = str | int
_STEP = re.compile(r"""\.?(?:([^.\[\]"'\s]+)|\[(\d+)\]|\["([^"]+)"\]|\['([^']+)'\])""")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_OWN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})


def steps(path: str) -> tuple[Step, ...]:
    """The keys and list positions of a path such as `data.items`, `$.data["a.b"]` or `[0].items`; `$` is the whole.

    Raises ValueError, saying how it is written, for anything else of JSONPath.
    """
    rest = path.strip()
    if rest.startswith("$"):
        rest = rest[1:]
    elif not rest or rest.startswith("."):
        raise ValueError('a path is written data.items, data[0], data["a.b"], or $ for the whole answer')
    found: list[Step] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None or rest[at:] == ".":
            raise ValueError('a path is written data.items, data[0], data["a.b"], or $ for the whole answer')
        bare, position, double, single = step.groups()
        found.append(int(position) if position is not None else bare or double or single)
        at = step.end()
    return tuple(found)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _known_fields(mapping: Mapping[str, str]) -> Mapping[str, str]:
    for ours in mapping:
        if ours not in FIELDS:
            raise ValueError(f"fields are {', '.join(FIELDS)}; there is no '{ours}'{nearest(ours, FIELDS)}")
    return mapping


def _holds_secret(text: str) -> PydanticCustomError:
    """An error that is told without the value."""
    return PydanticCustomError("holds_secret", "{said}", {"said": text})


class PagingSection(Section):
    """[sources.http.NAME.paging]: how the API hands out what does not fit into one answer.

    page         param counts 1, 2, 3 ... (from `first`) until a page is empty
    offset       param is the number of records read so far, until a page is empty
    cursor       param is the value at `path` of the answer, or of `field` in its last record
    next_url     the address of the next page stands at `path` of the answer
    link_header  it stands in the header Link, rel="next"
    """

    kind: Literal["none", "page", "offset", "cursor", "next_url", "link_header"] = "none"
    param: Name | None = None
    path: Name | None = None
    field: Name | None = None
    more: Name | None = None
    first: Annotated[int, Field(ge=0)] | None = None
    size: Annotated[int, Field(ge=1, le=100_000)] | None = None
    size_param: Name = "limit"

    @field_validator("path", "field", "more")
    @classmethod
    def _paths(cls, value: str | None) -> str | None:
        if value is not None:
            steps(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> PagingSection:
        takes = {
            "none": {"size"},
            "page": {"param", "more", "first", "size"},
            "offset": {"param", "more", "size"},
            "cursor": {"param", "path", "field", "more", "size"},
            "next_url": {"path", "more", "size"},
            "link_header": {"size"},
        }[self.kind]
        given = {key for key in ("param", "path", "field", "more", "first", "size") if getattr(self, key) is not None}
        if surplus := sorted(given - takes):
            raise ValueError(f'kind = "{self.kind}" has no use for {surplus[0]}; it takes {", ".join(sorted(takes))}')
        if self.kind == "cursor" and (self.path is None) == (self.field is None):
            raise ValueError(
                'kind = "cursor" needs path (where in the answer the next cursor stands) or field (of its last record)'
            )
        if self.kind == "next_url" and self.path is None:
            raise ValueError('kind = "next_url" needs path: where in the answer the next address stands')
        return self


class SinceSection(Section):
    """[sources.http.NAME.since]: only what is new; the greatest `field` of a finished pull is the next one's `param`.

    overlap_minutes goes back that far, for records that show up late; repeated records are duplicates and count once.
    """

    field: Name
    param: Name
    initial: str | int | None = None
    overlap_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 90)] = 10

    @field_validator("field")
    @classmethod
    def _path(cls, value: str) -> str:
        if not steps(value):
            raise ValueError("name the field of a record, such as created_at")
        return value


class HttpSection(Section):
    """[sources.http.NAME]: an API records are pulled from; its secret comes from TRIALWISE_HTTP_NAME alone."""

    url: Name
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[Name, Any] = Field(default_factory=dict)
    headers: Mapping[Name, str] = Field(default_factory=dict)
    auth: str = "none"
    records: Name = "$"
    paging: PagingSection = PagingSection()
    since: SinceSection | None = None
    format: Slug = "flat"
    mapping: Mapping[str, Name] = Field(default_factory=dict)
    event: Name | None = None
    properties: Mapping[str, Name] = Field(default_factory=dict)
    every_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 31)] = 60
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    max_pages: Annotated[int, Field(ge=1)] = 10_000
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    allow_http: bool = False

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            host = parts.hostname
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"this is no address ({error})") from error
        if parts.scheme not in ("http", "https") or not host or re.search(r"\s", value):
            raise ValueError("an address is written https://host/path")
        if parts.username is not None or parts.password is not None:
            raise _holds_secret("no user or password belongs into it; set auth, and the secret in the environment")
        if parts.fragment:
            raise ValueError("an address has no #fragment")
        return value

    @field_validator("params")
    @classmethod
    def _plain(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, item in value.items():
            if not isinstance(item, str | int | float):
                raise ValueError(f"{name} has to be text, a number, true or false")
        return value

    @field_validator("auth")
    @classmethod
    def _known_auth(cls, value: str) -> str:
        kind, _, name = value.partition(" ")
        if kind in ("none", "bearer", "basic") and not name:
            return value
        if (kind == "header" and _HEADER.fullmatch(name)) or (kind == "query" and re.fullmatch(r"[^\s=&#?]+", name)):
            return value
        kinds = ("none", "bearer", "basic", "header NAME", "query NAME")
        raise ValueError(f"expected one of {', '.join(kinds)}{nearest(kind, kinds)}")

    @field_validator("headers")
    @classmethod
    def _harmless(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if name.lower() in _SECRET_HEADERS:
                raise _holds_secret(f"{name} holds a secret: set auth, and the secret in the environment")
            if name.lower() in _OWN_HEADERS or not _HEADER.fullmatch(name):
                raise ValueError(f"'{name}' is no header to set here")
            if not text.isprintable() or not text.isascii():
                raise ValueError(f"the header {name} has to be printable ASCII")
        return value

    @field_validator("records")
    @classmethod
    def _path(cls, value: str) -> str:
        steps(value)
        return value

    @field_validator("paging", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("mapping", "properties")
    @classmethod
    def _columns(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for theirs in value.values():
            if not steps(theirs):
                raise ValueError("name a field of the records, such as account.id")
        return value

    @field_validator("mapping")
    @classmethod
    def _fields(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return _known_fields(value)

    @model_validator(mode="after")
    def _safe_and_whole(self) -> HttpSection:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not self.allow_http:
            raise ValueError("url is http: what is sent can be read on the way; use https, or set allow_http = true")
        if self.format != "flat" and (self.event or self.properties):
            raise ValueError(f'event and properties are for flat records, not for format = "{self.format}"')
        if self.format in ("segment", "stripe") and self.mapping:
            raise ValueError(f'format = "{self.format}" takes no mapping')
        if self.event is not None and "event" in self.mapping:
            raise ValueError("give either event = ... or mapping.event = ..., not both")
        if self.event is not None and "timestamp" not in self.mapping:
            raise ValueError("event = ... needs mapping.timestamp: the field that says when it happened")
        return self


class FolderSection(Section):
    """[sources.files.NAME]: a folder whose files are imported as they come."""

    folder: Name
    pattern: Name = "*"
    kind: Literal["events", "stripe"] = "events"
    format: Slug | None = None
    mapping: Mapping[str, Name] = Field(default_factory=dict)
    every_seconds: Annotated[int, Field(ge=1)] = 60
    settle_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    after: Literal["leave", "archive", "delete"] = "archive"

    @field_validator("pattern")
    @classmethod
    def _in_the_folder(cls, value: str) -> str:
        if "/" in value or "\\" in value or "**" in value:
            raise ValueError("a pattern names files of the folder itself, such as *.ndjson.gz")
        return value

    @field_validator("mapping")
    @classmethod
    def _fields(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return _known_fields(value)

    @model_validator(mode="after")
    def _whole(self) -> FolderSection:
        if self.kind == "stripe" and (self.mapping or self.format):
            raise ValueError('kind = "stripe" takes no mapping and no format')
        return self


class SourcesSection(Section):
    """[sources]: APIs and folders by name."""

    http: Mapping[Slug, HttpSection] = Field(default_factory=dict)
    files: Mapping[Slug, FolderSection] = Field(default_factory=dict)
