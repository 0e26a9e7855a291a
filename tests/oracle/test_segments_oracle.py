"""Hysteresis and the rule score on rows worked by hand."""

from __future__ import annotations

from datetime import date

import pytest

from .segments_oracle import Rule, Stay, Verdict, decayed, is_member, score, stays, without_exit

MARCH_1 = date(2026, 3, 1)
FAR = date(2026, 5, 1)


def _verdicts(text: str) -> list[Verdict]:
    """One letter a day: e enters, x exits, b both, . neither, ? NULL."""
    meaning = {
        "e": Verdict(True, False),
        "x": Verdict(False, True),
        "b": Verdict(True, True),
        ".": Verdict(False, False),
        "?": Verdict(None, None),
    }
    return [meaning[letter] for letter in text]


@pytest.mark.parametrize(
    ("days", "members"),
    [
        ("....", "0000"),
        ("e...", "1111"),  # stays in without a new reason
        ("e.x.", "1100"),
        ("b", "0"),  # exit wins the tie
        ("eb.e", "1001"),
        ("?e?x?", "01100"),  # NULL is neither
        ("xe", "01"),
    ],
)
def test_membership(days: str, members: str) -> None:
    verdicts = _verdicts(days)
    assert "".join(str(int(is_member(verdicts, day))) for day in range(len(days))) == members


def test_no_exit_given_means_not_enter() -> None:
    verdicts = [without_exit(value) for value in (True, None, False, None, True)]
    assert [is_member(verdicts, day) for day in range(5)] == [True, True, False, False, True]


def test_stays_are_dates() -> None:
    found = stays(MARCH_1, _verdicts(".e.x.ee"), FAR, date(2026, 3, 7))
    assert found == [Stay(date(2026, 3, 2), date(2026, 3, 4)), Stay(date(2026, 3, 6))]


def test_aged_out_at_the_horizon() -> None:
    horizon = date(2026, 3, 4)
    verdicts = _verdicts(".e..")
    assert stays(MARCH_1, verdicts, horizon, date(2026, 3, 4)) == [Stay(date(2026, 3, 2))]
    assert stays(MARCH_1, verdicts, horizon, date(2026, 3, 9)) == [Stay(date(2026, 3, 2), date(2026, 3, 5), "aged_out")]


def test_decay_is_a_straight_line() -> None:
    rule = Rule("invited", "actions", "engagement", 20, 30)
    # 20 x 30/30, 20 x 15/30, 20 x 1/30 = 0.666..., 0, 0
    assert [decayed(rule, age) for age in (0, 15, 29, 30, 31, None)] == [2000, 1000, 67, 0, 0, 0]
    assert decayed(Rule("title", "profile", "fit", 15), 400) == 1500
    assert decayed(Rule("competitor", "profile", "fit", -20, 30), 29) == -67


def test_parts_add_up_under_caps() -> None:
    rules = [
        Rule("connected", "setup", "engagement", 30),
        Rule("invited", "setup", "engagement", 25, 10),
        Rule("title", "profile", "fit", 15),
        Rule("free_mail", "profile", "fit", -40),
    ]
    found = score(rules, {"setup": 40, "profile": 40}, {"connected": 0, "invited": 4, "title": 0, "free_mail": 0})
    # setup: 30 + 25 x 6/10 = 45, cut to 40; profile: 15 - 40 = -25, which no cap lifts
    assert found.rules == {"connected": 3000, "invited": 1500, "title": 1500, "free_mail": -4000}
    assert found.caps == {"setup": -500, "profile": 0}
    assert found.axes == {"engagement": 4000, "fit": -2500}
    assert found.total == sum(found.axes.values()) == 1500


def test_a_group_stands_on_one_axis() -> None:
    rules = [Rule("a", "g", "fit", 1), Rule("b", "g", "engagement", 1)]
    with pytest.raises(ValueError, match="mixes the axes"):
        score(rules, {}, {})
