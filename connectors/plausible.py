"""Ask where declared text reads like another encoding's bytes.

CP932 and Big5 bytes decode as GB18030 without an error, to garbage. Nothing is guessed here: the declared
encoding stays, but where the text is improbable in it and probable in another one, a person is asked.

Rules
- Counted are the characters beyond ASCII that are letters, in distinct cells. East Asian text is as probable
  as the share of them that its language uses most (`frequent`); text in an encoding of single bytes
  as the share of them that stand among ASCII letters, or in Cyrillic words.
- Asked is only where another encoding decodes every byte, and its text is much more probable.
- A zero in every other byte is asked about too: UTF-16 without its byte order mark.
- What is judged is the head of the text, until enough characters were seen. No character enters an error.
"""

from __future__ import annotations

import re

from connectors.frequent import JAPANESE, KOREAN, LETTERS, SIMPLIFIED, TRADITIONAL
from connectors.opening import unreadable

_CHINESE = (SIMPLIFIED, TRADITIONAL)
_WIDE = {
    "utf-8": (*_CHINESE, JAPANESE, KOREAN, LETTERS),  # and UTF-16
    # GB 2312 has kana, too.
    "gb18030": (*_CHINESE, JAPANESE, LETTERS),
    "cp950": (TRADITIONAL, LETTERS),
    "cp932": (JAPANESE, LETTERS),
    "euc_jp": (JAPANESE, LETTERS),
    "cp949": (KOREAN, LETTERS),
}
_UTF_16 = ("utf-16-le", "utf-16-be")
_NARROW = ("cp1252", "cp1251")
_SAME = {
    "big5": "cp950",
    "big5hkscs": "cp950",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-1": "cp1252",
    "iso8859-15": "cp1252",
    "cp1250": "cp1252",
}

_ENOUGH_BYTES = 20_000
_FEWEST = 6
_PROBABLE = 0.5
_PROBABLE_WORDS = 0.9
_MARGIN = 0.35
_ZEROS = 0.05
_CELLS = re.compile(r"[\s,;|\"'()/]+")
_LINES = re.compile(rb"[\r\n]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_RUNS = re.compile(r"[^\x00-\x7f]+")


def judged(encoding: str) -> bool:
    """Whether text in this declared encoding can be judged."""
    return _like(encoding) in {*_WIDE, *_UTF_16, *_NARROW}


class Plausibility:
    """Looks at the raw bytes of one text until it has seen enough of them.

    Args:
        name: of the file.
        encoding: Python's name of the declared encoding, one that can be `judged`.

    """

    def __init__(self, name: str, encoding: str) -> None:
        self._name = name
        self._encoding = encoding
        self._seen = bytearray()

    @property
    def satisfied(self) -> bool:
        """Whether it needs to see no more."""
        return len(self._seen) >= _ENOUGH_BYTES // 2

    def look(self, chunk: bytes) -> None:
        """Look at the next bytes, which begin where a line begins or the last ones ended.

        Raises:
            SandboxError: SOURCE_UNREADABLE: the text reads as another encoding's.

        """
        first = not self._seen
        if self._encoding not in _UTF_16:
            self._take_lines(chunk)
        elif first:
            # Its lines do not end where a byte says so; the second chunk may begin within a character.
            self._seen += chunk[:_ENOUGH_BYTES]
        better = (_with_zeros(chunk) if first else None) or likelier(self._seen, self._encoding)
        if better not in (None, self._encoding):
            raise unreadable(
                f"{self._name} is declared {self._encoding}, but its text is none that people write; "
                f"read as {better} it is.",
                f"Declare the encoding {better}. If {self._encoding} is right, say so by the option "
                "encoding_is_certain.",
            )

    def _take_lines(self, chunk: bytes) -> None:
        pieces = _LINES.split(chunk)
        # A chunk may begin and end within a character.
        torn = {pieces[-1]} if not self._seen else {pieces[0], pieces[-1]}
        lines = {line for line in pieces if not line.isascii()}
        room = _ENOUGH_BYTES - len(self._seen)
        for line in sorted(lines - torn or lines):
            if len(line) < room:
                self._seen += line + b"\n"
                room -= len(line) + 1


def advice(chunk: bytes) -> str | None:
    """The encoding as which undeclared text that is no UTF-8 reads well, if there is one."""
    looked = Plausibility("", "utf-8")
    looked._take_lines(chunk)
    return likelier(looked._seen, "utf-8")


def likelier(raw: bytes | bytearray, encoding: str) -> str | None:
    """An encoding in which `raw` is much more probable than in the given one, or None."""
    own = _probability(raw.decode(encoding, "replace"), encoding)
    if own is None or own > 1 - _MARGIN or (encoding == "utf-8" and _decoded(raw, encoding) is not None):
        return None
    for others, least in ((tuple(_WIDE), _PROBABLE), (_NARROW, _PROBABLE_WORDS)):
        found = []
        for other in others:
            text = None if other == _like(encoding) else _decoded(raw, other)
            score = None if text is None else _probability(text, other)
            if score is not None and other == "utf-8":
                score = (
                    1.0  # whatever its language: other bytes are UTF-8 by chance once in thousands of files
                )
            if score is not None and score >= max(least, own + _MARGIN):
                found.append((score, other))
        if found:
            return max(found)[1]
    return None


def _like(encoding: str) -> str:
    return _SAME.get(encoding, encoding)


def _with_zeros(chunk: bytes) -> str | None:
    head = chunk[: _ENOUGH_BYTES - _ENOUGH_BYTES % 2]
    for encoding, zeros, others in ((_UTF_16[0], head[1::2], head[::2]), (_UTF_16[1], head[::2], head[1::2])):
        # Others are zero in a few characters: U+4E00, U+3000.
        if zeros.count(0) > max(_ZEROS * len(zeros), 4 * others.count(0)):
            return encoding if _decoded(head, encoding) is not None else None
    return None


def _decoded(raw: bytes | bytearray, encoding: str) -> str | None:
    """The text if every byte of it is right, but for a character that is cut at the end."""
    for end in (len(raw), len(raw) - 1, len(raw) - 2):
        try:
            return raw[:end].decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _probability(text: str, encoding: str) -> float | None:
    """How probable a text is in the languages of an encoding, 0 to 1; None if it has too few letters."""
    cells = "\n".join(sorted(set(_CELLS.split(text))))
    letters = [c for c in _FOREIGN.findall(cells) if not _is_punctuation(c)]
    if len(letters) < _FEWEST:
        return None
    if _like(encoding) in _NARROW:
        # Latin, Greek and Cyrillic write words; an East Asian text read as Latin has accents in long rows.
        runs = _RUNS.findall(cells)
        return sum(len(run) for run in runs if _is_word(run)) / sum(map(len, runs))
    languages = _WIDE.get(_like(encoding), _WIDE["utf-8"])
    return max(sum(c in common for c in letters) / len(letters) for common in languages)


def _is_punctuation(character: str) -> bool:
    return "\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff5e" or character in "·—…“”‘’"


def _is_word(run: str) -> bool:
    if len(run) <= 2:
        return run.isalpha()
    cyrillic = all("\u0400" <= c <= "\u04ff" for c in run)
    return cyrillic and (run.islower() or run.isupper() or run.istitle())
