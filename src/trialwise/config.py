"""trialwise.toml: what a company tells trialwise about itself. Every key has a default that works."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from trialwise.clock import zone
from trialwise.connections import SourcesSection
from trialwise.errors import ConfigError, nearest
from trialwise.section import Name, Section, Slug

Days = Annotated[int, Field(ge=1, le=400)]
ENV_PREFIX = "TRIALWISE_"
WEBHOOK_PREFIX = f"{ENV_PREFIX}WEBHOOK_"
HTTP_PREFIX = f"{ENV_PREFIX}HTTP_"
MAX_BITS = 62  # feature and segment masks are BIGINTs


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


class RolesSection(Section):
    """[events.roles]: which of your events say something about a trial (Segment's B2B names by default)."""

    trial_started: tuple[Name, ...] = ("Trial Started",)
    trial_ended: tuple[Name, ...] = ("Trial Ended",)
    subscription_started: tuple[Name, ...] = ("Subscription Started",)
    subscription_ended: tuple[Name, ...] = ("Subscription Ended", "Subscription Cancelled")
    account_merged: tuple[Name, ...] = ("Account Merged",)
    sales_action: tuple[Name, ...] = ("Lead Accepted", "Lead Rejected", "Lead Contacted", "Lead Status Changed")
    email_sent: tuple[Name, ...] = ("Email Sent",)
    email_delivered: tuple[Name, ...] = ("Email Delivered",)
    email_opened: tuple[Name, ...] = ("Email Opened",)
    email_clicked: tuple[Name, ...] = ("Email Link Clicked", "Email Clicked")
    email_replied: tuple[Name, ...] = ("Email Replied",)
    email_unsubscribed: tuple[Name, ...] = ("Unsubscribed", "Email Unsubscribed")
    email_bounced: tuple[Name, ...] = ("Email Bounced",)
    email_complained: tuple[Name, ...] = ("Email Marked as Spam",)


class EventsSection(Section):
    """[events]: your product events. value = "*" counts every event that has no other role."""

    value: tuple[Name, ...] | Literal["*"] = "*"
    keep_properties: tuple[Name, ...] = ()
    aliases: Mapping[Name, Name] = Field(default_factory=dict)
    roles: RolesSection = RolesSection()


class AttributeSection(Section):
    """[attributes.NAME]: a trait of accounts or users that segments may use as attr_NAME."""

    trait: Name
    subject: Literal["account", "user"] = "account"
    type: Literal["text", "number", "boolean"] = "text"


class IdentitySection(Section):
    """[identity]: how a Stripe customer becomes an account."""

    account_metadata_key: Name = "account_id"
    customer_map: str | None = None


class ExcludeSection(Section):
    """[exclude]: who is no trial of yours, each with its reason."""

    internal_domains: tuple[Name, ...] = ()
    competitor_domains: tuple[Name, ...] = ()
    free_mail_domains: tuple[Name, ...] = ()
    users: tuple[Name, ...] = ()
    titles: tuple[Name, ...] = ()


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


class ScheduleSection(Section):
    """[schedule]: what `trialwise serve` does by itself, and how often."""

    load_seconds: Annotated[int, Field(ge=1)] = 30
    refresh_minutes: Annotated[int, Field(ge=1)] = 15


class SegmentSection(Section):
    """[[segments]]: a condition over the catalogue (docs/models.md, intermediate.trial_days)."""

    key: Slug
    enter: Name
    exit: Name | None = None
    title: str | None = None
    owner: str | None = None
    description: str = ""
    version: str = "1"


class RuleSection(Section):
    """[[score.rules]]: points for a milestone (decaying over lifespan_days) or while a condition holds."""

    key: Slug
    points: Annotated[int, Field(ge=-1000, le=1000)]
    group: Slug = "usage"
    axis: Literal["fit", "engagement"] = "engagement"
    milestone: Slug | None = None
    when: Name | None = None
    lifespan_days: Days | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _one_trigger(self) -> RuleSection:
        if (self.milestone is None) == (self.when is None):
            raise ValueError("give either milestone = ... or when = ..., not both and not neither")
        return self


class ScoreSection(Section):
    """[score]: rules replace the built-in ones when any are given; caps per group in points."""

    rules: tuple[RuleSection, ...] = ()
    caps: Mapping[Slug, Annotated[int, Field(ge=1, le=10_000)]] = Field(default_factory=dict)


class Config(Section):
    """The whole file."""

    workspace: WorkspaceSection = WorkspaceSection()
    clock: ClockSection = ClockSection()
    trials: TrialsSection = TrialsSection()
    conversion: ConversionSection = ConversionSection()
    usage: UsageSection = UsageSection()
    events: EventsSection = EventsSection()
    features: Mapping[Slug, tuple[Name, ...]] = Field(default_factory=dict)
    milestones: Mapping[Slug, tuple[Name, ...]] = Field(default_factory=dict)
    attributes: Mapping[Slug, AttributeSection] = Field(default_factory=dict)
    identity: IdentitySection = IdentitySection()
    exclude: ExcludeSection = ExcludeSection()
    stripe: StripeSection = StripeSection()
    server: ServerSection = ServerSection()
    landing: LandingSection = LandingSection()
    schedule: ScheduleSection = ScheduleSection()
    sources: SourcesSection = SourcesSection()
    segments: tuple[SegmentSection, ...] = ()
    score: ScoreSection = ScoreSection()

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if len(self.features) > MAX_BITS:
            raise ValueError(f"[features] has {len(self.features)} features; at most {MAX_BITS} fit into the mask")
        keys = [segment.key for segment in self.segments]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        if doubled:
            raise ValueError(f"[[segments]] defines '{doubled[0]}' twice")
        rule_keys = [rule.key for rule in self.score.rules]
        doubled = sorted({key for key in rule_keys if rule_keys.count(key) > 1})
        if doubled:
            raise ValueError(f"[[score.rules]] defines '{doubled[0]}' twice")
        return self


def _webhook_secrets() -> dict[str, tuple[str, ...]]:
    """Provider -> secrets, from TRIALWISE_WEBHOOK_<PROVIDER>; several, while one is replaced, stand between commas."""
    found = {}
    for variable, value in os.environ.items():
        if variable.startswith(WEBHOOK_PREFIX):
            secrets = tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
            if secrets:
                found[variable.removeprefix(WEBHOOK_PREFIX).lower()] = secrets
    return found


def _http_secrets() -> dict[str, str]:
    """Name of a [sources.http] section -> its secret, from TRIALWISE_HTTP_<NAME>."""
    return {
        variable.removeprefix(HTTP_PREFIX).lower(): value.strip()
        for variable, value in os.environ.items()
        if variable.startswith(HTTP_PREFIX) and value.strip()
    }


class Secrets(BaseSettings):
    """What comes from the environment alone; never written to a log, a database or an export."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    stripe_key: str | None = None
    home: str | None = None
    webhooks: Mapping[str, tuple[str, ...]] = Field(default_factory=_webhook_secrets, repr=False)
    http: Mapping[str, str] = Field(default_factory=_http_secrets, repr=False)


# The names e-mail events get when a provider's webhook brings them; they have their role whatever the file says.
EMAIL_ROLES: Mapping[str, str] = {
    "Email Sent": "email_sent",
    "Email Delivered": "email_delivered",
    "Email Opened": "email_opened",
    "Email Link Clicked": "email_clicked",
    "Email Replied": "email_replied",
    "Unsubscribed": "email_unsubscribed",
    "Email Bounced": "email_bounced",
    "Email Marked as Spam": "email_complained",
}

# Begins the names of what providers report by webhook besides e-mail; such a report is no use of the product.
REPORT_PREFIX = "Webhook: "

# Milestones that are there without configuration: Stripe and e-mail facts, and Segment's B2B events.
STANDARD_MILESTONES: Mapping[str, tuple[str, ...]] = {
    "data_source_connected": ("Data Source Connected",),
    "card_added": ("Card Added",),
    "teammate_invited": ("Invite Sent", "Teammate Invited"),
    "drip_responded": (),
    "demo_requested": ("Demo Requested",),
    "pricing_viewed": ("Pricing Viewed", "Viewed Pricing Page"),
    "content_downloaded": ("Content Downloaded",),
    "form_submitted": ("Form Submitted",),
    "webinar_registered": ("Webinar Registered",),
    "webinar_attended": ("Webinar Attended",),
    "contact_requested": ("Contact Requested",),
}


def milestones(config: Config) -> dict[str, tuple[str, ...]]:
    """The standard milestones with the user's own put over them: key -> event names, in a stable order."""
    return {**STANDARD_MILESTONES, **config.milestones}


def declared_events(config: Config) -> frozenset[str]:
    """Event names whose properties are kept: e-mail, roles, milestones, those asked for, with their aliases."""
    names = {*config.events.keep_properties, *EMAIL_ROLES}
    for section in (config.events.roles.model_dump().values(), milestones(config).values()):
        for group in section:
            names.update(group)
    names.update(old for old, new in config.events.aliases.items() if new in names)
    return frozenset(names)


def read_config(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read and check a trialwise.toml.

    Raises ConfigError naming the key, what was found, what was expected and the nearest valid name.
    """
    environment = os.environ if environment is None else environment
    check_environment(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"no {path.name} in {path.parent}", "Run 'trialwise init' there to write one.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path.name} is no valid TOML: {error}") from error
    config = parse_config(data, path.name)
    check_http_secrets(environment, config)
    return config


def parse_config(data: Mapping[str, Any], name: str = "trialwise.toml") -> Config:
    """Check the tables of a parsed file; raises ConfigError as read_config does."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = "\n".join(_explain(name, item) for item in error.errors())
        raise ConfigError(lines, f"Mend {name}; 'trialwise init DIR' writes one with every key explained.") from error


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse TRIALWISE_ variables nobody reads: pydantic-settings would ignore a misspelt one silently."""
    known = {f"{ENV_PREFIX}{field.upper()}" for field in Secrets.model_fields if field not in ("webhooks", "http")}
    for variable in environment:
        if variable.startswith((WEBHOOK_PREFIX, HTTP_PREFIX)) and variable not in (WEBHOOK_PREFIX, HTTP_PREFIX):
            continue  # providers are known where they are served, APIs from the file: see check_http_secrets
        if variable.startswith(ENV_PREFIX) and variable not in known:
            close = nearest(variable.removeprefix(ENV_PREFIX), [name.removeprefix(ENV_PREFIX) for name in known])
            raise ConfigError(
                f"unknown environment variable {variable}{close.replace(chr(39), chr(39) + ENV_PREFIX, 1)}",
                f"Known ones: {', '.join(sorted(known))}, {WEBHOOK_PREFIX}<PROVIDER> and {HTTP_PREFIX}<NAME>.",
            )


def check_http_secrets(environment: Mapping[str, str], config: Config) -> None:
    """Refuse a TRIALWISE_HTTP_ variable whose [sources.http] section is not in the file: it would go unread."""
    known = [f"{HTTP_PREFIX}{name.upper()}" for name in config.sources.http]
    for variable in environment:
        if variable.startswith(HTTP_PREFIX) and variable not in known:
            name = variable.removeprefix(HTTP_PREFIX).lower()
            raise ConfigError(
                f"{variable} is set, but there is no [sources.http.{name}]{nearest(variable, known)}",
                "Add the section to trialwise.toml, or unset the variable.",
            )


_EXPECTED = {
    "string_pattern_mismatch": "expected lower-case letters, digits and underscores, beginning with a letter",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "string_type": "expected text",
    "string_too_short": "expected text that is not empty",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "missing": "has to be given",
}


def _explain(name: str, item: Any) -> str:
    place = [part for part in item["loc"] if not _is_union_branch(part)]
    where = ".".join(str(part) for part in place) or "the file"
    if item["type"] == "extra_forbidden":
        siblings = _keys_at(place[:-1])
        return f"{name}: unknown key '{where}'{nearest(str(place[-1]), siblings)}"
    is_told = item["type"] not in ("missing", "holds_secret") and not isinstance(item["input"], dict)
    found = f" (found {item['input']!r})" if is_told and place else ""
    said = _EXPECTED.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"{name}: {where}: {said}{found}"


def _is_union_branch(part: int | str) -> bool:
    return isinstance(part, str) and ("[" in part or part in {"bool", "literal['any']", "literal['*']"})


def _keys_at(place: Iterable[int | str]) -> list[str]:
    """The valid keys of the table at `place`, following lists and named tables into their sections."""
    section: Any = Config
    for part in place:
        if isinstance(part, int):
            continue
        field = section.model_fields.get(part) if isinstance(section, type) and issubclass(section, Section) else None
        if field is None:
            continue
        section = _section_in(field.annotation) or section
    return list(section.model_fields)


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _section_in(part)
        if found is not None:
            return found
    return None
