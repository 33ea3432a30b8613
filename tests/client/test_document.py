"""The session in docs/client.md runs, against the shipped policies, and prints what the page says."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import sys
import traceback

import pytest

from sandbox.identity import Role
from tests.api.instance import Served
from tests.docs.tour import fits
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "client.md"


def test_the_session_of_the_page(shipped: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_URL", shipped.url)
    monkeypatch.setenv("SANDBOX_TOKEN", shipped.token("li", Role.OPC))
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    examples = doctest.DocTestParser().get_examples("\n".join(blocks))
    assert len(examples) > 8
    names: dict[str, object] = {}
    for example in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(example.source, str(PAGE), "single"), names)
            except Exception:
                assert example.exc_msg is not None, traceback.format_exc()
                kind, error, _ = sys.exc_info()
                assert kind is not None
                text = f"{kind.__module__}.{kind.__qualname__}: {error}"
                assert text.startswith(example.exc_msg.rstrip("…\n ")), text
                continue
        assert example.exc_msg is None, example.source
        assert fits(tuple(example.want.splitlines()), printed.getvalue().splitlines()), printed.getvalue()
