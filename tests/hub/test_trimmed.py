"""What a notebook server does not offer, tried over HTTP by the person whose server it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub_config.gate import ALLOWED, allowed
from tests.house.tree import ROOT
from tests.hub.browser import Person
from tests.hub.instance import Hub

NOTHING = [
    ("GET", "/terminals/1"),
    ("GET", "/api/terminals"),
    ("POST", "/api/terminals"),
    ("GET", "/terminals/websocket/1"),
    ("GET", "/files/start-here.ipynb"),
    ("GET", "/view/start-here.ipynb"),
    ("GET", "/nbconvert/html/start-here.ipynb"),
    ("POST", "/nbconvert/html"),
    ("GET", "/api/nbconvert"),
    ("GET", "/lab/api/extensions"),
    ("POST", "/lab/api/extensions"),
    ("GET", "/lab/api/listings/@jupyterlab/listings"),
    ("GET", "/lab/api/news"),
    ("GET", "/lab/api/update"),
    ("GET", "/lab/api/plugins"),
    ("POST", "/lab/api/plugins"),
    ("PUT", "/lab/api/settings/@jupyterlab/apputils-extension:themes"),
    ("GET", "/api/config/notebook"),
    ("PUT", "/api/config/notebook"),
    ("PATCH", "/api/config/notebook"),
    ("POST", "/api/shutdown"),
    ("GET", "/lsp/status"),
    ("GET", "/lsp/ws/pylsp"),
    ("GET", "/api/spec.yaml"),
    ("GET", "/api/security/csp-report"),
    ("POST", "/api/events"),
    ("GET", "/edit/start-here.ipynb"),
    ("GET", "/tree"),
    ("GET", "/notebooks/start-here.ipynb"),
    ("GET", "/metrics"),
    ("GET", "/login"),
    ("GET", "/kernelspecs/sandbox/kernel.json"),
    ("GET", "/custom/custom.css"),
    ("GET", "/proxy/8888/"),
    ("DELETE", "/api/kernelspecs/sandbox"),
]


@pytest.fixture(scope="module")
def li(hub: Hub) -> Person:
    """An OPC whose server runs."""
    person = hub.person("li")
    person.start_server()
    return person


@pytest.mark.parametrize(("method", "path"), NOTHING, ids=lambda part: part)
def test_there_is_nothing_there(li: Person, method: str, path: str) -> None:
    reply = li.server(method, path, **({"json": {}} if method != "GET" else {}))
    assert reply.status_code in (404, 405), reply.text[:300]


@pytest.mark.parametrize("name", ["python3", "ir", "../python3", "sandbox2", "SANDBOX"])
def test_no_other_kernel_starts(li: Person, name: str) -> None:
    before = li.server("GET", "/api/kernels").json()
    reply = li.server("POST", "/api/kernels", json={"name": name})
    assert reply.status_code >= 400
    session = {"kernel": {"name": name}, "name": "x", "path": "x.ipynb", "type": "notebook"}
    assert li.server("POST", "/api/sessions", json=session).status_code >= 400
    assert li.server("GET", "/api/kernels").json() == before


def test_the_one_kernel_is_listed(li: Person) -> None:
    listed = li.server("GET", "/api/kernelspecs").json()
    assert listed["default"] == "sandbox"
    assert list(listed["kernelspecs"]) == ["sandbox"]


def test_pages_say_that_nothing_runs_or_is_fetched_from_elsewhere(li: Person) -> None:
    for path in ("/lab", "/api/contents", "/static/favicons/favicon.ico"):
        policy = li.server("GET", path).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        assert "connect-src 'self'" in policy
        assert "object-src 'none'" in policy


def test_lab_has_the_extensions_switched_off_that_run_or_show_too_much(li: Person) -> None:
    page = li.server("GET", "/lab").text
    data = json.loads(
        page.partition('id="jupyter-config-data" type="application/json">')[2].partition("<")[0]
    )
    assert "@jupyterlab/javascript-extension" in data["disabledExtensions"]
    assert "@jupyterlab/extensionmanager-extension" in data["disabledExtensions"]
    assert not data.get("terminalsAvailable")


@pytest.mark.parametrize(
    "path", ["%2e%2e/%2e%2e/passphrase", "%2e%2e/x", ".hidden", "/etc/passwd", "work/kept"]
)
def test_the_contents_api_stays_in_the_notebooks(li: Person, path: str) -> None:
    assert li.server("GET", f"/api/contents/{path}").status_code in (400, 403, 404)


def test_a_kernel_cannot_plant_a_link_where_the_server_reads(li: Person) -> None:
    with li.kernel() as kernel:
        assert "Read-only" in kernel.run(
            "import os; os.symlink('/etc/passwd', os.path.expanduser('~/notebooks/link'))"
        )
    assert li.server("GET", "/api/contents/link").status_code == 404


def test_a_request_of_another_page_changes_nothing(li: Person) -> None:
    headers = {"X-XSRFToken": "wrong", "Origin": "https://elsewhere.example"}
    reply = li.http.post(f"/user/{li.name}/api/kernels", json={"name": "sandbox"}, headers=headers)
    assert reply.status_code == 403


def test_the_configuration_is_nobodys_to_write(hub: Hub, li: Person) -> None:
    with li.kernel() as kernel:
        said = kernel.run(f"import os; print(os.path.exists({str(ROOT / 'hub_config')!r}))")
        assert said == "False\n"
    for path in (ROOT / "hub_config").rglob("*"):
        assert not path.stat().st_mode & 0o002
    assert (hub.folder / "state" / "people").stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize(
    "path", ["files/x", "view/x", "terminals/1", "api/terminals", "lab/api/extensions", "x"]
)
def test_the_gate_shuts_by_itself(path: str) -> None:
    assert not any(allowed(method, path) for method in ("GET", "POST", "PUT", "DELETE"))
    assert not allowed("PUT", "lab/api/settings/x")
    assert allowed("GET", "lab/api/settings/x")
    assert len(ALLOWED) < 20


def test_the_servers_configuration_has_no_place_to_migrate_to() -> None:
    assert Path(ROOT, "hub_config", "server", "migrated").is_file()
