"""The starter notebooks run from top to bottom in a sealed kernel, and show what they promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.service import home as homes
from tests.api.instance import Served, load_people, make, serving
from tests.house.tree import ROOT
from tests.rooms.kernels import Ran, asked, sealed

FOLDER = ROOT / "hub_config" / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def cells(name: str, kind: str) -> list[str]:
    """The sources of the cells of one kind."""
    found = json.loads((FOLDER / name).read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def test_there_is_one_in_each_language_with_the_same_code() -> None:
    assert NOTEBOOKS == ["start-here.ipynb", "start-here.zh-CN.ipynb"]
    english, chinese = (cells(name, "code") for name in NOTEBOOKS)
    assert english == chinese
    assert len(cells(NOTEBOOKS[0], "markdown")) == len(cells(NOTEBOOKS[1], "markdown"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_output_is_shipped(name: str) -> None:
    found = json.loads((FOLDER / name).read_text("utf-8"))["cells"]
    assert not [cell for cell in found if cell.get("outputs") or cell.get("execution_count")]


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Served]:
    """An instance with the policies, people and grants as they are shipped."""
    home = make(tmp_path, generous=False)
    load_people(home, tmp_path)
    with serving(home) as here:
        yield here
    homes.close(home)


def test_every_cell_runs_in_a_sealed_kernel(shipped: Served) -> None:
    async def story() -> list[Ran]:
        async with sealed(shipped) as kernel:
            return [await kernel.run(code) for code in cells(NOTEBOOKS[0], "code")]

    ran = asked(story())
    assert not [each.error for each in ran if each.error]
    listing, card, tried, price, reason, answer, chart, frame, again, silent, by_status, left = ran
    assert "nafld" in listing.text
    assert "people" in card.text
    assert "count" in tried.text
    assert "<table" in tried.html
    assert "nothing was spent" in price.text
    assert "nafld.policy.yaml#tables.people.columns.id" in reason.text
    assert answer.text.count("±") >= 4
    assert "<table" in answer.html
    assert "image/svg+xml" in chart.data[0]
    assert "patients__half_width" in frame.text
    assert again.text == "True"
    assert silent.text == ""
    assert "patients" in by_status.text
    assert "left of" in left.text
