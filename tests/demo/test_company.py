"""The demo company: repeatable, of the promised size, with every case, and known to nothing of trialwise."""

import ast
import hashlib
import tomllib
from pathlib import Path

import pytest

import trialwise.demo
from trialwise.demo import write_company
from trialwise.demo.tales import URNS

FILES = ("stripe.ndjson", "segment.ndjson", "trialwise.toml")
SPECIAL_CASES = {
    "add_on",
    "announced_twice",
    "burst",
    "customer_by_checkout",
    "customer_by_email",
    "customer_deleted",
    "discount",
    "duplicate",
    "freemium",
    "freemium_upgraded",
    "id_reuse",
    "internal_user",
    "late",
    "merged",
    "no_message_id",
    "no_user",
    "pause_collection",
    "placeholder_user",
    "product_only",
    "product_only_paid",
    "re_trial",
    "standing_competitor",
    "standing_free_mail",
    "standing_internal",
    "standing_student",
    "stripe_duplicate",
    "stripe_late",
    "stripe_thin_event",
    "stripe_truncated",
    "test_mode",
    "three_subscriptions",
    "truncated_line",
    "unresolved_customer",
    "user_in_two_accounts",
    "wrong_clock",
    "zero_length_trial",
}


def hashes(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        write_company(tmp_path / name, seed=seed, trials=200, events=6_000)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert hashes(tmp_path / "one")["stripe.ndjson"] != hashes(tmp_path / "other")["stripe.ndjson"]
    assert hashes(tmp_path / "one")["segment.ndjson"] != hashes(tmp_path / "other")["segment.ndjson"]


def test_wanted_number_of_calls_to_the_call(written):
    # The fraction a visit leaves over is carried on; only calls too near to the clock are missing.
    assert 59_900 <= written.company.segment_calls <= 60_000


def test_number_of_calls_leaves_billing_alone(tmp_path):
    for name, events in (("few", 6_000), ("many", 9_000)):
        write_company(tmp_path / name, seed=5, trials=200, events=events)
    assert hashes(tmp_path / "few")["stripe.ndjson"] == hashes(tmp_path / "many")["stripe.ndjson"]


def test_too_few_trials_for_every_case_is_refused(tmp_path):
    with pytest.raises(ValueError, match="199 trials cannot hold every case; at least 200"):
        write_company(tmp_path, trials=199)


def test_every_case_is_there(written):
    wanted = SPECIAL_CASES | {tale for tales in URNS.values() for tale in tales}
    assert wanted - set(written.company.cases) == set()
    assert min(written.company.cases.values()) > 0


def test_share_that_pays_is_plausible(written):
    assert 0.15 < written.company.paying_trials / written.company.accounts < 0.30
    assert 0.25 < written.company.card_required / written.company.accounts < 0.40


def test_generator_imports_nothing_of_trialwise():
    names = set()
    for path in Path(trialwise.demo.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names.add(node.module)
            elif isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
    assert {name for name in names if name.startswith("trialwise") and not name.startswith("trialwise.demo")} == set()


def test_toml_fits_the_events(written):
    toml = tomllib.loads((written.company.folder / "trialwise.toml").read_text(encoding="utf-8"))
    sent = {call["event"] for call in written.calls if call["type"] == "track" and "event" in call}
    named = set(toml["events"]["value"]) | {event for events in toml["features"].values() for event in events}
    assert named <= sent
    assert toml["events"]["aliases"] == {"Chart Built": "Report Built"}
    assert "Chart Built" in sent
    assert toml["clock"]["as_of"] == "2026-03-31T09:00:00Z"
