"""The Segment file: calls as its HTTP API delivers them, late and doubled ones among them."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from trialwise.demo.segment import iso

BAD_IDS = "0badf00d"


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def good(written):
    return [
        call
        for call in written.calls
        if "messageId" in call and BAD_IDS not in call["messageId"] and len(call["messageId"]) < 100
    ]


def test_iso_text_of_milliseconds():
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(951_782_400_000) == "2000-02-29T00:00:00.000Z"
    assert iso(1_774_947_600_123) == "2026-03-31T09:00:00.123Z"


def test_every_call_has_segments_fields(written):
    own = {
        "track": {"event", "properties"},
        "page": {"name", "properties"},
        "identify": {"traits"},
        "group": {"groupId", "traits"},
    }
    for call in good(written):
        common = {"type", "messageId", "context", "timestamp", "originalTimestamp", "sentAt", "receivedAt"}
        assert common | own.get(call["type"], {"previousId"}) <= call.keys()
        assert call.get("userId") or call.get("anonymousId")


def test_kinds_of_calls(written):
    kinds = Counter(call["type"] for call in good(written))
    assert kinds.keys() == {"track", "page", "identify", "group", "alias"}
    assert kinds["track"] > kinds["page"] > kinds["identify"]


def test_timestamp_is_segments_own(written):
    for call in good(written)[:5_000]:
        shift = instant(call["sentAt"]) - instant(call["originalTimestamp"])
        assert abs(instant(call["receivedAt"]) - shift - instant(call["timestamp"])) <= timedelta(milliseconds=1)


def test_arrival_order_and_clock(written):
    arrivals = [call["receivedAt"] for call in good(written)]
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] < "2026-03-31T09:00:00"


def test_one_percent_late_two_percent_twice(written):
    calls = good(written)
    late = sum(instant(call["receivedAt"]) - instant(call["timestamp"]) > timedelta(hours=6) for call in calls)
    assert 0.005 < late / len(calls) < 0.015
    ids = Counter(call["messageId"] for call in calls)
    assert 0.015 < sum(count - 1 for count in ids.values()) / len(ids) < 0.025


def test_copies_agree_but_for_transport(written):
    seen = {}
    compared = 0
    for call in good(written):
        body = {key: call[key] for key in call if key not in {"timestamp", "sentAt", "receivedAt"}}
        if call["messageId"] in seen:
            assert seen[call["messageId"]] == body
            compared += 1
        seen[call["messageId"]] = body
    assert compared > 500


def test_renamed_event(written):
    old = [call["timestamp"] for call in good(written) if call.get("event") == "Chart Built"]
    new = [call["timestamp"] for call in good(written) if call.get("event") == "Report Built"]
    assert max(old) < "2025-09-01T01"
    assert min(new) >= "2025-09-01"


def test_several_users_per_account_and_some_calls_without_account(written):
    users = defaultdict(set)
    without = 0
    for call in good(written):
        group = call["context"].get("groupId")
        if group:
            users[group].add(call.get("userId"))
        elif call["type"] == "page" and "userId" in call:
            without += 1
    assert sum(len(names) for names in users.values()) / len(users) > 1.5
    assert without > 100


def test_drip_mails_follow_the_email_spec(written):
    mails = [
        call
        for call in good(written)
        if call.get("event", "").startswith("Email") or call.get("event") == "Unsubscribed"
    ]
    kinds = Counter(call["event"] for call in mails)
    assert kinds["Email Delivered"] > kinds["Email Opened"] > kinds["Email Link Clicked"] > 0
    assert kinds["Email Bounced"] > 0
    assert kinds["Unsubscribed"] > 0
    for call in mails:
        assert {"campaign_id", "campaign_name", "email_id", "email_subject"} <= call["properties"].keys()
        assert "@" in call["context"]["traits"]["email"]


def test_burst_passes_the_cap_of_a_day(written):
    days = Counter(
        (call["userId"], call["timestamp"][:10])
        for call in good(written)
        if call["type"] == "track" and "userId" in call and call["event"] != "Signed In"
    )
    assert max(days.values()) > 100


def test_merge_names_both_accounts(written):
    merges = [call for call in good(written) if call.get("event") == "Account Merged"]
    assert merges
    for call in merges:
        assert call["properties"]["previous_account_id"] != call["context"]["groupId"]


def test_addresses_are_invented(written):
    for call in good(written):
        email = call.get("traits", {}).get("email")
        if email:
            assert email.endswith((".test", "@example.com"))
