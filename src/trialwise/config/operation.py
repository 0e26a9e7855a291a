"""[workspace], [clock], [stripe], [server], [landing], [schedule], [delivery], [backup]: where things are, and when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from trialwise.clock import zone
from trialwise.errors import ConfigError
from trialwise.section import Name, Section, Slug
from trialwise.timetable import calendar


class WorkspaceSection(Section):
    """[workspace]: where things are and which calendar counts."""

    name: str = "my company"
    data: str = "data"
    timezone: str = "UTC"
    memory_limit: str | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        zone(value)
        return value


class ClockSection(Section):
    """[clock]: a fixed clock, for demos; printed in every answer."""

    as_of: str | None = None
    known_at: str | None = None


class StripeSection(Section):
    """[stripe]: which mode is imported; the key comes from TRIALWISE_STRIPE_KEY."""

    livemode: bool | Literal["any"] = "any"
    api_base: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+$")] = "https://api.stripe.com"
    poll_minutes: Annotated[int, Field(ge=1)] = 15
    reconcile_hour: Annotated[int, Field(ge=0, le=23)] = 3


class ServerSection(Section):
    """[server]: where `trialwise serve` listens and what it takes."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8484
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    allowed_hosts: tuple[Name, ...] = ()
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+[^/\s]$")] | None = None
    pending_mb: Annotated[int, Field(ge=1)] = 64


class LandingSection(Section):
    """[landing]: how long landed records stay as they came, and how long they stay at all."""

    compact_after_days: Annotated[int, Field(ge=0)] = 7
    keep_event_days: Annotated[int, Field(ge=30)] | None = None


def _time(text: str) -> str:
    """A time of the day or a crontab line; raises ValueError."""
    try:
        calendar(text, "UTC")
    except ConfigError as error:
        raise ValueError(f"{error.message}. {error.hint}") from error
    return text


At = Annotated[str, AfterValidator(_time)]


class ScheduleSection(Section):
    """[schedule]: what `trialwise serve` and `trialwise schedule` do by themselves, and when.

    Times of the calendar are those of [workspace] timezone: "03:07" daily, or a crontab line such as "7 3 * * 1-5".
    """

    load_seconds: Annotated[int, Field(ge=1)] = 30
    refresh_minutes: Annotated[int, Field(ge=1)] = 15
    compact_at: At | None = None


class DeliverySection(Section):
    """[delivery]: which lists are written as files, where, and when by itself.

    lists: all of them when left out. folder: relative to the workspace, `delivered` when left out. keep_days: files of
    how many days stay. at: as in [schedule], never when left out.
    """

    lists: Annotated[tuple[Slug, ...], Field(min_length=1)] | None = None
    folder: Name | None = None
    format: Literal["csv", "json", "parquet"] = "csv"
    keep_days: Annotated[int, Field(ge=1)] = 30
    at: At | None = None


class BackupSection(Section):
    """[backup]: where copies of the workspace go, how many stay, and when one is made by itself.

    folder: relative to the workspace, data/backups when left out. at: as in [schedule], never when left out.
    """

    folder: Name | None = None
    keep: Annotated[int, Field(ge=1)] = 7
    at: At | None = None
