"""YAML's surprises, each refused at its place; whatever a stranger types makes one coded error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode
from sandbox.policy.diagnostic import PolicyFileError
from sandbox.policy.read import (
    FileKind,
    draft_of,
    read_grant,
    read_people,
    read_policy,
    read_units,
)
from sandbox.policy.yaml import MOST_BYTES, Entries, Text, parse_yaml
from tests.policy.files import LIVER, NAFLD, PEOPLE, UNITS

REFUSED = [
    ("a: 1\na: 2\n", 2, 1, "twice"),
    ("a: {b: 1, 'b': 2}\n", 1, 11, "twice"),
    ("a: &x 1\n", 1, 4, "anchors"),
    ("a: &x {b: 1}\n", 1, 4, "anchors"),
    ("a: 1\nb: *a\n", 2, 4, "anchors"),
    ("a: 1\n<<: {b: 1}\n", 2, 1, "merge"),
    ("a: !!str 1\n", 1, 4, "tags"),
    ("a: !secret x\n", 1, 4, "tags"),
    ("a: !!python/object/apply:os.system [ls]\n", 1, 4, "tags"),
    ("a: 1\n---\nb: 2\n", 2, 1, "document"),
    ("%YAML 1.1\n---\na: 1\n", 1, 1, "directives"),
    ("%TAG ! tag:x,2000:\n---\na: 1\n", 1, 1, "directives"),
    ("a:\n\tb: 1\n", 2, 1, "tab"),
    ("a: x\ty\n", 1, 5, "tab"),
    ("a: null\n", 1, 4, "null"),
    ("a: ~\n", 1, 4, "null"),
    ("a:\nb: 1\n", 1, 3, "without a value"),
    ("a: [1, , 2]\n", 1, 8, ""),
    ("a: {b, c: 1}\n", 1, 6, "without a value"),
    ("? [a, b]\n: 1\n", 1, 3, "not a text"),
    ("a: note: more\n", 1, 8, ""),
    ("a: [1, 2\nb: 3\n", 2, 2, ""),
    ("a: 'x\n", 2, 1, ""),
    ('a: "\\x00"\n', 1, 4, "invisible"),
    ('a: "\\ud800"\n', 1, 4, "invisible"),
    ('a: "\\U00110000"\n', 1, 7, "escape"),
    ("a: x\u202ey\n", 1, 5, "U+202E"),
    ("a: x\u200by\n", 1, 5, "U+200B"),
    ("a: x\u2028b: 2\n", 1, 5, "U+2028"),
    ("a: 1\rb: 2\n", 1, 5, "U+000D"),
    ("a: @x\n", 1, 4, ""),
    ("", 1, 1, "empty"),
    ("# only a remark\n", 1, 1, "empty"),
]


@pytest.mark.parametrize(("text", "line", "column", "word"), REFUSED)
def test_refused_at_its_place(text: str, line: int, column: int, word: str) -> None:
    with pytest.raises(PolicyFileError) as caught:
        parse_yaml(text, "x.yaml")
    first = caught.value.diagnostics[0]
    assert caught.value.code is ErrorCode.POLICY_FILE
    assert first.place is not None
    assert (first.place.line, first.place.column, first.place.file) == (line, column, "x.yaml")
    assert word in first.message
    assert first.rule == "yaml"


def test_scalars_stay_text() -> None:
    text = "a: [no, 0123, 1:30, 1e-7, 2026-01-01, 0x1F, .inf, 1_000, NO, 'null', =]\n"
    tree = parse_yaml(text)
    assert isinstance(tree, Entries)
    items = tree.entries[0][1]
    assert not isinstance(items, Text | Entries)
    words = [item.text for item in items.items if isinstance(item, Text)]
    assert words == ["no", "0123", "1:30", "1e-7", "2026-01-01", "0x1F", ".inf", "1_000", "NO", "null", "="]


def test_all_problems_of_the_tree_are_collected() -> None:
    with pytest.raises(PolicyFileError) as caught:
        parse_yaml("a: 1\na: ~\nb: &x 1\nc: *x\n")
    assert [found.place.line for found in caught.value.diagnostics if found.place] == [2, 2, 3, 4]
    assert "(and 3 more)" in caught.value.message


def test_encodings() -> None:
    assert parse_yaml("a: 沙盒\n".encode("utf-8-sig")) == parse_yaml("a: 沙盒\n")
    assert isinstance(parse_yaml(b"a: 1\r\nb: 2\r\n"), Entries)
    for encoded in ("a: 沙盒\n".encode("gb18030"), "a: 1\n".encode("utf-16"), b"a: 1\nb: \xff\n"):
        with pytest.raises(PolicyFileError):
            parse_yaml(encoded)
    with pytest.raises(PolicyFileError) as caught:
        parse_yaml(b"a: 1\nb: \xff\n")
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (2, 4)


def test_size_and_depth_are_capped() -> None:
    with pytest.raises(PolicyFileError, match="larger"):
        parse_yaml("a: " + "x" * MOST_BYTES)
    with pytest.raises(PolicyFileError, match="larger"):
        parse_yaml(("a: " + "沙" * (MOST_BYTES // 3)).encode())
    for deep in ("[" * 100_000, "{a: " * 100_000, "\n".join(" " * n + "a:" for n in range(900))):
        with pytest.raises(PolicyFileError, match="deeper"):
            parse_yaml(deep)
    assert parse_yaml("[" * 16 + "x" + "]" * 16)


TYPED = [
    ("nullable: false", "nullable: no", "true or false"),
    ("nullable: false", "nullable: False", "true or false"),
    ("nullable: false", "nullable: 'false'", "in quotes"),
    ("nullable: false", "nullable: 0", "true or false"),
    ("minimum_group: 10", "minimum_group: 010", "whole number"),
    ("minimum_group: 10", "minimum_group: 0x10", "whole number"),
    ("minimum_group: 10", "minimum_group: 1_0", "whole number"),
    ("minimum_group: 10", "minimum_group: +10", "whole number"),
    ("minimum_group: 10", "minimum_group: 1e1", "whole number"),
    ("minimum_group: 10", "minimum_group: 10.0", "whole number"),
    ("minimum_group: 10", "minimum_group: 1:30", "whole number"),
    ("minimum_group: 10", "minimum_group: -0", "whole number"),
    ("minimum_group: 10", "minimum_group: ten", "whole number"),
    ("minimum_group: 10", "minimum_group: ١٠", "whole number"),
    ("epsilon: 20", "epsilon: .inf", "a number"),
    ("epsilon: 20", "epsilon: NaN", "a number"),
    ("epsilon: 20", "epsilon: Infinity", "a number"),
    ("epsilon: 20", "epsilon: '20'", "in quotes"),
    ("epsilon: 20", "epsilon: 1e999999", "a number"),
    ("epsilon: 20", "epsilon: 020", "a number"),
    ("epsilon: 20", "epsilon: 20.", "a number"),
    ("between: [18, 100]", "between: [18, 1e2]", "whole number"),
    ("between: [18, 100]", "between: [18, 9223372036854775808]", "whole number"),
    ("between: [18, 100]", "between: [18, '100']", "in quotes"),
    ("between: [18, 100]", "between: [18]", "exactly 2"),
    ("between: [18, 100]", "between: 18", "a list"),
    ("between: [30, 200]", "between: [30, 2026-01-01]", "a number"),
]


@pytest.mark.parametrize(("old", "new", "word"), TYPED)
def test_one_spelling_for_each_value(old: str, new: str, word: str) -> None:
    with pytest.raises(PolicyFileError) as caught:
        read_policy(NAFLD.replace(old, new, 1), "nafld.policy.yaml")
    (found,) = caught.value.diagnostics
    assert found.rule == "type"
    assert word in found.message + found.hint
    assert found.place is not None
    line = NAFLD.replace(old, new, 1).splitlines()[found.place.line - 1]
    assert new in line


def _read_all(content: bytes) -> None:
    for kind in FileKind:
        try:
            draft_of(kind, content, f"{kind.value}.yaml")
        except PolicyFileError as wrong:
            _placed(wrong)


def _placed(wrong: PolicyFileError) -> None:
    assert wrong.code is ErrorCode.POLICY_FILE
    for found in wrong.diagnostics:
        assert found.place is not None
        assert found.place.line >= 1
        assert found.place.column >= 1
        str(found).encode("utf-8", "strict")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    _read_all(content)


@settings(max_examples=250, deadline=None)
@given(st.text(st.sampled_from("ab:-[]{},#&*!|>'\"%@`?~<0123456789.e\n \\xuU沙\r"), max_size=60))
def test_any_yamlish_text(content: str) -> None:
    _read_all(content.encode())


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([NAFLD, LIVER, UNITS, PEOPLE]),
    st.integers(0, 4000),
    st.integers(0, 12),
    st.one_of(
        st.text(max_size=6),
        st.sampled_from(
            ["{", "}", "[", "]", ": ", "\n", "- ", "null", "{}", "[]", '"', "[[1]]", "{a: 1}", "1e9"]
        ),
    ),
)
def test_any_edit_of_a_real_file(text: str, at: int, cut: int, put: str) -> None:
    at %= len(text)
    _read_all((text[:at] + put + text[at + cut :]).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("read", [read_policy, read_grant, read_units, read_people])
@pytest.mark.parametrize("text", ["[]", "x", '""', "{}", "[[]]", "1", "{a: 1}"])
def test_wrong_trees(read: object, text: str) -> None:
    assert callable(read)
    with pytest.raises(PolicyFileError):
        read(text)
