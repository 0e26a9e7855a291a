"""The example of docs/howto/add-a-webhook.md is found, refuses what it must, and its test holds."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.sources.webhooks.signing import NOW, compact, epoch, hmac_of, post

from trialwise.sources import webhooks
from trialwise.sources.webhooks import Refused, Request

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


def test_the_test_of_the_page_holds(example: Any) -> None:
    names: dict[str, Any] = {}
    exec(compile(TEST, "add-a-webhook.md", "exec"), names)
    names["test_a_click_is_taken_and_told"]()
    assert names["mailgun"] is example


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
