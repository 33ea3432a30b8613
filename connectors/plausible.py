"""Ask where declared text reads like another encoding's bytes.

CP932 and Big5 bytes decode as GB18030 without an error, to garbage. Nothing is guessed here: the declared
encoding stays, but where the text is improbable in it and probable in another one, a person is asked.

Rules
- Counted are the characters beyond ASCII that are letters, in distinct cells. Text is as probable as the
  share of them that one written language commonly uses: the first level of GB 2312 (simplified Chinese), of
  Big5 (traditional), of JIS X 0208 with kana (Japanese), the syllables of KS X 1001 (Korean), or Latin,
  Greek and Cyrillic letters that stand among others.
- Asked is only where another encoding decodes every byte, and its text is much more probable.
- What is judged is the head of the text, until enough characters were seen. No character enters an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from connectors.opening import unreadable

_CANDIDATES = ("utf-8", "gb18030", "cp950", "cp932", "euc_jp", "cp949")
_WIDE = frozenset(
    {"gb18030", "big5", "big5hkscs", "cp950", "cp932", "shift_jis", "euc_jp", "cp949", "euc_kr"}
)
_NARROW = frozenset({"iso8859-1", "iso8859-15", "cp1250", "cp1251", "cp1252"})
_SAME = {"big5": "cp950", "big5hkscs": "cp950", "shift_jis": "cp932", "euc_kr": "cp949"}

_ENOUGH_BYTES = 20_000
_FEWEST = 6
_PROBABLE = 0.85
_MARGIN = 0.2
_CELLS = re.compile(r"[\s,;|\"'()/]+")
_LINES = re.compile(rb"[\r\n]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_RUNS = re.compile(r"[^\x00-\x7f]+")


def judged(encoding: str) -> bool:
    """Whether text in this declared encoding can be judged."""
    return encoding in _WIDE or encoding in _NARROW


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
        pieces = _LINES.split(chunk)
        # A chunk may begin and end within a character.
        torn = {pieces[-1]} if not self._seen else {pieces[0], pieces[-1]}
        lines = {line for line in pieces if not line.isascii()}
        room = _ENOUGH_BYTES - len(self._seen)
        for line in sorted(lines - torn or lines):
            if len(line) < room:
                self._seen += line + b"\n"
                room -= len(line) + 1
        better = likelier(self._seen, self._encoding)
        if better is not None:
            raise unreadable(
                f"{self._name} is declared {self._encoding}, but its text is none that people write; "
                f"read as {better} it is.",
                f"Declare the encoding {better}. If {self._encoding} is right, say so by the option "
                "encoding_is_certain.",
            )


def likelier(raw: bytes | bytearray, encoding: str) -> str | None:
    """An encoding in which `raw` is much more probable than in the given one, or None."""
    own = probability(raw.decode(encoding, "replace"), narrow=encoding in _NARROW)
    if own is None or own >= 1 - _MARGIN:
        return None
    found = []
    for other in _CANDIDATES:
        if other == _SAME.get(encoding, encoding):
            continue
        text = _decoded(raw, other)
        score = None if text is None else probability(text)
        if score is not None and score >= max(_PROBABLE, own + _MARGIN):
            found.append((score, other))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _decoded(raw: bytes | bytearray, encoding: str) -> str | None:
    """The text if every byte of it is right, but for a character that is cut at the end."""
    for end in (len(raw), len(raw) - 1, len(raw) - 2):
        try:
            return raw[:end].decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def probability(text: str, *, narrow: bool = False) -> float | None:
    """Share of the letters beyond ASCII that one language commonly uses; None if there are too few."""
    cells = "\n".join(sorted(set(_CELLS.split(text))))
    letters = [c for c in _FOREIGN.findall(cells) if not _is_punctuation(c)]
    if len(letters) < _FEWEST:
        return None
    if narrow:
        # Latin, Greek and Cyrillic write words; an East Asian text read as Latin has accents in long rows.
        alone = sum(len(run) for run in _RUNS.findall(cells) if _is_word(run))
        return alone / max(1, sum(len(run) for run in _RUNS.findall(cells)))
    half = sum("\uff61" <= c <= "\uff9f" for c in letters)
    if half >= 0.95 * len(letters):
        return 1.0
    return max(sum(c in common for c in letters) / len(letters) for common in _languages())


def _is_punctuation(character: str) -> bool:
    return "\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff5e" or character in "·—…“”‘’"


def _is_word(run: str) -> bool:
    if len(run) <= 2:
        return run.isalpha()
    cyrillic = all("\u0400" <= c <= "\u04ff" for c in run)
    return cyrillic and (run.islower() or run.isupper() or run.istitle())


@cache
def _languages() -> tuple[frozenset[str], ...]:
    kana = frozenset(map(chr, [*range(0x3041, 0x3097), *range(0x30A0, 0x3100)]))
    latin = frozenset(map(chr, [*range(0xC0, 0x250), *range(0x370, 0x460)]))
    return (
        frozenset(_rows("gb2312", range(0xB0, 0xD8))),
        frozenset(_big5()),
        frozenset(_rows("euc_jp", range(0xB0, 0xD0))) | kana,
        frozenset(_rows("euc_kr", range(0xB0, 0xC9))),
        latin,
    )


def _rows(encoding: str, rows: range) -> Iterator[str]:
    for row in rows:
        for cell in range(0xA1, 0xFF):
            yield from bytes((row, cell)).decode(encoding, "ignore")


def _big5() -> Iterator[str]:
    for row in range(0xA4, 0xC7):
        for cell in (*range(0x40, 0x7F), *range(0xA1, 0xFF)):
            yield from bytes((row, cell)).decode("big5", "ignore")
