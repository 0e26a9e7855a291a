"""Keys: made, listed and revoked; what each scope may do; what is kept of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.command import run
from trialwise.errors import InputError, NotFoundError, StoreError
from trialwise.keys import SCOPES, Keys

NOW = datetime(2026, 3, 1, 12)
LATER = datetime(2026, 3, 2, 12)
SECRET = re.compile(r"tw_[irwa]_[A-Za-z0-9_-]{43}")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "data" / "keys.json")


@pytest.mark.parametrize("needed", SCOPES)
@pytest.mark.parametrize("held", [(scope,) for scope in SCOPES] + [("ingest", "read"), ("read", "write")])
def test_every_scope_against_every_need(keys: Keys, held: tuple[str, ...], needed: str) -> None:
    token = keys.create("one", held, NOW)
    assert keys.allows(token, needed) is (needed in held or "admin" in held)


def test_an_ingest_key_never_reads(keys: Keys) -> None:
    token = keys.create("website", ["ingest"], NOW)
    assert [scope for scope in SCOPES if keys.allows(token, scope)] == ["ingest"]


def test_secrets_have_256_random_bits_and_tell_their_strongest_scope(keys: Keys) -> None:
    made = {keys.create(f"key {number}", ["ingest", "read"], NOW) for number in range(50)}
    assert len(made) == 50
    assert all(SECRET.fullmatch(secret) and secret.startswith("tw_r_") for secret in made)


def test_the_file_keeps_no_secret_and_is_for_its_owner_alone(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "data" / "keys.json"
    old_mask = os.umask(0)
    try:
        secret = keys.create("website", ["ingest"], NOW)
    finally:
        os.umask(old_mask)
    text = path.read_text()
    assert secret not in text
    assert secret.removeprefix("tw_i_")[:20] not in text
    assert json.loads(text)["keys"][0]["sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_wrong_tokens_are_refused(keys: Keys) -> None:
    token = keys.create("website", ["ingest"], NOW)
    for wrong in ("", token[:-1], token + "x", token.upper(), "tw_i_", "\udc80", "né"):
        assert not keys.allows(wrong, "ingest"), wrong


def test_every_key_is_compared_in_constant_time_whichever_fits(keys: Keys) -> None:
    tokens = [keys.create(f"key {number}", ["ingest"], NOW) for number in range(4)]
    with patch("trialwise.keys.hmac.compare_digest", wraps=hmac.compare_digest) as compared:
        for token in (*tokens, "tw_i_wrong"):
            compared.reset_mock()
            keys.allows(token, "ingest")
            assert compared.call_count == 4
            assert all(len(call.args[0]) == len(call.args[1]) == 64 for call in compared.call_args_list)


def test_rotation_overlaps(keys: Keys) -> None:
    old = keys.create("website", ["ingest"], NOW)
    new = keys.create("website", ["ingest"], LATER)
    assert keys.allows(old, "ingest")
    assert keys.allows(new, "ingest")
    with pytest.raises(NotFoundError, match="several live keys") as told:
        keys.revoke("website", LATER)
    first, second = keys.list()
    assert first.id in told.value.message
    assert second.id in told.value.message
    keys.revoke(first.id[:6], LATER)
    assert not keys.allows(old, "ingest")
    assert keys.allows(new, "ingest")
    assert keys.revoke("website", LATER).id == second.id
    assert not keys.allows(new, "ingest")
    assert [key.revoked_at for key in keys.list()] == [LATER, LATER]


def test_revoking_the_last_key_does_not_open_the_doors(keys: Keys) -> None:
    assert not keys.any()
    keys.create("website", ["ingest"], NOW)
    keys.revoke("website", LATER)
    assert keys.any()
    with pytest.raises(NotFoundError, match="no live key is called 'website'"):
        keys.revoke("website", LATER)
    with pytest.raises(NotFoundError):
        keys.revoke("", LATER)


def test_a_running_server_follows_the_file(keys: Keys, tmp_path: Path) -> None:
    server = Keys(tmp_path / "data" / "keys.json")
    assert not server.any()
    token = keys.create("website", ["ingest"], NOW)
    assert server.allows(token, "ingest")
    keys.revoke("website", LATER)
    assert not server.allows(token, "ingest")
    (tmp_path / "data" / "keys.json").unlink()
    assert not server.any()


def test_keys_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "data" / "keys.json"

    def make(number: int) -> str:
        return Keys(path).create(f"key {number}", ["read"], NOW)

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(make, range(24)))
    assert len(Keys(path).list()) == 24
    assert all(Keys(path).allows(token, "read") for token in tokens)


@pytest.mark.parametrize(
    ("name", "scopes", "said"),
    [
        ("", ["read"], "is no name for a key"),
        ("a\nb", ["read"], "is no name for a key"),
        ("x" * 101, ["read"], "is no name for a key"),
        ("website", [], "has no scope"),
        ("website", ["ingets"], "did you mean 'ingest'"),
    ],
)
def test_keys_that_cannot_be(keys: Keys, name: str, scopes: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        keys.create(name, scopes, NOW)
    assert not keys.any()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": [{}]}', '{"keys": 3}'])
def test_a_damaged_file_lets_nobody_in(keys: Keys, tmp_path: Path, text: str) -> None:
    token = keys.create("website", ["ingest"], NOW)
    (tmp_path / "data" / "keys.json").write_text(text)
    with pytest.raises(StoreError, match=r"keys\.json cannot be read"):
        keys.allows(token, "ingest")


def test_a_disk_that_is_full_leaves_the_keys_as_they_were(keys: Keys, tmp_path: Path) -> None:
    token = keys.create("website", ["ingest"], NOW)
    with (
        patch("trialwise.keys.os.fsync", side_effect=OSError(28, "No space left on device")),
        pytest.raises(StoreError, match="No space left"),
    ):
        keys.create("second", ["read"], NOW)
    assert [key.name for key in keys.list()] == ["website"]
    assert keys.allows(token, "ingest")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"keys.json", ".keys.json.lock"}


def test_commands(tmp_path: Path) -> None:
    run("init", tmp_path)
    made = run("keys", "create", "website", "--scope", "ingest", "--scope", "read", "-C", tmp_path)
    assert SECRET.fullmatch(made.out.removesuffix("\n"))
    assert made.out.strip() not in made.err
    [row] = run("keys", "list", "-f", "json", "-C", tmp_path).rows()
    assert row["name"] == "website"
    assert row["scopes"] == ["ingest", "read"]
    assert row["last"] == made.out.strip()[-4:]
    assert row["revoked_at"] is None
    assert set(row) == {"key_id", "name", "scopes", "created_at", "last", "revoked_at"}
    assert "website" in run("keys", "revoke", "website", "-C", tmp_path).err
    assert run("keys", "list", "-f", "json", "-C", tmp_path).rows()[0]["revoked_at"].endswith("Z")
    assert "no live key" in run("keys", "revoke", "website", "-C", tmp_path, code=1).err
    run("keys", "create", "website", "-C", tmp_path, code=2)
    run("keys", "create", "website", "--scope", "everything", "-C", tmp_path, code=2)
    assert not (tmp_path / "data" / "store.duckdb").exists()
