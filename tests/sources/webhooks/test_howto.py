"""The example of docs/howto/add-a-webhook.md is found, refuses what it must, and its test holds."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from tests.conftest import ROOT
from tests.sources.webhooks import signing, test_any_request, test_refusals
from tests.sources.webhooks.signing import NOW, compact, epoch, hmac_of, post

from trialwise.sources import webhooks
from trialwise.sources.webhooks import Refused, Request, Webhook

CODE, TEST = re.findall(
    r"^```python\n(.*?)^```",
    (ROOT / "docs" / "howto" / "add-a-webhook.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Any]:
    """The page's file as a module of the package, as if it had been added."""
    name = f"{webhooks.__name__}.mailgun"
    (tmp_path / "mailgun.py").write_text(CODE, encoding="utf-8")
    monkeypatch.setattr(webhooks, "__path__", [*webhooks.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield importlib.import_module(name)
    sys.modules.pop(name, None)
    del webhooks.mailgun


def signed(moment: Any, **changes: str) -> Request:
    sent, token = str(epoch(moment)), "t" * 50
    told = hmac_of("key", (sent + token).encode(), "sha256").hex()
    return post(
        "mailgun", compact({"signature": {"timestamp": sent, "token": token, "signature": told, **changes}}), {}
    )


def test_the_file_is_found_beside_the_others(example: Any) -> None:
    found = webhooks.modules()
    assert found["mailgun"] is example
    assert found.keys() == {*webhooks.PROVIDERS, "mailgun"}
    assert found["mailgun"].WEBHOOK.format == "mailgun"


@pytest.fixture
def page_test(example: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's test, as if it had been added beside this one; the provider is one of all."""
    module = ModuleType(f"{signing.__package__}.test_mailgun")
    exec(compile(TEST, "add-a-webhook.md", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(cast("dict[str, Webhook]", webhooks.PROVIDERS), "mailgun", example.WEBHOOK)
    return module


def test_the_test_of_the_page_holds(example: Any, page_test: ModuleType) -> None:
    assert page_test.mailgun is example
    page_test.test_a_click_is_taken_and_told()


ASKED = [
    (test, "name" in inspect.signature(test).parameters)
    for module in (test_refusals, test_any_request)
    for name, test in vars(module).items()
    if name.startswith("test_")
]


@pytest.mark.parametrize(("test", "of_a_provider"), ASKED, ids=[test.__name__ for test, _ in ASKED])
def test_the_example_is_asked_what_every_provider_is(
    page_test: ModuleType, test: Callable[..., None], *, of_a_provider: bool
) -> None:
    assert page_test.SENDER.proven_by is not None
    if of_a_provider:
        test(name="mailgun")
    else:
        test()


def test_the_example_refuses_what_it_must(example: Any) -> None:
    door = example.WEBHOOK
    door.verify(signed(NOW), ["other", "key"])
    for request, secrets, reason in (
        (signed(NOW), ["other"], "wrong_signature"),
        (signed(NOW, token="other"), ["key"], "wrong_signature"),
        (signed(NOW, signature=""), ["key"], "missing_signature"),
        (signed(NOW, signature="zz"), ["key"], "malformed_signature"),
        (signed(NOW - timedelta(hours=10)), ["key"], "too_old"),
        (post("mailgun", b"\xff", {}), ["key"], "malformed_signature"),
        (post("mailgun", b"[]", {}), ["key"], "malformed_signature"),
        (signed(NOW), [], "not_configured"),
    ):
        with pytest.raises(Refused) as refused:
            door.verify(request, secrets)
        assert refused.value.reason == reason
