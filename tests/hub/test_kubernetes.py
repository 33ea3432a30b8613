"""The manifests and the pod that is really rendered: valid for Kubernetes, and as sealed as the page says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_asyncio.client
import kubernetes_validate
import pytest
import yaml
from jupyterhub.app import JupyterHub
from kubespawner import KubeSpawner
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from hub_config import roles
from tests.docs.tables import coded, rows
from tests.house.tree import ROOT

FOLDER = ROOT / "hub_config" / "kubernetes"
VERSION = "1.37"
CLUSTER = {
    "HUB_SERVICE_HOST": "10.96.0.11",
    "HUB_SERVICE_PORT": "8081",
    "PROXY_API_SERVICE_HOST": "10.96.0.12",
    "PROXY_API_SERVICE_PORT": "8001",
    "SANDBOX_API_SERVICE_HOST": "10.96.0.13",
    "SANDBOX_API_SERVICE_PORT": "8765",
    "SANDBOX_HUB_SERVICE_TOKEN": "service",
    "SANDBOX_HUB_REPORT_TOKEN": "report",
    "SANDBOX_POD_IMAGE": "registry.example/data-sandbox:0.1.0",
    "SANDBOX_ROOM_MEMORY_MB": "3072",
    "SANDBOX_ROOM_CPUS": "2",
    "SANDBOX_ROOM_WORK_MB": "512",
    "SANDBOX_BEHIND_PROXY": "true",
}


def documents() -> Iterator[dict[str, Any]]:
    """Every object of every manifest."""
    for path in sorted(FOLDER.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text("utf-8"))


ALL = list(documents())


def of(kind: str) -> list[dict[str, Any]]:
    """The objects of one kind."""
    return [each for each in ALL if each["kind"] == kind]


@pytest.mark.parametrize("each", ALL, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_every_manifest_fits_its_schema(each: dict[str, Any]) -> None:
    kubernetes_validate.validate(each, VERSION, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**each, "metadata": {"name": ["not a word"]}}, VERSION, strict=True)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Config:
    """The configuration as the hub's pod loads it."""
    for name, value in CLUSTER.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SANDBOX_HUB_STATE", str(tmp_path))
    return PyFileConfigLoader("jupyterhub_config.py", path=str(FOLDER)).load_config()


@pytest.fixture
def pod(configured: Config, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The pod of a person, as KubeSpawner sends it to the cluster."""
    # There is no cluster here to be connected with; everything else of the spawner is real.
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda _: None)

    async def rendered() -> dict[str, Any]:
        spawner = KubeSpawner(_mock=True, config=configured)
        spawner.user.name = "li.wang@city.example"
        manifest = await spawner.get_pod_manifest()
        async with kubernetes_asyncio.client.ApiClient() as client:
            found: dict[str, Any] = client.sanitize_for_serialization(manifest)
        return found

    return {"apiVersion": "v1", "kind": "Pod", **asyncio.run(rendered())}


def test_the_rendered_pod_is_valid_and_sealed(pod: dict[str, Any]) -> None:
    kubernetes_validate.validate(pod, VERSION, strict=True)
    spec = pod["spec"]
    assert spec["runtimeClassName"] == of("RuntimeClass")[0]["metadata"]["name"]
    assert of("RuntimeClass")[0]["handler"] == "runsc"
    assert spec["serviceAccountName"] == "room"
    assert spec["automountServiceAccountToken"] is False
    assert spec["dnsPolicy"] == "None"
    assert spec["enableServiceLinks"] is False
    assert not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
    assert [sorted(set(volume) - {"name"}) for volume in spec["volumes"]] == [
        ["persistentVolumeClaim"],
        ["emptyDir"],
    ]
    assert restricted(spec) == []
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"] == {
        "cpu": 2.5,
        "memory": (3072 + 1024) * 2**20,
        "ephemeral-storage": "1Gi",
    }


def restricted(spec: Mapping[str, Any]) -> list[str]:
    """Where a pod breaks the standard "restricted" (Kubernetes, Pod Security Standards)."""
    whole = spec.get("securityContext", {})
    wrong = []
    for each in [*spec["containers"], *spec.get("initContainers", [])]:
        own = {**whole, **each.get("securityContext", {})}
        checks = {
            "not root": own.get("runAsNonRoot") is True and own.get("runAsUser", 1) != 0,
            "no new privileges": own.get("allowPrivilegeEscalation") is False,
            "not privileged": not own.get("privileged"),
            "no capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "seccomp": own.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "no ports of the machine": not any("hostPort" in port for port in each.get("ports", [])),
            "plain proc": own.get("procMount", "Default") == "Default",
        }
        wrong += [f"{each['name']}: {name}" for name, holds in checks.items() if not holds]
    kinds = {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected", "downwardAPI", "csi"}
    wrong += [volume["name"] for volume in spec.get("volumes", []) if not (set(volume) & kinds)]
    return wrong


def test_the_trusted_parts_are_sealed_as_well() -> None:
    for each in of("Deployment"):
        spec = each["spec"]["template"]["spec"]
        assert restricted(spec) == []
        assert all(one["securityContext"]["readOnlyRootFilesystem"] for one in spec["containers"])
        assert all({"cpu", "memory"} <= one["resources"]["limits"].keys() for one in spec["containers"])
        # Only the hub talks to the cluster.
        assert spec["automountServiceAccountToken"] is (each["metadata"]["name"] == "hub")
    assert not any(account["automountServiceAccountToken"] for account in of("ServiceAccount"))
    for namespace in of("Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_hub_can_start_pods_and_nothing_else() -> None:
    (role,) = of("Role")
    assert role["metadata"]["namespace"] == "rooms"
    assert not of("ClusterRole")
    rights = {name: set(rule["verbs"]) for rule in role["rules"] for name in rule["resources"]}
    assert rights.keys() == {"pods", "persistentvolumeclaims", "events"}
    assert {"create", "delete"} <= rights["pods"]
    (binding,) = of("RoleBinding")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hub", "namespace": "data-sandbox"}]


def chosen(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses something with these labels."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", [])
    )


def reaches(source: tuple[str, Mapping[str, str]], target: tuple[str, Mapping[str, str]], port: int) -> bool:
    """Whether the policies let one pod open TCP to another: both sides must allow it (stateful, additive)."""

    def passes(side: str, word: str, here: tuple[str, Mapping[str, str]], there: Any) -> bool:
        mine = [
            policy["spec"]
            for policy in of("NetworkPolicy")
            if policy["metadata"]["namespace"] == here[0]
            and side in policy["spec"]["policyTypes"]
            and chosen(policy["spec"]["podSelector"], here[1])
        ]
        return not mine or any(
            allowed(rule, word, here[0], there) for spec in mine for rule in spec.get(side.lower(), [])
        )

    def allowed(rule: Mapping[str, Any], word: str, home: str, there: Any) -> bool:
        if not any(one["protocol"] == "TCP" and one["port"] == port for one in rule.get("ports", [])):
            return False
        return word not in rule or any(peer(one, home, there) for one in rule[word])

    def peer(one: Mapping[str, Any], home: str, there: Any) -> bool:
        names = {"kubernetes.io/metadata.name": there[0]}
        in_namespace = (
            chosen(one["namespaceSelector"], names) if "namespaceSelector" in one else there[0] == home
        )
        return in_namespace and chosen(one.get("podSelector", {}), there[1])

    return passes("Egress", "to", source, target) and passes("Ingress", "from", target, source)


OUTSIDE: tuple[str, Mapping[str, str]] = ("", {})


def test_a_persons_pod_reaches_the_hub_and_the_api_and_nobody_else(pod: dict[str, Any]) -> None:
    room = ("rooms", pod["metadata"]["labels"])
    parts = {
        each["metadata"]["name"]: ("data-sandbox", each["spec"]["template"]["metadata"]["labels"])
        for each in of("Deployment")
    }
    dns = ("kube-system", {"k8s-app": "kube-dns"})
    everybody = {**parts, "neighbour": room, "dns": dns, "outside": OUTSIDE}
    pairs = [(name, port) for name in everybody for port in (53, 80, 443, 6443, 8001, 8081, 8443, 8765, 8888)]

    def from_to(source: Any, target: Any) -> set[tuple[str, int]]:
        return {
            (name, port)
            for name, port in pairs
            if reaches(source or everybody[name], target or everybody[name], port)
        }

    assert from_to(room, None) == {("hub", 8081), ("api", 8765)}
    assert from_to(None, room) == {("proxy", 8888), ("hub", 8888)}
    assert from_to(parts["api"], None) == {("hub", 8081)}
    assert {name for name, _ in from_to(OUTSIDE, None)} == {"proxy", "dns", "outside"}
    assert ("proxy", 8001) not in from_to(OUTSIDE, None)


def test_what_the_pod_is_told_needs_no_name_and_no_key(pod: dict[str, Any], configured: Config) -> None:
    (container,) = pod["spec"]["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    assert told["SANDBOX_URL"] == "http://10.96.0.13:8765"
    assert told["JUPYTERHUB_COOKIE_OPTIONS"] == '{"secure": true}'
    assert told["SANDBOX_ROOM_WORK"] == "/home/person/work"
    kept_away = ("SANDBOX_HUB", "SANDBOX_OIDC", "SANDBOX_PASSPHRASE")
    assert not [name for name in told if name.startswith(kept_away)]
    assert Path(told["JUPYTER_CONFIG_DIR"], "migrated").is_file()
    assert container["args"][1:3] == ["-m", "sandbox.rooms.server"]
    assert "jupyterhub-singleuser" in container["args"]
    assert not [word for word in container["args"] if "{" in word]
    assert configured.KubeSpawner.server_token_scopes == roles.server_scopes()
    hub = JupyterHub(config=configured)
    assert hub.hub_connect_url == "http://10.96.0.11:8081"
    assert hub.load_roles == roles.hub_roles()


def test_the_ports_of_the_services_are_those_of_the_parts() -> None:
    open_ports = {
        each["metadata"]["name"]: {
            port["containerPort"]
            for one in each["spec"]["template"]["spec"]["containers"]
            for port in one["ports"]
        }
        for each in of("Deployment")
    }
    for service in of("Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in open_ports[service["spec"]["selector"]["part"]]
    public = [each["metadata"]["name"] for each in of("Service") if each["spec"]["type"] != "ClusterIP"]
    assert public == ["public"]


def test_rooms_have_a_quota() -> None:
    (quota,) = of("ResourceQuota")
    assert quota["metadata"]["namespace"] == "rooms"
    assert {"pods", "limits.cpu", "limits.memory", "requests.storage"} <= quota["spec"]["hard"].keys()
    (limits,) = of("LimitRange")
    assert limits["metadata"]["namespace"] == "rooms"


def test_the_page_names_every_manifest() -> None:
    named = {coded(row[0])[0] for row in rows("kubernetes.md", columns=2)}
    assert named == {path.name for path in FOLDER.iterdir() if path.is_file()} - {"__init__.py"}
