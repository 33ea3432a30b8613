"""One login for hub, servers and API; roles that never imply one another; kernels that are sealed."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import httpx
import pytest

from hub_config.passwords import FAILURES, SHORTEST, Passwords
from sandbox.rooms import cgroup
from tests.api.instance import COUNT
from tests.hub.browser import Person
from tests.hub.instance import PASSWORD, Hub, person_folder

ASK = {"sql": COUNT, "grant": "plenty", "epsilon": "0.5"}


def api(hub: Hub, name: str) -> httpx.Client:
    """The sandbox's API with a token that somebody made at the hub."""
    return httpx.Client(
        base_url=f"{hub.url}/services/sandbox",
        headers={"Authorization": f"Bearer {hub.token(name)}"},
        timeout=120,
        trust_env=False,
    )


def test_no_default_password_opens_and_one_time_passwords_open_once(hub: Hub) -> None:
    assert set(hub.once) >= {"li", "wang", "zhao"}
    file = hub.folder / "state" / "passwords.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(password in file.read_text("utf-8") for password in hub.once.values())
    for name in ("hub.sqlite", "cookie_secret"):
        assert stat.S_IMODE((hub.folder / "state" / name).stat().st_mode) == 0o600
    for name, password in (("li", ""), ("li", "li"), ("admin", "admin"), ("nobody", "x"), ("li", "password")):
        assert Person(hub.url, name).log_in(password).status_code == 403
    fresh = Person(hub.url, "nemo")
    assert fresh.log_in(hub.once["nemo"]).status_code == 403
    assert fresh.log_in(hub.once["nemo"], "short").status_code == 403
    assert fresh.log_in(hub.once["nemo"], PASSWORD.format("nemo")).status_code == 302
    assert Person(hub.url, "nemo").log_in(hub.once["nemo"], "another long password").status_code == 403


def test_a_password_file_that_others_can_read_opens_nothing(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path / "people.json")
    once = passwords.add({"li": ["opc"]})["li"]
    assert passwords.check("li", once) is None
    assert passwords.check("li", once, "x" * SHORTEST) == ["opc"]
    assert passwords.check("li", "x" * SHORTEST) == ["opc"]
    (tmp_path / "people.json").chmod(0o644)
    with pytest.raises(PermissionError):
        passwords.check("li", "x" * SHORTEST)


def test_guessing_has_to_wait(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path / "people.json")
    once = passwords.add({"li": ["opc"]})["li"]
    for _ in range(FAILURES):
        assert passwords.check("li", "wrong") is None
    assert passwords.check("li", once, "x" * SHORTEST) is None
    assert passwords.add({"li": ["operator"]}) == {}


@pytest.mark.parametrize("name", ["wang", "zhao", "chen", "nemo"])
def test_only_an_opc_starts_a_server(hub: Hub, name: str) -> None:
    assert hub.person(name).hub("POST", f"/users/{name}/server").status_code in (403, 404)
    assert hub.person(name).hub("POST", "/users/li/server").status_code in (403, 404)
    assert hub.person(name).http.get("/user/li/lab").status_code in (403, 404)


def test_nobody_administers_the_hub(hub: Hub) -> None:
    for name in ("li", "wang", "zhao", "nemo"):
        assert hub.person(name).hub("GET", "/users").status_code == 403
        assert hub.person(name).hub("POST", "/users/new").status_code == 403
        assert hub.person(name).hub("POST", "/groups/opc/users", json={"users": [name]}).status_code == 403
        assert hub.person(name).http.get("/hub/admin").status_code == 403
    assert hub.person("chen").hub("POST", "/users/new").status_code == 403
    assert (
        hub.person("chen").hub("POST", "/groups/steward/users", json={"users": ["chen"]}).status_code == 403
    )


@pytest.mark.parametrize(
    ("name", "asks", "reads"),
    [("li", 200, 403), ("sun", 200, 200), ("wang", 403, 403), ("zhao", 403, 200), ("chen", 403, 403)],
)
def test_roles_at_the_api_in_every_direction(hub: Hub, name: str, asks: int, reads: int) -> None:
    with api(hub, name) as line:
        assert line.post("/v1/questions", json=ASK).status_code == asks
        assert line.get("/v1/log").status_code == reads
        assert line.get("/v1/budgets/suns").status_code == (403 if name == "li" else 200)
        assert line.post("/v1/hub-events", json={"event": "logged-in", "person": "li"}).status_code == 401
        assert line.post("/v1/kernel-events", json={"event": "ended", "kernel": "k"}).status_code == 403


def test_a_person_without_a_role_and_a_made_up_token_are_nobody_at_the_api(hub: Hub) -> None:
    for token in ("made-up", "x" * 64, "sbx_" + "x" * 43, "é"):
        headers = {"Authorization": f"Bearer {token}".encode()}
        reply = httpx.get(f"{hub.url}/services/sandbox/v1/datasets", headers=headers, trust_env=False)
        assert reply.status_code == 401
    assert httpx.get(f"{hub.url}/services/sandbox/v1/datasets", trust_env=False).status_code == 401
    assert hub.person("nemo").hub("POST", "/users/nemo/tokens", json={}).status_code in (403, 404)


def test_a_cell_asks_and_the_log_knows_the_way(hub: Hub) -> None:
    li = hub.person("li")
    li.start_server()
    with li.kernel() as kernel:
        assert kernel.run("import sandbox.client as sb; print(len(sb.datasets()))") == "1\n"
        answer = kernel.run(f"sb.sql({COUNT!r}, grant='plenty', epsilon='0.25')")
        assert "±" in answer
        other = kernel.run("sb.budget('suns')")
        assert "[grant-refused]" in other
        kernel.run("import os; os.chdir(os.path.expanduser('~'))")
        secrets = kernel.run(
            "print([n for n in os.environ if 'TOKEN' in n or 'HUB' in n], os.getuid(), "
            "open('work/kept', 'w').write('x'), os.listdir('notebooks')[:1] != [])"
        )
        assert secrets == "[] 1000 1 True\n"
        assert "Read-only file system" in kernel.run("open('notebooks/planted', 'w')")
        full = kernel.run(
            "try:\n"
            "    with open('work/big', 'wb') as file:\n"
            "        for _ in range(64): file.write(b'0' * (1 << 20))\n"
            "except OSError as error: print(error.strerror)\n"
            "finally: os.unlink('work/big')"
        )
        assert full == "No space left on device\n"
        number = kernel.number
    with li.kernel() as kernel:
        assert "kept" in kernel.run("import os; print(os.getcwd(), os.listdir('.'))")
    with api(hub, "zhao") as line:
        entries = line.get("/v1/log", params={"limit": 1000}).json()["entries"]
    mine = [entry for entry in entries if entry["person"] == "li"]
    kinds = [entry["kind"] for entry in mine]
    started = kinds.index("kernel.started")
    assert kinds.index("hub.logged-in") < kinds.index("hub.server-started") < started
    inside = [entry for entry in mine[started:] if entry["kind"].startswith("question.")]
    assert "kernel" in {entry["via"] for entry in inside}
    ended = [entry["facts"]["kernel"] for entry in mine if entry["kind"] == "kernel.ended"]
    assert number in ended
    assert {"call.refused"} <= {entry["kind"] for entry in mine}


def test_a_grant_says_what_a_kernel_and_its_disk_may_use_up(hub: Hub) -> None:
    mo = hub.person("mo")
    mo.start_server()
    with mo.kernel() as kernel:
        size = kernel.run("import os; s = os.statvfs('/home/room/work'); print(s.f_blocks * s.f_frsize)")
        assert (4 << 20) < int(size) <= (12 << 20), "the settings say 24 MiB"
        assert kernel.run("print(sorted(os.listdir('/home/room/dummy')))").startswith("['nafld.")
        assert limits_of(hub, person_folder(hub.folder / "state", "mo")) == {(600_000_000 >> 20) << 20}


def limits_of(hub: Hub, folder: Path) -> set[int]:
    """Bytes of memory of every kernel of the person whose folder this is."""
    files = ("memory.limit_in_bytes", "memory.max")
    found = [path for group in rooms(hub, folder) for file in files if (path := group / file).exists()]
    return {int(path.read_text()) for path in found}


def test_kernels_of_two_people_know_nothing_of_each_other(hub: Hub) -> None:
    li, sun = hub.person("li"), hub.person("sun")
    li.start_server()
    sun.start_server()
    assert li.http.get("/user/sun/api/kernels").status_code in (403, 404)
    with li.kernel() as mine, sun.kernel() as theirs:
        (path,) = (person_folder(hub.folder / "state", "sun") / "run").glob("room-*/api.sock")
        assert path.is_socket()
        above = list(map(str, path.parents[: len(path.relative_to(hub.folder).parts)]))
        assert mine.run(f"import os; print(any(map(os.path.exists, {above})))") == "False\n"
        assert theirs.run("import sandbox.client as sb; sb.sql('x', grant='suns')").startswith(
            "SandboxRefused"
        )
        refused = theirs.run(
            "import httpx, os; print(httpx.Client(transport=httpx.HTTPTransport(uds=os.environ"
            "['SANDBOX_SOCKET'])).get('http://x/v1/log').status_code)"
        )
        assert refused == "403\n", "a server's token has the role of an OPC only"
        assert owner(hub, "li") != owner(hub, "sun")


def owner(hub: Hub, name: str) -> int:
    """The user of the machine whom a person's folder belongs to."""
    return person_folder(hub.folder / "state", name).stat().st_uid


MALFORMED = """
import os
kernel = get_ipython().kernel
def throw(parts):
    kernel.iopub_thread.schedule(lambda: kernel.iopub_thread.socket.send_multipart(parts))
for parts in ([b""], [b"x"] * 50, [b"<IDS|MSG>"], [b"<IDS|MSG>", b"", b"{", b"[", b"]", b"}"],
              [b"a", b"<IDS|MSG>", b"sig", b"{}", b"{}", b"{}", b"{}"], [os.urandom(1 << 16)] * 4):
    throw(parts)
for name in ("stream", "execute_result", "comm_open", "nonsense"):
    kernel.session.send(kernel.iopub_socket, name, content={"data": None, "deep": [[[[1]]]]}, parent=None)
"""


def test_hostile_messages_do_not_stop_the_server(hub: Hub) -> None:
    li = hub.person("li")
    li.start_server()
    with li.kernel() as hostile, li.kernel() as loud, li.kernel() as calm:
        hostile.send(MALFORMED)  # its own line may end with it
        flood = loud.run("for _ in range(3000): print('x' * 1000)")
        assert len(flood) < 30_000_000
        assert calm.run("print(1)") == "1\n"
    assert li.server("GET", "/api/status").status_code == 200


def test_what_ended_leaves_nothing(hub: Hub) -> None:
    sun = hub.person("sun")
    sun.start_server()
    folder = person_folder(hub.folder / "state", "sun")
    with sun.kernel() as kernel:
        assert kernel.run("print(1)") == "1\n"
        assert list((folder / "run").glob("room-*"))
        assert rooms(hub, folder)
    assert not list((folder / "run").glob("room-*"))
    assert not rooms(hub, folder)
    kernel = sun.open_kernel()
    kernel.run("import subprocess; subprocess.Popen(['sleep', '900'])")
    assert sun.hub("DELETE", "/users/sun/server").status_code in (202, 204)
    last = time.monotonic() + 60
    while (rooms(hub, folder) or processes(owner(hub, "sun"))) and time.monotonic() < last:
        cgroup.sweep(f"{hub.group}/{folder.name}")
        time.sleep(0.2)
    assert not processes(owner(hub, "sun"))
    assert not rooms(hub, folder)
    assert str(folder) not in Path("/proc/mounts").read_text("utf-8")


def rooms(hub: Hub, folder: Path) -> list[Path]:
    """Control groups of kernels of the person whose folder this is."""
    points = set(cgroup.hierarchies().values())
    return [group for point in points for group in (point / hub.group / folder.name).glob("kernel-*")]


def processes(uid: int) -> list[int]:
    """Processes that belong to a user of the machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid == uid and (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(path.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]
