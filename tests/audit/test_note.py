"""Signed notes: an example from elsewhere verifies, and no byte of ours can change unseen."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.note import Checkpoint, NoteError, VerifierKey, decode64, open_note, sign_note

# The example of C2SP signed-note implementations (Go's sumdb/note among them).
EXAMPLE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def test_an_example_from_elsewhere() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    assert str(key) == EXAMPLE_KEY
    assert open_note(EXAMPLE, key) == "This is an example message.\n"


def test_a_checkpoint_comes_back(key: Ed25519PrivateKey) -> None:
    checkpoint = Checkpoint("城市.example/log", 7, bytes(32))
    note = checkpoint.sign(key)
    assert note.startswith("城市.example/log\n7\n" + "A" * 43 + "=\n\n— 城市.example/log ")
    assert Checkpoint.open(note, VerifierKey.of("城市.example/log", key)) == checkpoint


def test_no_byte_can_change(key: Ed25519PrivateKey) -> None:
    note = Checkpoint("a/b", 12, b"r" * 32).sign(key).encode()
    verifier = VerifierKey.of("a/b", key)
    for at in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[at] ^= 1 << bit
            with pytest.raises((NoteError, UnicodeDecodeError)):
                Checkpoint.open(changed.decode(), verifier)


def test_other_signatures_are_ignored_and_order_is_free(key: Ed25519PrivateKey) -> None:
    other = Ed25519PrivateKey.generate()
    text = "a/b\n0\n" + "A" * 43 + "=\n"
    ours, theirs = sign_note(text, "a/b", key), sign_note(text, "witness", other)
    line = theirs.removeprefix(text + "\n")
    head, own = ours.split("\n\n")
    for note in (ours + line, f"{head}\n\n{line}{own}"):
        assert open_note(note, VerifierKey.of("a/b", key)) == text
        assert open_note(note, VerifierKey.of("witness", other)) == text
        with pytest.raises(NoteError, match="not signed by the key"):
            open_note(note, VerifierKey.of("a/b", other))


@pytest.mark.parametrize(
    "body",
    [
        "a/b\n01\n",
        "a/b\n-1\n",
        "a/b\n1e3\n",
        "a/b\n" + "9" * 40 + "\n",
        "x/y\n1\n",
        "a/b\n1\nAAAA\n",
        "a/b\n",
        "\n",
    ],
)
def test_a_signed_checkpoint_still_has_to_read_as_one(key: Ed25519PrivateKey, body: str) -> None:
    root = "" if body.count("\n") == 3 else "A" * 43 + "=\n"
    with pytest.raises(NoteError):
        Checkpoint.open(sign_note(body + root, "a/b", key), VerifierKey.of("a/b", key))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "a\n\n",
        "a\n\n— b\n",
        "a\n\n- a/b AAAAAAAA\n",
        "a\n\n— a/b !!!!\n",
        "a\n\n—  AAAA\n",
        "\udc80\n\n— a/b AAAAAAAA\n",
    ],
)
def test_malformed_notes(key: Ed25519PrivateKey, text: str) -> None:
    with pytest.raises(NoteError):
        open_note(text, VerifierKey.of("a/b", key))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "a+00000000+AAAA",
        EXAMPLE_KEY[:-1],
        EXAMPLE_KEY + "=",
        EXAMPLE_KEY.replace("530d", "530e"),
        EXAMPLE_KEY.replace("foo", "fop"),
        " " + EXAMPLE_KEY,
        EXAMPLE_KEY + "\n",
        "\udc80" + EXAMPLE_KEY,
    ],
)
def test_malformed_keys(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x00b"])
def test_names_that_a_signature_line_cannot_carry(key: Ed25519PrivateKey, name: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.of(name, key)


@pytest.mark.parametrize("text", ["a", "a\x00\n", "a\tb\n"])
def test_texts_that_a_note_cannot_carry(key: Ed25519PrivateKey, text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, "a/b", key)


@pytest.mark.parametrize("text", ["AB==", "AAA", "A A=", "AA==\n", "-_-_", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(NoteError):
        decode64(text)
