"""Thin events: what they point to is fetched from the API and from nowhere else."""

from __future__ import annotations

import json

import pytest
from tests.sources.stripe.conftest import KEY, Bench

from trialwise.sources.stripe.api import Api, Missing
from trialwise.sources.stripe.key import read_key
from trialwise.sources.stripe.thin import LeadsNowhere, fetch, related


def thin(url: object, **more: object) -> bytes:
    return json.dumps({"id": "evt_1", "object": "v2.core.event", "related_object": {"url": url}, **more}).encode()


@pytest.mark.parametrize("url", ["/v1/customers/cus_1", "/v2/core/accounts/acct_1", "/v1/billing/meters/mtr_1"])
def test_a_path_of_the_api_is_followed(url: str) -> None:
    assert related(thin(url)).path == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "https://evil.example/v1/customers/cus_1",
        "//evil.example/v1/customers/cus_1",
        "@evil.example/v1/x",
        "/v1/../v1/customers/cus_1",
        "/v1/customers/.",
        "/v1/customers/cus_1?expand[]=x",
        "/v3/customers/cus_1",
        "/v1/customers/cus_1\n",
        "/v1/customers",
    ],
)
def test_anything_else_is_not(url: object) -> None:
    with pytest.raises(LeadsNowhere):
        related(thin(url))


@pytest.mark.parametrize("event", [b"", b"[]", b'{"id": "evt_1"}', b"{" * 100_000])
def test_a_broken_event_leads_nowhere(event: bytes) -> None:
    with pytest.raises(LeadsNowhere):
        related(event)


def test_the_object_is_fetched_as_it_is(bench: Bench) -> None:
    entry = bench.double.add("customer", "cus_1", name="Zoë")
    api = Api(read_key(KEY, "any"), bench.double.base)
    assert json.loads(fetch(api, related(thin("/v1/customers/cus_1")), "acct_home")) == entry
    assert json.loads(fetch(api, related(thin("/v1/customers/cus_1", context="acct_home")), "acct_home")) == entry


def test_another_accounts_object_and_one_that_is_gone_lead_nowhere(bench: Bench) -> None:
    api = Api(read_key(KEY, "any"), bench.double.base)
    with pytest.raises(LeadsNowhere, match="acct_other"):
        fetch(api, related(thin("/v1/customers/cus_1", context="acct_other")), "acct_home")
    with pytest.raises(Missing):
        api.one("/v1/customers/cus_1")
    bench.double.add("customer", "cus_2")
    assert b"cus_2" in fetch(api, related(thin("/v1/customers/cus_2", context="acct_home")), None)
    with pytest.raises(LeadsNowhere, match="gone"):
        fetch(api, related(thin("/v1/customers/cus_1")), "acct_home")
