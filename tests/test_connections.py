"""[sources] in trialwise.toml: what is refused, and how it is said; secrets of the environment."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from trialwise.config import parse_config, read_config
from trialwise.config.secrets import Secrets
from trialwise.connections import HttpSection
from trialwise.errors import ConfigError

URL = 'url = "https://admin.example.com/api"'


def http(text: str, url: str = URL) -> HttpSection:
    return parse_config(tomllib.loads(f"[sources.http.usage]\n{url}\n{text}")).sources.http["usage"]


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(tomllib.loads(text))
    return caught.value.message


def test_a_section_needs_an_address_alone() -> None:
    section = http("")
    assert (section.method, section.auth, section.records, section.format) == ("GET", "none", "$", "flat")
    assert (section.paging.kind, section.since, section.every_minutes, section.max_pages) == ("none", None, 60, 10_000)


def test_paging_may_be_a_word() -> None:
    assert http('paging = "link_header"').paging.kind == "link_header"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recrods = 'data'", "unknown key 'sources.http.usage.recrods'; did you mean 'records'?"),
        (
            "[sources.http.usage.paging]\nkind = 'page'\nparm = 'p'",
            "'sources.http.usage.paging.parm'; did you mean 'param'?",
        ),
        ("[sources.http.usage.since]\nfield = 'at'\nparam = 'a'\noverlap = 3", "did you mean 'overlap_minutes'?"),
        ("auth = 'barer'", "did you mean 'bearer'?"),
        ("auth = 'header X Key'", "auth: expected one of"),
        ("auth = 'bearer x'", "auth: expected one of"),
        ("paging = 'pages'", "paging.kind"),
        ("paging = { kind = 'cursor' }", "needs path"),
        ("paging = { kind = 'cursor', path = 'a', field = 'b' }", "needs path"),
        ("paging = { kind = 'next_url' }", "needs path"),
        ("paging = { kind = 'page', path = 'next' }", 'kind = "page" has no use for path'),
        ("records = 'data..items'", "a path is written"),
        ("mapping = { acount_id = 'x' }", "there is no 'acount_id'; did you mean 'account_id'?"),
        ("mapping = { account_id = '$' }", "name a field of the records"),
        ("event = 'Trial Started'", "needs mapping.timestamp"),
        ("event = 'T'\nmapping = { timestamp = 'at', event = 'x' }", "not both"),
        ("format = 'segment'\nmapping = { event = 'x' }", 'format = "segment" takes no mapping'),
        ("format = 'amplitude'\nproperties = { plan = 'x' }", "are for flat records"),
        ("params = { plans = ['a'] }", "params: plans has to be text, a number, true or false"),
        ("headers = { 'X Y' = 'a' }", "is no header to set here"),
        ("headers = { Host = 'a' }", "is no header to set here"),
        ("headers = { X-Name = 'ü' }", "printable ASCII"),
        ("method = 'PUT'", "'GET' or 'POST'"),
        ("max_pages = 0", "max_pages"),
        ("timeout_seconds = 0", "timeout_seconds"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text: str, said: str) -> None:
    assert said in refused(f"[sources.http.usage]\n{URL}\n{text}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://admin.example.com/api", "url is http"),
        ("ftp://admin.example.com", "an address is written"),
        ("https://", "an address is written"),
        ("https://admin.example.com/a b", "an address is written"),
        ("https://admin.example.com:99999/", "no address"),
        ("https://admin.example.com/#part", "no #fragment"),
        ("admin.example.com", "an address is written"),
    ],
)
def test_addresses_are_https(url: str, said: str) -> None:
    assert said in refused(f"[sources.http.usage]\nurl = '{url}'")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "127.8.8.8", "[::1]:80"])
def test_this_machine_may_be_asked_without_encryption(host: str) -> None:
    assert http("", f"url = 'http://{host}/api'").url == f"http://{host}/api"


def test_others_may_be_when_that_is_said() -> None:
    assert http("allow_http = true", "url = 'http://admin.internal/api'").allow_http


@pytest.mark.parametrize(
    "text",
    [
        "[sources.http.usage]\nurl = 'https://me:canary@admin.example.com'",
        f"[sources.http.usage]\n{URL}\nheaders = {{ Authorization = 'Bearer canary' }}",
        f"[sources.http.usage]\n{URL}\nheaders = {{ Cookie = 'canary' }}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(text: str) -> None:
    said = refused(text)
    assert "the secret in the environment" in said
    assert "canary" not in said


def test_names_are_slugs() -> None:
    assert "lower-case letters" in refused(f"[sources.http.My-API]\n{URL}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pattern = '../*.csv'", "a pattern names files of the folder itself"),
        ("pattern = '**'", "a pattern names files of the folder itself"),
        ("after = 'move'", "after"),
        ("kind = 'stripe'\nmapping = { event = 'x' }", "takes no mapping"),
        ("mapping = { evnt = 'x' }", "did you mean 'event'?"),
        ("evry_seconds = 3", "did you mean 'every_seconds'?"),
    ],
)
def test_folders_are_checked_too(text: str, said: str) -> None:
    assert said in refused(f"[sources.files.drop]\nfolder = 'inbox'\n{text}")


def test_secrets_are_found_by_name_and_shown_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_HTTP_USAGE", " canary\n")
    monkeypatch.setenv("TRIALWISE_HTTP_EMPTY", "  ")
    secrets = Secrets()
    assert secrets.http == {"usage": "canary"}
    assert "canary" not in repr(secrets)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("TRIALWISE_HTTP_USGAE", "there is no [sources.http.usgae]; did you mean 'TRIALWISE_HTTP_USAGE'?"),
        ("TRIALWISE_HTTP_CRM", "there is no [sources.http.crm]"),
        ("TRIALWISE_HTTP_", "unknown environment variable TRIALWISE_HTTP_"),
    ],
)
def test_a_secret_nobody_asks_for_is_refused_with_the_nearest(variable: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "trialwise.toml"
    path.write_text(f"[sources.http.usage]\n{URL}\nauth = 'bearer'\n", encoding="utf-8")
    environment: dict[str, Any] = {variable: "canary"}
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment)
    assert said in caught.value.message
    assert "canary" not in str(caught.value)
    assert read_config(path, {"TRIALWISE_HTTP_USAGE": "x"}).sources.http
