"""The trialwise.toml that `trialwise init` writes, and its mapping proposed from a company's own events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import tomlkit

from trialwise.config import parse_config
from trialwise.config.events import RolesSection
from trialwise.config.milestones import STANDARD_MILESTONES
from trialwise.errors import ConfigError
from trialwise.workspace import CONFIG_NAME

MAX_VALUE_EVENTS = 20
_PASSIVE = re.compile(
    r"^(viewed |page |screen )|\b(page|screen|session|login|logged|sign(ed)? (in|out|up)|heartbeat)\b", re.I
)


@dataclass(frozen=True)
class SeenEvent:
    """One event name of the user's own data: how often, by how many accounts and users."""

    name: str
    events: int
    accounts: int
    users: int


@dataclass(frozen=True)
class Proposal:
    """What the data suggests: value events, roles and milestones, each as event names."""

    value: tuple[str, ...]
    roles: dict[str, tuple[str, ...]]
    milestones: dict[str, tuple[str, ...]]


def propose(seen: Sequence[SeenEvent]) -> Proposal:
    """Guess the mapping from names alone, loudest first; the user decides, so every guess is written out.

    A name is matched to a role or milestone when its words are those of a standard name in any spelling
    ("trial_started", "TrialStarted", "trial started"). What neither has a role nor sounds like looking around
    (pages, sessions, log-ins) is proposed as a value event.
    """
    roles = _matches(seen, {role: tuple(names) for role, names in RolesSection().model_dump().items()})
    milestones = _matches(seen, {key: (*names, key) for key, names in STANDARD_MILESTONES.items()})
    taken = {name for names in roles.values() for name in names}
    ordered = sorted(seen, key=lambda item: (-item.accounts, -item.events, item.name))
    value = [item.name for item in ordered if item.name not in taken and not _PASSIVE.search(_spaced(item.name))]
    return Proposal(tuple(value[:MAX_VALUE_EVENTS]), roles, milestones)


def config_text(name: str = "my company", proposal: Proposal | None = None) -> str:
    """The commented file; with a proposal its mapping filled in. The result always parses and validates."""
    template = (resources.files("trialwise") / "templates" / CONFIG_NAME).read_text(encoding="utf-8")
    document = tomlkit.parse(template)
    document["workspace"]["name"] = name
    if proposal is not None:
        events = document["events"]
        if proposal.value:
            events["value"] = _array(proposal.value)
        for role, names in proposal.roles.items():
            events["roles"][role] = _array(names)
        for milestone, names in proposal.milestones.items():
            document["milestones"][milestone] = _array(names)
    text = tomlkit.dumps(document)
    parse_config(tomlkit.parse(text).unwrap())
    return text


def write_config(folder: Path, text: str) -> Path:
    """Write trialwise.toml into `folder`, which is made; never over an existing one (ConfigError)."""
    path = folder / CONFIG_NAME
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already", "Edit it, or choose another folder: trialwise init DIR.") from error
    return path


def _matches(seen: Sequence[SeenEvent], standard: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    wanted = {_words(name): key for key, names in standard.items() for name in names}
    found: dict[str, list[str]] = {}
    for item in seen:
        key = wanted.get(_words(item.name))
        if key is not None:
            found.setdefault(key, []).append(item.name)
    return {key: tuple(sorted(names)) for key, names in sorted(found.items())}


def _spaced(name: str) -> str:
    return re.sub(r"[_\-.:/\s]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).strip()


def _words(name: str) -> str:
    return _spaced(name).lower()


def _array(names: Sequence[str]) -> tomlkit.items.Array:
    array = tomlkit.array()
    array.extend(names)
    return array.multiline(len(names) > 3)
