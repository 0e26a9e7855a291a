"""Who was forgotten is taken out of segments, in place, and stays out whichever way they come back."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.crash import crash_at_every_step
from tests.keeping import files
from tests.landing.kit import NOW, STRIPE, Kit, arrival, call, envelope, event, subscription

from trialwise.engines.duckdb import connect
from trialwise.errors import StoreError
from trialwise.landing import screen, suppression
from trialwise.landing.compact import compact
from trialwise.landing.folder import Landing
from trialwise.landing.live import Channel
from trialwise.landing.redact import Content, Mentions, masked
from trialwise.landing.settings import LoadSettings
from trialwise.landing.suppression import Names
from trialwise.sources.files import open_file
from trialwise.sources.formats import TRANSLATORS

ALICE = Names(frozenset({"acme-77"}), frozenset({"alice-1", "anon:visitor-9"}), frozenset({"alice@acme.example"}))
LATER = NOW + timedelta(days=10)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path, translators=TRANSLATORS)


def put_on_list(landing: Landing, names: Names = ALICE) -> None:
    def listed(kept: suppression.Suppression) -> suppression.Suppression:
        kept = kept if kept.salt else suppression.fresh()
        return kept.with_request(suppression.Request("key", "account", NOW, NOW), names)

    suppression.change(landing.folder, listed)


def screened(kit: Kit, names: Names | None = None) -> screen.Screened:
    former = suppression.Suppression()
    return screen.screen(kit.landing, kit.settings, TRANSLATORS, now=LATER, names=names, former=former)


def texts(folder: Path) -> str:
    """Everything that lies in a landing folder as one text, Parquet files with their values."""
    found = [data.decode("utf-8", "replace") for data in files(folder).values()]
    held = [
        connect().rows("FROM read_parquet($path)", {"path": str(path)}) for path in folder.glob("compacted/*.parquet")
    ]
    return "\n".join([*found, repr(held)])


def sizes(folder: Path) -> dict[str, list[int]]:
    """Where the lines of each segment end."""
    return {path.name: [len(line) for line in path.read_bytes().splitlines()] for path in folder.glob("*.ndjson")}


def several(kit: Kit) -> None:
    """Records of Alice, of others who speak of her, and of others who do not."""
    kit.land(
        event(user_id="alice-1", id="a1"),
        event(account_id="acme-77", user_id="bob-22", id="a2"),
        event(user_id="bob-22", id="b1", invited="alice@acme.example", name="Alice Allen", note="for alice-1, thanks"),
        event(user_id="bob-22", id="b2"),
        '{"user_id": "alice-1", broken',
        b'{"user_id": "alice-1", "name": "\xff"}',
    )
    kit.arrive(arrival(call("identify", userId="alice-1", traits={"email": "alice@acme.example"}, messageId="c1")))
    kit.arrive(arrival(call("alias", userId="carol-3", previousId="visitor-9", messageId="c2")))
    kit.landing.seal(NOW)


def test_records_go_and_their_places_stay(kit: Kit) -> None:
    several(kit)
    before = sizes(kit.landing.folder)
    assert "alice-1" in texts(kit.landing.folder)
    put_on_list(kit.landing)
    found = screened(kit, ALICE)
    assert (found.erased, found.masked, found.segments) == (6, 1, 3)
    assert sizes(kit.landing.folder) == before
    left = texts(kit.landing.folder)
    for word in ("alice-1", "acme-77", "alice@acme.example", "visitor-9", "Alice Allen"):
        assert word not in left
    loaded = kit.load()
    assert (loaded.received, loaded.loaded, loaded.forgotten, loaded.quarantined) == (8, 2, 6, 0)
    assert kit.rows("SELECT received, loaded, forgotten FROM raw.loads") == [(8, 2, 6)]
    assert kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0") == [("bob-22",)]


def test_another_look_finds_nothing_and_reads_nothing(kit: Kit) -> None:
    several(kit)
    put_on_list(kit.landing)
    assert not screen.is_screened(kit.landing, suppression.read(kit.landing.folder))
    screened(kit, ALICE)
    assert screen.is_screened(kit.landing, suppression.read(kit.landing.folder))
    before = files(kit.landing.folder)
    assert screened(kit) == screen.Screened()
    (kit.landing.folder / screen.NAME).unlink()
    assert screened(kit) == screen.Screened()
    assert files(kit.landing.folder) == before


def test_hashes_alone_find_the_same(kit: Kit) -> None:
    several(kit)
    put_on_list(kit.landing)
    assert "alice" not in (kit.landing.folder / suppression.NAME).read_text()
    found = screened(kit)
    assert (found.erased, found.masked) == (6, 1)
    assert "alice" not in texts(kit.landing.folder)


def test_a_look_counts_and_changes_nothing(kit: Kit) -> None:
    several(kit)
    before = files(kit.landing.folder)
    found = screen.look(kit.landing, kit.settings, TRANSLATORS, ALICE, now=LATER)
    assert (found.erased, found.masked, found.segments) == (6, 1, 3)
    assert files(kit.landing.folder) == before


def test_compacted_files_are_written_anew(kit: Kit) -> None:
    several(kit)
    kit.load()
    compact(kit.landing, landed_before=LATER, now=LATER)
    [old] = kit.landing.compacted.glob("*.parquet")
    put_on_list(kit.landing)
    found = screened(kit, ALICE)
    assert (found.erased, found.masked, found.segments, found.compacted) == (6, 1, 0, 1)
    assert not old.exists()
    assert sorted(path.name for path in kit.landing.compacted.iterdir()) == [
        "000001-000003.2.parquet", "000001-000003.2.parquet.footer",
    ]  # fmt: skip
    assert "alice" not in texts(kit.landing.folder)
    again = Kit(kit.folder, translators=TRANSLATORS)
    assert (loaded := again.load()).forgotten == 6
    assert (loaded.received, loaded.loaded) == (8, 2)


def test_what_is_about_others_stays_sound(kit: Kit) -> None:
    kit.land(
        event(user_id="bob-22", id="b1", invited="ALICE@acme.example", name="Alice", note="see https://x/u/alice-1?a=1")
    )
    put_on_list(kit.landing)
    screened(kit, ALICE)
    [line] = (kit.landing.folder / "000001.ndjson").read_bytes().splitlines()
    record = json.loads(json.loads(line)["raw"])
    assert record["invited"] is None
    assert record["name"] is None
    assert record["note"] == "see https://x/u/*******?a=1"
    assert record["user_id"] == "bob-22"
    assert kit.load().loaded == 1


def test_ids_that_are_like_other_words_count_in_their_fields_alone(kit: Kit) -> None:
    names = Names(users=frozenset({"7"}))
    kit.land(event(user_id=7, id="a1"), event(user_id="bob", id="b1", seats="7", rows=7), "7, broken", "{7")
    put_on_list(kit.landing, names)
    found = screened(kit, names)
    assert (found.erased, found.masked) == (1, 0)
    assert kit.load().quarantined == 2


@pytest.mark.parametrize("name", ['jos\u00e9 "x"', "user/42|b", "\u0430lice-99", "o'neil@acme.example"])
def test_ids_of_any_characters(kit: Kit, name: str) -> None:
    names = Names(users=frozenset({name}), addresses=frozenset({name} if "@" in name else ()))
    kit.land(event(user_id=name, id="a1"), json.dumps(event(user_id="bob", id="b1", friend=name), ensure_ascii=False))
    put_on_list(kit.landing, names)
    found = screened(kit)
    assert (found.erased, found.masked) == (1, 1)
    raws = [json.loads(line)["raw"] for line in (kit.landing.folder / "000001.ndjson").read_bytes().splitlines()]
    assert [raw.strip("\x7f") and json.loads(raw)["friend"] for raw in raws] == ["", None]


@pytest.mark.parametrize(
    ("name", "is_by_hash"), [("auth0|5f7c8ec7c33c", True), ("auth0|5f7c8ec7c33c", False), ("Jane Doe 1987", False)]
)
def test_an_id_of_several_words_is_masked_in_a_longer_text(kit: Kit, name: str, *, is_by_hash: bool) -> None:
    """By its hash alone it is found where no blank is in it: a text is no list of all that may be made of its words."""
    names = Names(users=frozenset({name}))
    kit.land(event(user_id="bob", id="b1", note=f"asked ({name}), then left", other="auth0|else 1987"))
    put_on_list(kit.landing, names)
    found = screened(kit) if is_by_hash else screened(kit, names)
    assert (found.erased, found.masked) == (0, 1)
    [line] = (kit.landing.folder / "000001.ndjson").read_bytes().splitlines()
    record = json.loads(json.loads(line)["raw"])
    assert record["note"] == f"asked ({'*' * len(name)}), then left"
    assert record["other"] == "auth0|else 1987"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("team/12", {"user_id": "team/123", "note": "team/124 and eu:team/12 and team/12.b"}),
        ("google-oauth2|1047", {"user_id": "google-oauth2|10475", "note": "of google-oauth2|10475"}),
        ("12345.", {"user_id": "bob", "note": "12345.5", "timestamp": "2026-01-05T10:00:12345.5"}),
    ],
)
def test_ids_of_others_that_begin_alike_stay(kit: Kit, name: str, told: dict[str, str]) -> None:
    kit.land(event(id="b1", **told), event(user_id=name, id="a1"), event(user_id="bob", id="b2", note=f"x {name} y"))
    before = (kit.landing.folder / "000001.ndjson").read_bytes().splitlines()
    names = Names(users=frozenset({name}))
    put_on_list(kit.landing, names)
    found = screened(kit, names)
    assert (found.erased, found.masked) == (1, 1)
    assert (kit.landing.folder / "000001.ndjson").read_bytes().splitlines()[0] == before[0]


def test_an_id_that_begins_with_a_quote_takes_no_quote_of_the_text(kit: Kit) -> None:
    names = Names(users=frozenset({'"auth00', "auth|111111"}))
    kit.land(event(user_id="bob", id="b1", note="auth00 said auth|111111"))
    put_on_list(kit.landing, names)
    screened(kit, names)
    [line] = (kit.landing.folder / "000001.ndjson").read_bytes().splitlines()
    assert json.loads(json.loads(line)["raw"])["note"] == f"auth00 said {'*' * 11}"
    assert kit.load().loaded == 1


def test_stripe_records_of_theirs_go_with_what_hangs_on_them(kit: Kit) -> None:
    kit.land(
        {"id": "cus_1", "object": "customer", "metadata": {"account_id": "acme-77"}, "email": "x@y.example"},
        subscription(customer="cus_1"),
        {"id": "in_1", "object": "invoice", "customer": "cus_1", "subscription": "sub_1"},
        envelope("evt_1", data={"object": subscription(customer={"id": "cus_1", "object": "customer"})}),
        envelope("evt_2", data={"object": {"id": "pm_1", "object": "payment_method", "customer": None},
                                "previous_attributes": {"customer": "cus_1"}}),
        {"id": "pm_1", "object": "payment_method", "customer": None, "billing_details": {"name": "Alice"}},
        {"id": "cus_2", "object": "customer", "email": "alice@acme.example", "name": "Alice", "metadata": {}},
        {"id": "prod_1", "object": "product", "name": "Pro"},
        kind="stripe",
    )  # fmt: skip
    put_on_list(kit.landing)
    found = screened(kit)
    assert (found.erased, found.masked) == (6, 1)
    assert found.learned.stripe == {"cus_1", "sub_1", "in_1", "pm_1"}
    assert kit.load().loaded == 2
    assert kit.rows("SELECT object_id FROM raw.stripe ORDER BY ALL") == [("cus_2",), ("prod_1",)]
    assert "Alice" not in texts(kit.landing.folder)
    # what was learned is on the list: it is known when it comes alone
    kit.arrive(
        arrival(envelope("evt_9", data={"object": {"id": "in_9", "object": "invoice", "customer": "cus_1"}})),
        channel=STRIPE,
    )
    kit.landing.seal(NOW)
    assert screened(kit).erased == 1


def late(kit: Kit) -> tuple[int, int]:
    """Seal, screen and load, as an owner does it; (loaded, forgotten)."""
    kit.landing.seal(NOW)
    screen.screen(kit.landing, kit.settings, TRANSLATORS, now=LATER, store=kit.engine)
    loaded = kit.load()
    return loaded.loaded, loaded.forgotten


def colleague(**context: str) -> dict[str, Any]:
    return call("identify", userId="new-77", anonymousId="visitor-5", messageId="n1",
                traits={"email": "New@acme.example"}, context=context)  # fmt: skip


def test_a_colleague_who_comes_later_is_theirs_without_the_account_too(kit: Kit) -> None:
    put_on_list(kit.landing)
    kit.arrive(arrival(colleague(groupId="acme-77")))
    assert late(kit) == (0, 1)
    kit.arrive(
        arrival(call(userId="new-77", messageId="n2")),
        arrival(call(userId=None, anonymousId="visitor-5", messageId="n3")),
        arrival(call("alias", userId="new-78", previousId="visitor-5", messageId="n4")),
        arrival(call(userId="carol-3", messageId="c1")),
    )
    mail = {"email": "new@acme.example", "event": "open", "sg_event_id": "e1", "timestamp": 1767571200}
    kit.arrive(arrival(mail), channel=Channel("events", "sendgrid", "webhook sendgrid"))
    assert late(kit) == (1, 4)
    kit.arrive(arrival(call(userId="new-78", messageId="n5")))
    assert late(kit) == (0, 1)
    assert kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0") == [("carol-3",)]
    assert not [word for word in ("new-77", "visitor-5", "new@acme", "New@acme") if word in texts(kit.landing.folder)]


def test_who_was_seen_in_another_account_is_not_theirs_whenever_that_was(kit: Kit) -> None:
    put_on_list(kit.landing)
    kit.take(event(account_id="northwind", user_id="bob-22", id="b1"))
    kit.take(call("identify", userId="dora-44", messageId="d1", traits={"email": "dora@x.example"}),
             call("alias", userId="dora-45", previousId="dora-44", messageId="d2"),
             call(userId="dora-45", messageId="d3", context={"groupId": "northwind"}))  # fmt: skip
    kit.land(
        event(account_id="acme-77", user_id="bob-22", id="b2"),
        event(account_id="acme-77", user_id="carol-3", id="c1"),
        event(account_id="northwind", user_id="carol-3", id="c2"),
        call("identify", userId="bob-22", anonymousId="bobs-phone", messageId="i1", context={"groupId": "acme-77"}),
        call("identify", userId="dora-46", messageId="i2", context={"groupId": "acme-77"},
             traits={"email": "dora@x.example"}),
    )  # fmt: skip
    assert late(kit) == (1, 4)
    kit.land(*(event(account_id=None, user_id=one, id=one) for one in ("bob-22", "carol-3", "dora-44", "dora-46")),
             call(userId=None, anonymousId="bobs-phone", messageId="p1"))  # fmt: skip
    assert late(kit) == (5, 0)


def test_another_device_of_a_forgotten_user_is_theirs(kit: Kit) -> None:
    put_on_list(kit.landing)
    kit.arrive(
        arrival(call(userId=None, anonymousId="phone-9", messageId="p1")),
        arrival(call("identify", userId="alice-1", anonymousId="phone-9", messageId="p2")),
    )
    assert late(kit) == (0, 2)


def test_what_the_store_took_before_they_were_known_goes_with_the_next_refresh(kit: Kit) -> None:
    put_on_list(kit.landing)
    kit.arrive(arrival(colleague()), arrival(call(userId="new-77", messageId="n2")))
    payment = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_12345"}
    kit.receive(arrival(envelope("evt_1", data={"object": payment}), {"refused": "in_12346"}), channel=STRIPE)
    assert not suppression.read(kit.landing.folder).pending
    assert "new-77" in texts(kit.landing.folder)
    kit.arrive(arrival(call(userId="new-77", messageId="n3", context={"groupId": "acme-77"})))
    assert late(kit) == (0, 1)
    assert "new-77" not in texts(kit.landing.folder)
    [again] = suppression.read(kit.landing.folder).pending
    assert (again.kind, again.key, again.asked_at) == ("account", "key", LATER)
    for number in (5, 6):
        invoice = {"id": f"in_1234{number}", "object": "invoice", "metadata": {"account_id": "acme-77"}}
        kit.arrive(arrival(envelope(f"evt_{number}", data={"object": invoice})), channel=STRIPE)
        assert late(kit) == (0, 1)
        assert f"in_1234{number}" not in texts(kit.landing.folder)
    assert suppression.read(kit.landing.folder).pending == (again,)


def test_mail_to_their_address_is_theirs(kit: Kit) -> None:
    body = {"email": "Alice@acme.example", "event": "open", "sg_event_id": "e1", "timestamp": 1767571200}
    kit.arrive(
        arrival(body, {**body, "email": "bob@x.example", "sg_event_id": "e2"}),
        channel=Channel("events", "sendgrid", "webhook sendgrid"),
    )
    kit.landing.seal(NOW)
    put_on_list(kit.landing)
    assert screened(kit).erased == 1
    assert (loaded := kit.load()).forgotten == 1
    assert loaded.loaded == 1


def test_names_of_files_are_masked_in_the_manifest_and_beside(kit: Kit) -> None:
    path = kit.folder / "export-of alice@acme.example.ndjson.gz"
    path.write_bytes(gzip.compress(json.dumps(event(user_id="bob", id="b1")).encode()))
    kit.landing.land(open_file(path, kind="events"), landed_at=NOW)
    put_on_list(kit.landing)
    screened(kit)
    assert "alice" not in texts(kit.landing.folder)
    assert (
        kit.landing.manifest().imports[0].file.endswith("*" * 28 + "") or "*" in kit.landing.manifest().imports[0].file
    )
    assert kit.load().loaded == 1


def test_what_cannot_be_masked_is_erased_and_counted_so() -> None:
    mentions = Mentions(ALICE)
    for content in (
        Content("user=bob&for=alice-1", None, "of alice-1", None),
        Content(None, "{}", None, "YWxpY2UtMQ=="),
    ):
        left = masked(content, mentions)
        assert left is not None
        assert left.is_erased
        assert "alice" not in repr(left)
    left = masked(Content('{"user_id":"bob","for":"alice-1"}', None, None, None), mentions)
    # "alice-1" takes 11 bytes in a line, where its quotes are escaped
    assert left == Content('{"user_id":"bob","for":null' + 7 * " " + "}", None, None, None)
    assert not left.is_erased
    assert not Content("   ", None, None, None).is_erased, "somebody may send blanks"


def test_broken_lines_that_name_them_are_blanked(kit: Kit) -> None:
    kit.land(event(user_id="alice-1", id="a1"), event(user_id="bob", id="b1"), event(user_id="bob", id="b2"))
    path = kit.landing.folder / "000001.ndjson"
    path.write_bytes(path.read_bytes().replace(b"Report Created", b"Report Creaxed", 2))
    put_on_list(kit.landing)
    screened(kit)
    assert "alice" not in texts(kit.landing.folder)
    assert (loaded := kit.load()).quarantined == 2
    assert loaded.loaded == 1


def test_a_damaged_list_stops_everything(kit: Kit) -> None:
    put_on_list(kit.landing)
    (kit.landing.folder / suppression.NAME).write_text("{")
    with pytest.raises(StoreError, match="the list of who was forgotten"):
        screened(kit)


def prepared(folder: Path) -> None:
    kit = Kit(folder, translators=TRANSLATORS)
    several(kit)
    kit.load()
    compact(kit.landing, landed_before=LATER, now=LATER)
    kit.land(event(user_id="alice-1", id="z1"), event(user_id="bob-22", id="z2"))
    put_on_list(kit.landing)


def act(folder: Path) -> None:
    screen.screen(Landing(folder / "landing"), LoadSettings(), TRANSLATORS, now=LATER)


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_step_the_next_one_finishes(tmp_path: Path, every: int) -> None:
    for place in crash_at_every_step(tmp_path, prepared, act, every=every):
        kit = Kit(place, translators=TRANSLATORS)
        screened(kit)
        assert "alice" not in texts(kit.landing.folder)
        loaded = kit.load()
        assert (loaded.received, loaded.loaded, loaded.forgotten) == (10, 3, 7)
