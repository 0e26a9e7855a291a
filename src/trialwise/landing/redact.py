"""What is left of a record of somebody who was forgotten, in the room it took: nothing, or all but their names.

Every text keeps the number of bytes it has in a line of a segment, so that places in files stay what they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from trialwise.landing.suppression import Names, is_word

LEAST = 6
"""Ids with fewer characters are no names outside of the fields of ids: '42' stands in too many texts."""
PERSONAL = frozenset({
    "name", "first_name", "last_name", "firstname", "lastname", "full_name", "fullname", "phone", "address", "shipping",
    "customer_name", "customer_phone", "customer_address", "customer_shipping", "cardholder_name", "title", "avatar",
})  # fmt: skip
"""Fields beside an address that are about the same person; in lower case."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_WORD = re.compile(r"[^\s\"\\,;:<>()\[\]{}|/?&=!*#%'`]+")
_PIECE = re.compile(r"[^\s\"\\]+")
_AROUND = ".,;:!?()<>[]{}'"
"""What may stand around an id in a text and is no part of it; one of several words, as auth0|17, holds other signs."""
_BEFORE = r"(?<![^\s\"\\(<\[{'=&])"
_AFTER = r"(?=[.,;:!?)\]}>']*(?:[\s\"\\&#]|$))"
"""Where such an id begins and ends: team/12 is not team/123, nor a part of eu:team/12."""
_NULL = "null"
_ERASED = "\x7f"
"""What is put in a record's place: DELETE, one byte in a line of JSON too. A blank may well be what somebody sent."""
_NOTHING = "f39/"  # three of them


@dataclass(frozen=True)
class Content:
    """What a frame holds of a record: its text or its bytes (base64), what stands around it, why it was refused."""

    raw: str | None
    env: str | None
    detail: str | None
    b64: str | None

    @property
    def is_erased(self) -> bool:
        """Whether nothing of it is left."""
        return self == erased(self)


class Mentions:
    """Names as they are looked for in texts that are about somebody else."""

    def __init__(self, names: Names) -> None:
        self._addresses = names.addresses
        self._words = frozenset(word for word in names.words if len(word) >= LEAST)
        odd = [re.escape(word) for word in self._words if not is_word(word) and _is_telling(word)]
        self._odd = re.compile(f"{_BEFORE}(?:{'|'.join(sorted(odd, key=len, reverse=True))}){_AFTER}") if odd else None

    def has_address(self, text: str) -> bool:
        """Whether a whole text is an address that was forgotten."""
        return text.strip().lower() in self._addresses

    def has(self, text: str) -> bool:
        """Whether a whole text is a name."""
        return text in self._words or self.has_address(text) or text.lower() in self._addresses

    def has_word(self, word: str) -> bool:
        """Whether a word of a longer text is one: an address, or an id that no other word looks like."""
        told = word.strip(".")
        return told.lower() in self._addresses or (told in self._words and _is_telling(told))

    def has_within(self, text: str) -> bool:
        """Whether a name stands in a text: as a word of it, or one that is itself made of several."""
        return any(map(self.has_word, words(text))) or (self._odd is not None and self._odd.search(text) is not None)

    def without(self, text: str) -> str:
        """The text with asterisks for the names in it."""
        if self._odd is not None:
            text = self._odd.sub(lambda found: "*" * len(found.group().encode()), text)
        return _WORD.sub(lambda found: _stars(found.group(), self.has_word), text)


def erased(content: Content) -> Content:
    """Nothing of it. The loader tells such a record by what it is made of, and counts it as forgotten."""
    return Content(
        None if content.raw is None else _ERASED * _width(content.raw),
        _blank(content.env),
        _blank(content.detail),
        None if content.b64 is None else _NOTHING * (len(content.b64) // 4),
    )


def masked(content: Content, mentions: Mentions) -> Content | None:
    """All of it but the names it mentions; None where it mentions none that can be told from other words.

    A text that is a name becomes null, a name in a longer text asterisks. What is no JSON is erased: it is only asked
    for where a name stands in it.
    """
    if content.b64 is not None or content.raw is None:
        return erased(content)
    try:
        raw = _masked(content.raw, mentions)
        env = None if content.env is None else _masked(content.env, mentions)
    except (ValueError, IndexError):
        return erased(content)
    if raw == content.raw and env == content.env:
        return None
    return Content(raw, env, content.detail, None)


def masked_words(text: str, is_name: Callable[[str], bool]) -> str:
    """A text that may hold names of files, with asterisks for words that are names, with an ending or without; as many
    bytes of UTF-8.
    """
    text = _PIECE.sub(lambda found: _starred_within(found.group(), is_name), text)
    return _WORD.sub(lambda found: _stars(found.group(), lambda word: any(map(is_name, _stems(word)))), text)


def _starred_within(piece: str, is_name: Callable[[str], bool]) -> str:
    """A piece between blanks, with asterisks for a name of several words that it is, but for what stands around it."""
    for name in _stems(piece.strip(_AROUND)):
        if not is_word(name) and is_name(name):
            return piece.replace(name, "*" * len(name.encode()))
    return piece


def _is_telling(name: str) -> bool:
    """Whether no other word of a text looks like this id."""
    return len(name) >= 2 * LEAST or any(one.isdigit() for one in name)


def words(text: str) -> set[str]:
    """The words of a text."""
    return {found.group().strip(".") for found in _WORD.finditer(text.replace("%40", "@"))}


def _stems(word: str) -> Iterator[str]:
    """A word as it is, and without its endings, one after the other."""
    while word := word.strip("."):
        yield word
        word = word.rpartition(".")[0]


def _stars(word: str, has_word: Callable[[str], bool]) -> str:
    return "*" * len(word.encode()) if has_word(word) else word


def _width(text: str) -> int:
    """Bytes of a text inside a line."""
    return len(orjson.dumps(text)) - 2


def _blank(text: str | None) -> str | None:
    return None if text is None else " " * _width(text)


def _masked(text: str, mentions: Mentions) -> str:
    json.loads(text)  # what follows takes it for sound
    walk = _Walk(text, mentions)
    walk.value(0)
    parts, end = [], 0
    for first, last, put in sorted(walk.changes):
        if first >= end:  # else inside of what is gone already
            parts += [text[end:first], put]
            end = last
    return "".join([*parts, text[end:]])


class _Walk:
    """One pass over a JSON text; `changes` are (start, end, what is put there)."""

    def __init__(self, text: str, mentions: Mentions) -> None:
        self._tokens = [(found.start(), found.end(), found.group()) for found in _TOKEN.finditer(text)]
        self._text = text
        self._mentions = mentions
        self.changes: list[tuple[int, int, str]] = []

    def value(self, place: int) -> int:
        """Go over the value whose first piece is at `place`; where the next one is."""
        start, end, piece = self._tokens[place]
        if piece == "{":
            return self._object(place + 1)
        if piece == "[":
            place += 1
            while self._tokens[place][2] != "]":
                place = self.value(place)
                place += self._tokens[place][2] == ","
            return place + 1
        if piece[0] == '"':
            self._string(start, end, piece)
        return place + 1

    def _object(self, place: int) -> int:
        personal: list[tuple[int, int]] = []
        is_theirs = False
        while self._tokens[place][2] != "}":
            start, end, key = self._tokens[place]
            name = json.loads(key)
            if self._mentions.has(name) or self._mentions.has_within(name):
                self._put(start + 1, end - 1, "*" * _width(key[1:-1]))
            first = place + 2
            place = self.value(first)
            span = (self._tokens[first][0], self._tokens[place - 1][1])
            value = self._tokens[first][2]
            if value[0] == '"' and self._mentions.has_address(json.loads(value)):
                is_theirs = True
            elif name.lower() in PERSONAL and value[0] in '"{[':
                personal.append(span)
            place += self._tokens[place][2] == ","
        if is_theirs:
            for start, end in personal:
                self._null(start, end)
        return place + 1

    def _string(self, start: int, end: int, piece: str) -> None:
        text = json.loads(piece)
        if self._mentions.has(text):
            self._null(start, end)
        elif self._mentions.has_within(text):
            if "\\" in piece or "%40" in piece:
                self._null(start, end)
            else:
                self._put(start + 1, end - 1, self._mentions.without(piece[1:-1]))

    def _null(self, start: int, end: int) -> None:
        width = _width(self._text[start:end])
        if width >= len(_NULL):
            self._put(start, end, _NULL.ljust(width))

    def _put(self, start: int, end: int, text: str) -> None:
        self.changes.append((start, end, text))
