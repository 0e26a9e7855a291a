"""[trials], [conversion], [usage]: what a trial is, when it counts as converted, how its usage is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trialwise.section import Days, Name, Section


class TrialsSection(Section):
    """[trials]: what a trial is (METRICS: trials)."""

    length_days: Days | None = None
    horizon_days: Days = 30
    one_trial_hours: Annotated[int, Field(ge=0)] = 24
    reentry_days: Annotated[int, Field(ge=0)] = 3
    card_at_start_minutes: Annotated[int, Field(ge=0)] = 10
    cancelled_before_payment_hours: Annotated[int, Field(ge=0)] = 72
    freemium_days: Days = 90
    freemium_plans: tuple[Name, ...] = ()


class ConversionSection(Section):
    """[conversion]: the one parameter that ties the windows together, and its neighbours."""

    grace_days: Annotated[int, Field(ge=0, le=365)] = 30
    collection_lag_hours: Annotated[int, Field(ge=0, le=24 * 60)] = 72
    refund_days: Annotated[int, Field(ge=0)] = 30


class UsageSection(Section):
    """[usage]: windows and caps of usage intensity."""

    streak_days: Days = 14
    events_per_day_cap: Annotated[int, Field(ge=1)] = 100
    benchmark_events_per_day: Annotated[int, Field(ge=1)] = 10
    band_light: Annotated[int, Field(ge=1, le=99)] = 33
    band_moderate: Annotated[int, Field(ge=2, le=100)] = 66
