"""A person with a real browser: logs in, opens the starter notebook, runs it, sees a private answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.hub.instance import PASSWORD, Hub

PATIENCE = 60_000
CHROMIUM = "/usr/bin/chromium"
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = Path(os.environ.get("SANDBOX_PICTURES", ".tmp/pictures"))


@pytest.fixture
def page() -> Iterator[Page]:
    """A window of a browser that knows nobody."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        try:
            yield page
        finally:
            browser.close()


def picture(page: Page, name: str) -> None:
    """Keep what is seen."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def log_in(page: Page, hub: Hub, name: str) -> None:
    """Through the form, as a person does, with the password chosen at the first login."""
    hub.person(name)
    page.goto(f"{hub.url}/hub/login")
    picture(page, "login")
    page.fill("#username_input", name)
    page.fill("#password_input", PASSWORD.format(name))
    page.click("#login_submit")


def opened(page: Page, address: str) -> None:
    """Open a notebook in Lab. On a very busy machine Lab was seen to give up on its first listing of files."""
    page.goto(address)
    gave_up = page.get_by_role("dialog").filter(has_text="Directory not found")
    expect(page.locator(".jp-Notebook").or_(gave_up)).to_be_visible(timeout=PATIENCE)
    if gave_up.is_visible():
        page.goto(address)
    expect(page.locator(".jp-Notebook")).to_be_visible(timeout=PATIENCE)


def run_all(page: Page) -> None:
    """Run every cell of the open notebook, by the menu, once its kernel is there."""
    # Lab drops what is run before its kernel has answered.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("(sealed) | Idle", timeout=PATIENCE)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()


@pytest.mark.parametrize("notebook", ["start-here.ipynb", "start-here.zh-CN.ipynb"])
def test_an_opc_runs_the_starter_notebook(page: Page, hub: Hub, notebook: str) -> None:
    hub.person("mo").start_server()
    log_in(page, hub, "mo")
    # A workspace of its own, or Lab would open what was open before as well.
    workspace = notebook.partition(".ipynb")[0].replace(".", "-")
    opened(page, f"{hub.url}/user/mo/lab/workspaces/{workspace}/tree/{notebook}")
    run_all(page)
    answer = page.locator('.jp-OutputArea-output table:has(th:text-is("mean_age"))').first
    expect(answer).to_contain_text("±", timeout=PATIENCE)
    answer.scroll_into_view_if_needed()
    picture(page, f"answer-{notebook.removesuffix('.ipynb')}")
    chart = page.locator(".jp-RenderedSVG").first
    expect(chart).to_be_attached(timeout=PATIENCE)
    chart.scroll_into_view_if_needed()
    picture(page, f"chart-{notebook.removesuffix('.ipynb')}")
    expect(page.locator(".jp-OutputArea-output", has_text="left of").last).to_be_attached(timeout=PATIENCE)
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


HOSTILE = """from IPython.display import HTML, Javascript, SVG, display
display(Javascript("document.title = 'owned by javascript'"))
display(HTML("<img src=x onerror=\\"document.title = 'owned by handler'\\"><script>document.title = 'owned by script'</script>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload=\\"document.title = 'owned by svg'\\"><script>document.title = 'owned by svg script'</script></svg>"))
display(HTML("<iframe srcdoc='<script>parent.document.title = 1</script>'></iframe><form action='https://elsewhere.example'></form>"))
print("shown")"""


def test_outputs_run_nothing_in_the_page(page: Page, hub: Hub) -> None:
    mo = hub.person("mo")
    mo.start_server()
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    content = {
        "cells": [cell | {"source": HOSTILE}],
        "metadata": {"kernelspec": {"name": "sandbox", "display_name": "x", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    put = mo.server("PUT", "/api/contents/hostile.ipynb", json={"type": "notebook", "content": content})
    assert put.status_code in (200, 201), put.text
    log_in(page, hub, "mo")
    opened(page, f"{hub.url}/user/mo/lab/workspaces/hostile/tree/hostile.ipynb")
    run_all(page)
    expect(page.locator(".jp-OutputArea-output", has_text="shown")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(1000)
    picture(page, "hostile-outputs")
    assert "owned" not in page.title()
    assert page.title() != "1"


@pytest.mark.parametrize("name", ["wang", "zhao"])
def test_who_is_no_opc_sees_the_hub_and_no_notebook(page: Page, hub: Hub, name: str) -> None:
    log_in(page, hub, name)
    page.wait_for_url("**/hub/home")
    expect(page.locator("#no-notebook")).to_contain_text("API")
    expect(page.locator("#start")).to_have_count(0)
    picture(page, f"home-{name}")
    page.click("#sandbox-pages")
    expect(page.locator("main")).to_contain_text(name)
    for language, words in (("en", "You are"), ("zh", "您是")):
        page.goto(f"{hub.url}/services/sandbox/?lang={language}")
        expect(page.locator("main")).to_contain_text(words)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        picture(page, f"pages-{name}-{language}")
    assert page.goto(f"{hub.url}/user/mo/lab").status in (403, 404)  # type: ignore[union-attr]
    assert page.goto(f"{hub.url}/hub/spawn").status == 403  # type: ignore[union-attr]
    picture(page, f"no-notebook-{name}")


def test_an_opc_sees_budgets_and_goes_on_to_the_notebooks(page: Page, hub: Hub) -> None:
    hub.person("mo").start_server()
    log_in(page, hub, "mo")
    page.goto(f"{hub.url}/services/sandbox/?lang=zh")
    expect(page.locator("h3")).to_contain_text("mos")
    expect(page.locator("table").first).to_contain_text("ε 剩余")
    assert page.evaluate("getComputedStyle(document.querySelector('a.act')).textDecorationLine") == "none"
    picture(page, "pages-mo-zh")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "pages-mo-narrow")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.click("a.act")
    page.wait_for_url("**/user/mo/lab**")
