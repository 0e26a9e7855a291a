"""Whatever arrives and is redefined in whatever order: an incremental refresh gives the rows of a whole build.

After every refresh each table of the store and of the published generation is compared, both ways and in all columns,
with that of a workspace built whole from the same landing, configuration and clock in an empty folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.property.calls import LATER_NAMES, LIFE, MAILS, NAMES, TRAITS, account, user
from tests.property.company import DEFECTS, EDITS, OWN_MODELS, Company

Op = tuple[str, dict[str, Any]]
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much]
EXAMPLES = int(os.environ.get("TEST_EXAMPLES", "300"))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A company whose Stripe story has been told up to now, refreshed once."""
    made = Company(tmp_path_factory.mktemp("begun"))
    made.catch_up()
    made.use(0, 0, "Query Run", day=-2, times=3)
    made.use(1, 1, "Report Created", day=-4, times=2)
    made.advance()
    return made


@pytest.fixture
def company(begun: Company, tmp_path: Path) -> Company:
    """That company, to go on with."""
    return begun.copied(tmp_path)


def op(method: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Op]:
    """A call of a method of Company."""
    return st.tuples(st.just(method), st.fixed_dictionaries(arguments))


DAYS = st.one_of(st.integers(-3, 1), st.integers(-45, 3), st.sampled_from((-900, -400, -120)))
LATE = st.one_of(st.none(), st.just(0), st.integers(1, 40), st.sampled_from((120, 800)))
WHO, WHERE = st.integers(0, 7), st.integers(0, 9)
NEWS = st.one_of(
    op(
        "use",
        who=st.one_of(WHO, st.none()),
        where=st.one_of(WHERE, st.none()),
        name=st.sampled_from((*NAMES, *NAMES, *LATER_NAMES)),
        day=DAYS,
        times=st.integers(1, 4),
        late=LATE,
    ),
    op("use", who=WHO, where=WHERE, name=st.sampled_from(NAMES[:2]), day=DAYS, late=LATE),
    op("life", who=WHO, where=WHERE, step=st.integers(0, len(LIFE) - 1), day=DAYS, late=LATE),
    op("mail", who=WHO, event=st.integers(0, len(MAILS) - 1), day=DAYS, by_address=st.booleans()),
    op(
        "identify",
        who=WHO,
        traits=st.integers(0, len(TRAITS) - 1),
        where=st.one_of(st.none(), WHERE),
        day=DAYS,
        anonymous=st.one_of(st.none(), WHO),
    ),
    op("group", who=WHO, where=WHERE, traits=st.integers(0, len(TRAITS) - 1), day=DAYS),
    op("alias", previous=WHO, who=WHO, day=DAYS),
    op("merge", previous=WHERE, where=WHERE, day=DAYS, late=LATE),
    op(
        "again",
        pick=st.integers(0, 30),
        how=st.sampled_from(("same", "earlier", "later", "another instant", "another body")),
    ),
    op("story", count=st.integers(1, 12), first=st.one_of(st.just(0), st.integers(0, 40))),
    op("catch_up"),
    op("objects", first=st.integers(0, 60), count=st.integers(1, 8)),
    op(
        "customer",
        pick=st.integers(0, 6),
        change=st.sampled_from(("account", "address", "checkout", "deleted")),
        where=WHERE,
        day=DAYS,
    ),
    op("defect", which=st.integers(0, len(DEFECTS) - 1)),
)
"""What arrives; instants are days from the clock, many of them past, a few to come."""

DISTURBANCES = ("full", "load", "fail", "lose", "unpublish", "drop", "look", "plan", "mend", "forget")


class Growth(RuleBasedStateMachine):
    """A company's workspace under everything that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="trialwise-test-"))
        self.company: Company | None = None
        self.is_stale = False

    @initialize(seed=st.integers(0, 500), is_calibrated=st.sampled_from((True, True, True, False)))
    def begin(self, seed: int, is_calibrated: bool) -> None:
        assume(seed)  # the example of nothing but simplest choices comes first: many refreshes, and no news
        self.company = Company(self.folder, seed, is_calibrated=is_calibrated)
        self.company.catch_up()
        self.company.advance()

    def arrive(self, news: list[Op]) -> None:
        """Some records land."""
        for method, arguments in news:
            self._do(method, **arguments)

    @rule(days=st.sampled_from((0, 0.01, 0.3, 1, 2)), news=st.lists(NEWS, max_size=4))
    def go_on(self, days: float, news: list[Op]) -> None:
        """The daily round: some records, some time, a refresh."""
        self.arrive(news)
        self._do("move", days=days)
        self._refresh()

    @rule(
        days=st.sampled_from((0, 0.604166666, 7, 31, 60, -1, -0.01, -20)),
        known=st.sampled_from((None, None, 0, 0.5, 3, 40)),
    )
    def jump(self, days: float, known: float | None) -> None:
        """The clock jumps, also to midnight and backwards, or knows less than it could."""
        self._do("move", days=days, known=known)
        self._refresh()

    @rule(edit=st.sampled_from(sorted(EDITS)), days=st.sampled_from((0, 0, 1)))
    def redefine(self, edit: str, days: int) -> None:
        self._do("define", edit=edit)
        self._do("move", days=days)
        self._refresh()

    @rule(name=st.sampled_from(sorted(OWN_MODELS)))
    def own_model(self, name: str) -> None:
        self._do("model", name=name)
        self._refresh()

    @rule(
        which=st.sampled_from(DISTURBANCES),
        number=st.integers(0, 40),
    )
    def disturb(self, which: str, number: int) -> None:
        """What happens between two incremental refreshes."""
        if which == "full":
            self._refresh(full=True)
        elif which in ("drop", "look"):
            self._do(which, days=number)
        elif which == "forget":
            self._do(which, kind=("account", "user")[number // 10 % 2], number=number % 10)
        elif which == "mend":
            self._do(which, pick=number, day=-number // 4)
        else:
            self._do(which)

    def teardown(self) -> None:
        try:
            if self.is_stale and self.company is not None:
                self._refresh()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _do(self, method: str, **arguments: Any) -> None:
        assert self.company is not None
        self.is_stale = True
        getattr(self.company, method)(**arguments)

    def _refresh(self, full: bool = False) -> None:
        assert self.company is not None
        self.is_stale = False
        self.company.refresh(full=full)


def brought_up_to_date(company: Company) -> None:
    """Refresh and compare; some models were restricted to what changed, or the comparison would say nothing."""
    taken = company.refresh()
    assert taken["restricted"] >= 3, taken


def test_a_merge_a_late_event_and_the_merge_undone(company: Company) -> None:
    company.merge(1, 0, day=-3)
    company.alias(1, 0, day=-3)
    assert company.advance()["restricted"] >= 3
    company.use(1, 1, "Query Run", day=-9, times=2, late=9)
    company.use(2, 1, "Report Created", day=-300)
    company.move(0.5)
    brought_up_to_date(company)
    company.merge(0, 1, day=-40)  # a cycle: both are themselves again, and so are the two users
    company.alias(0, 1, day=-40)
    brought_up_to_date(company)


def test_new_names_users_accounts_and_days_over_the_horizon(company: Company) -> None:
    company.define("horizon")
    company.life(9, 9, 0, day=-16)
    company.use(9, 9, "Demo Requested", day=-15)
    company.use(9, 9, "Query Run", day=3)
    company.advance()
    company.move(1.604166666)  # to a midnight inside the trial's horizon of five days
    brought_up_to_date(company)
    company.move(3)  # beyond it, and past an event that was to come
    brought_up_to_date(company)


def test_a_definition_and_back(company: Company) -> None:
    edits = ("features", "segments")
    for edit in edits:
        company.define(edit)
    company.use(1, 1, "Alert Sent", day=-2)
    assert company.advance()["unchanged"] > 0
    for edit in edits:
        company.define(edit)
    company.use(2, 2, "Query Run", day=-5)
    company.move(1)
    assert company.refresh()["unchanged"] > 0


def test_an_account_is_forgotten_and_heard_of_again(company: Company) -> None:
    assert {account(1), user(1), account(2)} <= company.ids()
    company.forget("account", 1)
    assert account(2) in company.ids()
    company.use(1, 1, "Query Run", day=-1, times=2)
    company.use(2, 2, "Query Run", day=-1, times=2)
    brought_up_to_date(company)
    assert not {account(1), user(1)} & company.ids()


def test_a_user_is_forgotten_and_heard_of_again(company: Company) -> None:
    company.use(2, 1, "Query Run", day=-2)
    company.advance()
    company.forget("user", 1)
    assert {account(1), user(2)} <= company.ids()
    company.use(1, 1, "Query Run", day=-1, times=2)
    company.use(2, 1, "Query Run", day=-1, times=2)
    brought_up_to_date(company)
    assert user(1) not in company.ids()


def test_own_models_come_and_go(company: Company) -> None:
    for _ in range(2):
        company.model("own marts")
        company.refresh()


def test_a_clock_that_moved_while_nothing_was_published_is_published_with_what_comes(company: Company) -> None:
    company.refresh()
    company.move(0.01)
    company.refresh()
    company.use(2, 2, "Query Run", day=-1)
    company.refresh()


def test_a_copy_known_earlier_replaces_its_row_and_a_body_of_another_is_refused(company: Company) -> None:
    company.use(1, 1, "Data Source Connected", day=-6, late=4)
    first = len(company.sent) - 1
    company.advance()
    company.again(first, "earlier")
    company.life(5, 5, 0, day=-1)  # the properties of another event are new, those of the copy are not
    brought_up_to_date(company)
    company.again(first, "later")
    company.again(first, "another body")
    assert company.advance().keys() == {"unchanged"}


def test_converting_while_a_load_waits_and_after_a_refresh_that_failed(company: Company) -> None:
    company.move(4)
    company.story(6)
    company.load()
    company.story(6)
    company.fail()
    company.use(3, 3, "Query Run", day=-1)
    company.look(10)
    brought_up_to_date(company)
    company.move(20)
    company.catch_up()
    company.unpublish()
    company.advance()
    company.lose()
    company.refresh()


def test_a_version_of_the_calibration_that_is_due(tmp_path: Path) -> None:
    company = Company(tmp_path, is_calibrated=False)
    company.catch_up()
    company.advance()
    known = company.versions()
    company.move(35)
    assert company.refresh()["unchanged"] > 0, "what does not rest on the calibration is left alone"
    made = company.versions()
    assert made[-1:] == ["2026-03-01"] != known[-1:]
    company.use(2, 2, "Query Run", day=-2)
    company.refresh()
    assert company.versions() == made, "a version is made once"


def test_a_short_life() -> None:
    run_state_machine_as_test(
        Growth,
        settings=settings(
            max_examples=2, stateful_step_count=4, deadline=None, derandomize=True, suppress_health_check=QUIET
        ),
    )


@pytest.mark.long
def test_hundreds_of_lives() -> None:
    run_state_machine_as_test(
        Growth,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=QUIET,
            phases=[phase for phase in Phase if phase is not Phase.explain],
        ),
    )
