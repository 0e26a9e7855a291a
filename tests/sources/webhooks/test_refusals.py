"""Wrong secret, missing header, old timestamp, altered body, rotation: the same questions to every provider."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.sources.webhooks.signing import NOW, SENDERS, Sender, key_pair, sender_of

from trialwise.errors import ConfigError
from trialwise.sources.webhooks import PROVIDERS, Refused, Request, Webhook, check_providers

ALL = pytest.mark.parametrize("name", sorted(PROVIDERS))


def reason(door: Webhook, request: Request, secrets: tuple[str, ...]) -> str:
    with pytest.raises(Refused) as refused:
        door.verify(request, secrets)
    return refused.value.reason


def _parts(name: str) -> tuple[Webhook, Sender, Request]:
    door, sender = PROVIDERS[name], sender_of(name)
    return door, sender, sender.sign(sender.secrets[0], sender.body, NOW)


def test_every_provider_is_asked() -> None:
    assert PROVIDERS.keys() >= SENDERS.keys()
    assert all(sender_of(name).body for name in PROVIDERS)
    assert all(name == door.name for name, door in PROVIDERS.items())


@ALL
def test_a_request_as_the_provider_signs_it_is_taken(name: str) -> None:
    door, sender, request = _parts(name)
    door.verify(request, sender.secrets[:1])
    assert len(door.pieces(request)) == 1
    assert door.pieces(request)[0].reason is None


@ALL
def test_while_a_secret_is_replaced_both_are_taken(name: str) -> None:
    door, sender, _ = _parts(name)
    for secret in sender.secrets:
        request = sender.sign(secret, sender.body, NOW)
        door.verify(request, sender.secrets)
        door.verify(request, sender.secrets[::-1])
    retired = sender.sign(sender.secrets[1], sender.body, NOW)
    assert reason(door, retired, sender.secrets[:1]).startswith("wrong_")


@ALL
def test_another_secret_is_refused(name: str) -> None:
    door, _, request = _parts(name)
    wrong = key_pair("other")[1] if name == "sendgrid" else "another"
    assert reason(door, request, (wrong,)).startswith("wrong_")
    assert reason(door, request, (wrong, "")).startswith("wrong_")


@ALL
def test_a_door_without_a_secret_is_closed(name: str) -> None:
    door, _, request = _parts(name)
    with pytest.raises(Refused) as refused:
        door.verify(request, ())
    assert (refused.value.reason, refused.value.status) == ("not_configured", 404)


@ALL
def test_a_missing_proof_is_refused(name: str) -> None:
    door, sender, request = _parts(name)
    if sender.proven_by is not None:
        for proof in (None, ""):
            assert reason(door, sender.proven_by(request, proof), sender.secrets) == "missing_signature"
    elif sender.header is None:
        bare = replace(request, url=request.url.partition("?")[0])
        assert reason(door, bare, sender.secrets) == "missing_secret"
        assert reason(door, replace(bare, url=f"{bare.url}?secret="), sender.secrets) == "missing_secret"
    else:
        for left_out in request.headers:
            some = {key: value for key, value in request.headers.items() if key != left_out}
            assert reason(door, replace(request, headers=some), sender.secrets) == "missing_signature"
            blank = {**request.headers, left_out: " "}
            assert reason(door, replace(request, headers=blank), sender.secrets) == "missing_signature"


@ALL
def test_a_proof_that_is_none_is_refused(name: str) -> None:
    door, sender, request = _parts(name)
    for nonsense in ("é", "t=1,v1=é", "=", "t=,v1=", "Basic", "Basic \u00e9", "zz" * 32, "A" * 5000):
        if sender.proven_by is not None:
            changed = sender.proven_by(request, nonsense)
        elif sender.header is None:
            changed = replace(request, url=f"{request.url.partition('?')[0]}?secret={nonsense}")
        else:
            changed = replace(request, headers={**request.headers, sender.header: nonsense})
        assert reason(door, changed, sender.secrets)


@ALL
def test_an_altered_body_is_refused_where_the_provider_signs_it(name: str) -> None:
    door, sender, request = _parts(name)
    if sender.proven_by is not None and not sender.altered:
        assert reason(door, replace(request, body=b"{}"), sender.secrets) == "missing_signature"
        return
    if not sender.altered:
        door.verify(replace(request, body=b"{}"), sender.secrets)
        return
    for body in (request.body + b" ", request.body[:-1], request.body.replace(b"1", b"2", 1), b"", b"\xff"):
        assert reason(door, replace(request, body=body), sender.secrets) == "wrong_signature"


@ALL
def test_an_old_signature_is_refused_where_the_provider_signs_the_time(name: str) -> None:
    door, sender, _ = _parts(name)
    if sender.tolerance is None:
        long_ago = sender.sign(sender.secrets[0], sender.body, NOW - timedelta(days=400))
        door.verify(long_ago, sender.secrets)
        return
    at_the_edge = NOW - timedelta(seconds=sender.tolerance)
    door.verify(sender.sign(sender.secrets[0], sender.body, at_the_edge), sender.secrets)
    beyond = sender.sign(sender.secrets[0], sender.body, at_the_edge - timedelta(seconds=1))
    assert reason(door, beyond, sender.secrets) == "too_old"


@ALL
def test_a_changed_time_breaks_the_signature(name: str) -> None:
    door, sender, request = _parts(name)
    stamps = [key for key in request.headers if "timestamp" in key]
    for key in stamps:
        later = {**request.headers, key: str(int(request.headers[key]) + 1)}
        assert reason(door, replace(request, headers=later), sender.secrets) == "wrong_signature"
        no_time = {**request.headers, key: "soon"}
        assert reason(door, replace(request, headers=no_time), sender.secrets) == "wrong_signature"
    assert (len(stamps) == 1) == (name in {"sendgrid", "customerio", "hubspot"})


@ALL
def test_a_body_over_the_limit_is_refused_before_anything_is_computed(name: str) -> None:
    door, sender, request = _parts(name)
    with pytest.raises(Refused) as refused:
        door.verify(replace(request, body=b"x" * (door.max_bytes + 1), headers={}), sender.secrets)
    assert (refused.value.reason, refused.value.status) == ("too_large", 413)


@ALL
def test_a_method_nobody_answers_is_refused(name: str) -> None:
    door, sender, request = _parts(name)
    assert reason(door, replace(request, method="DELETE"), sender.secrets) == "bad_method"


def test_secrets_of_nobody_are_an_error_that_names_the_nearest() -> None:
    check_providers(["stripe", "drip"])
    with pytest.raises(ConfigError, match=r"TRIALWISE_WEBHOOK_SENDGIRD: no webhook .* did you mean 'sendgrid'"):
        check_providers(["stripe", "sendgird"])
