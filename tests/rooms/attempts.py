"""Attempts to get out of a room. The same file is read outside, for the table, and run inside, for the proof.

An attempt that returns nothing has got out. What it raises, or the words that it returns, must be what the
table says; `by` names what stood in its way.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOUNTS = "mount namespace"
READ_ONLY = "read-only mounts"
NETWORK = "network namespace"
PROCESSES = "process namespace"
SECCOMP = "system calls by an allow list"
CAPABILITIES = "no capabilities"
PRIVILEGES = "no new privileges"
LIMITS = "resource limits"
EMPTY = "an environment without secrets"
DEVICES = "few devices"

Act = Callable[[], "str | None"]


@dataclass(frozen=True)
class Attempt:
    """One attempt: what it tries, what blocks it, and how that shows."""

    group: str
    what: str
    by: str
    shows: str
    act: Act


ATTEMPTS: list[Attempt] = []
OUTSIDE: dict[str, Any] = {}
NUMBERS: dict[str, int] = {}


def attempt(group: str, what: str, by: str, *shows: str) -> Callable[[Act], Act]:
    def kept(act: Act) -> Act:
        ATTEMPTS.append(Attempt(group, what, by, " or ".join(shows), act))
        return act

    return kept


def call(name: str, *arguments: Any) -> None:
    """One system call by its number, past every library."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(NUMBERS[name]), *arguments) == -1:
        found = ctypes.get_errno()
        raise OSError(found, os.strerror(found))


def secret() -> bytes:
    """What must not be found in here; handed in backwards, so that the handing in is not found."""
    return str(OUTSIDE["backwards"])[::-1].encode()


def reading(path: str) -> Act:
    def act() -> None:
        with open(path, "rb") as file:
            file.read(1)

    return act


def writing(path: str) -> Act:
    def act() -> None:
        with open(path, "ab") as file:
            file.write(b"x")

    return act


def calling(name: str, *arguments: Any) -> Act:
    return lambda: call(name, *arguments)


def family(number: int) -> Act:
    def act() -> None:
        socket.socket(number, socket.SOCK_DGRAM).close()

    return act


def outcome(one: Attempt) -> str:
    try:
        said = one.act()
    except OSError as error:
        if isinstance(error, socket.gaierror):
            return "no name is resolved"
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        return "EOPNOTSUPP" if name == "ENOTSUP" else name
    except Exception as error:
        return type(error).__name__
    return "GOT OUT" if said is None else said


# Files

for _path, _what in (
    ("/etc/shadow", "the machine's passwords"),
    ("/etc/machine-id", "the machine's identity"),
    ("/etc/ssh/sshd_config", "the machine's settings"),
    ("/root/.bashrc", "the administrator's home"),
    ("/var/log/dpkg.log", "the machine's logs"),
    ("/var/lib/dpkg/status", "the machine's state"),
    ("/run/utmp", "who is logged in"),
    ("/proc/1/root/etc/shadow", "the machine's passwords through process 1"),
    ("/../../../../etc/shadow", "the machine's passwords by climbing"),
    ("/proc/self/root/etc/shadow", "the machine's passwords through its own root"),
):
    attempt("files", f"read {_what}: `{_path}`", MOUNTS, "ENOENT")(reading(_path))


@attempt("files", "read a file of another user", MOUNTS, "ENOENT")
def _() -> None:
    reading(OUTSIDE["file"])()


@attempt("files", "list the folder of the instance", MOUNTS, "ENOENT")
def _() -> None:
    os.listdir(OUTSIDE["instance"])


@attempt("files", "read the socket folder of another kernel", MOUNTS, "ENOENT")
def _() -> None:
    os.listdir(OUTSIDE["neighbour"])


@attempt("files", "read through a symbolic link planted in a writable folder", MOUNTS, "ENOENT")
def _() -> None:
    with contextlib.suppress(FileExistsError):
        os.symlink(OUTSIDE["file"], "/tmp/planted")
    reading("/tmp/planted")()


@attempt("files", "hard-link a system file into a writable folder", MOUNTS, "EXDEV")
def _() -> None:
    os.link("/usr/bin/env", "/tmp/env-linked")


@attempt("files", "hard-link a file of another user", MOUNTS, "ENOENT")
def _() -> None:
    os.link(OUTSIDE["file"], "/tmp/linked")


@attempt("files", "rename a writable folder over a mount", READ_ONLY, "EROFS", "EXDEV", "EBUSY")
def _() -> None:
    os.makedirs("/tmp/swap", exist_ok=True)
    os.rename("/tmp/swap", "/usr")


for _path, _what in (
    ("/usr/planted", "the system's programs"),
    ("/usr/bin/env", "a system program"),
    ("/planted", "the root folder"),
    ("/etc/passwd", "the accounts"),
    ("/dev/planted", "the folder of devices"),
    ("/opt/sandbox/sandbox/client/__init__.py", "the client SDK"),
    ("/opt/sandbox/start_kernel.py", "the program that starts the kernel"),
    ("/proc/sys/kernel/core_pattern", "the kernel's crash program"),
    ("/proc/sys/vm/overcommit_memory", "the kernel's memory rules"),
):
    attempt("files", f"change {_what}: `{_path}`", READ_ONLY, "EROFS", "EACCES")(writing(_path))


@attempt("files", "change the packages of the environment", READ_ONLY, "EROFS")
def _() -> None:
    writing(os.path.join(os.path.dirname(os.__file__), "planted.py"))()


@attempt("files", "plant a file beside its own sockets", READ_ONLY, "EROFS", "EACCES")
def _() -> None:
    writing(os.path.join(os.path.dirname(os.environ["SANDBOX_SOCKET"]), "planted"))()


@attempt("files", "remove its own door and bind another", READ_ONLY, "EROFS", "EACCES", "EPERM")
def _() -> None:
    os.unlink(os.environ["SANDBOX_SOCKET"])


# Environment and processes


@attempt("environment", "find a token, key or passphrase among its variables", EMPTY, "nothing is there")
def _() -> str | None:
    words = ("TOKEN", "KEY", "SECRET", "PASS", "HUB", "HOME=/root")
    found = [name for name in os.environ if any(word in name for word in words)]
    return None if found else "nothing is there"


@attempt(
    "environment",
    "find a secret among the variables of process 1",
    EMPTY,
    "nothing is there",
    "EACCES",
    "EPERM",
)
def _() -> str | None:
    with open("/proc/1/environ", "rb") as file:
        text = file.read()
    return None if secret() in text or b"TOKEN" in text else "nothing is there"


@attempt("environment", "find the secret of the server in any process", PROCESSES, "nothing is there")
def _() -> str | None:
    for name in filter(str.isdecimal, os.listdir("/proc")):
        for file in ("environ", "cmdline"):
            with contextlib.suppress(OSError), open(f"/proc/{name}/{file}", "rb") as seen:
                if secret() in seen.read():
                    return None
    return "nothing is there"


@attempt("processes", "see a process of the machine", PROCESSES, "only its own")
def _() -> str | None:
    found = sum(name.isdecimal() for name in os.listdir("/proc"))
    return "only its own" if found <= 4 else None


@attempt("processes", "signal a process of the machine by its number", PROCESSES, "ESRCH")
def _() -> None:
    os.kill(OUTSIDE["pid"], 0)


@attempt("processes", "kill process 1 of the room from inside", PROCESSES, "no effect")
def _() -> str | None:
    os.kill(1, 9)
    return "no effect" if os.path.exists("/proc/1/stat") else None


@attempt("processes", "open a descriptor of the machine's process", PROCESSES, "ESRCH", "EINVAL")
def _() -> None:
    os.pidfd_open(OUTSIDE["pid"])


@attempt(
    "processes", "find a secret in the memory of process 1", EMPTY, "nothing is there", "EACCES", "EPERM"
)
def _() -> str | None:
    with open("/proc/1/maps", encoding="ascii") as maps, open("/proc/1/mem", "rb", buffering=0) as memory:
        for line in maps:
            first, last = (int(edge, 16) for edge in line.split()[0].split("-"))
            with contextlib.suppress(OSError, OverflowError, ValueError):
                memory.seek(first)
                if secret() in memory.read(min(last - first, 1 << 24)):
                    return None
    return "nothing is there"


@attempt("processes", "take over process 1, which the room's user owns", SECCOMP, "sealed like the rest")
def _() -> str | None:
    with open("/proc/1/status", encoding="ascii") as file:
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    sealed = status["Seccomp"] == "2" and status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == 0
    return "sealed like the rest" if sealed else None


@attempt(
    "processes", "see how process 1 is mounted, by its root", PROCESSES, "nothing is there", "EACCES", "EPERM"
)
def _() -> str | None:
    return None if os.path.exists("/proc/1/root" + OUTSIDE["file"]) else "nothing is there"


for _name, _arguments, _what in (
    ("ptrace", (16, 1, 0, 0), "attach to process 1"),
    ("ptrace", (0, 0, 0, 0), "be traced by its parent"),
    ("process_vm_readv", (1, 0, 0, 0, 0, 0), "read another process's memory"),
    ("process_vm_writev", (1, 0, 0, 0, 0, 0), "write another process's memory"),
    ("process_madvise", (0, 0, 0, 0, 0), "advise on another process's memory"),
    ("pidfd_getfd", (0, 0, 0), "take a descriptor of another process"),
    ("kcmp", (1, 1, 0, 0, 0), "compare kernel objects"),
    ("move_pages", (0, 0, 0, 0, 0, 0), "move another process's pages"),
):
    attempt("processes", f"{_what}: `{_name}`", SECCOMP, "ENOSYS")(calling(_name, *_arguments))

# Namespaces, mounts, identities, the kernel

for _flag, _what in (
    (0x10000000, "user"),
    (0x40000000, "network"),
    (0x00020000, "mount"),
    (0x20000000, "process"),
    (0x02000000, "control group"),
):
    attempt("namespaces", f"make a {_what} namespace: `unshare`", SECCOMP, "ENOSYS")(
        calling("unshare", _flag)
    )
for _flag, _what in ((0x10000000, "user"), (0x40000000, "network"), (0x00020000, "mount")):
    attempt("namespaces", f"start a process in a new {_what} namespace: `clone`", SECCOMP, "ENOSYS")(
        calling("clone", _flag | 17, 0, 0, 0, 0)
    )
attempt("namespaces", "start a process by flags in memory: `clone3`", SECCOMP, "ENOSYS")(
    calling("clone3", 0, 0)
)
attempt("namespaces", "enter another namespace: `setns`", SECCOMP, "ENOSYS")(calling("setns", 0, 0))
for _name in (
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "fsopen",
    "fsmount",
    "open_tree",
    "move_mount",
    "mount_setattr",
):
    attempt("mounts", f"change what is mounted: `{_name}`", SECCOMP, "ENOSYS")(calling(_name, 0, 0, 0, 0, 0))
for _name in ("name_to_handle_at", "open_by_handle_at"):
    attempt("mounts", f"reach a file by its handle: `{_name}`", SECCOMP, "ENOSYS")(
        calling(_name, 0, 0, 0, 0, 0)
    )
for _name in ("setuid", "setgid", "setresuid", "setgroups", "setfsuid", "capset"):
    attempt("identities", f"become another user: `{_name}`", SECCOMP, "ENOSYS")(calling(_name, 0, 0, 0))


@attempt("identities", "become root through a set-user-id program", PRIVILEGES, "still the same user")
def _() -> str | None:
    done = subprocess.run(["/bin/su", "-c", "id -u"], capture_output=True, text=True, check=False, timeout=20)
    return None if done.stdout.strip() == "0" else "still the same user"


@attempt("identities", "make a set-user-id program of its own", PRIVILEGES, "still the same user")
def _() -> str | None:
    with open("/usr/bin/id", "rb") as program, open("/tmp/id", "wb") as copy:
        copy.write(program.read())
    os.chmod("/tmp/id", 0o6755)
    done = subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True, check=False, timeout=20)
    return "still the same user" if done.stdout.strip() == "1000" else None


for _name in (
    "keyctl",
    "add_key",
    "request_key",
    "bpf",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "userfaultfd",
    "perf_event_open",
    "fanotify_init",
    "seccomp",
    "landlock_create_ruleset",
    "memfd_secret",
    "vmsplice",
    "mbind",
    "mq_open",
):
    attempt("kernel", f"use a large interface of the kernel: `{_name}`", SECCOMP, "ENOSYS")(
        calling(_name, 0, 0, 0, 0, 0, 0)
    )
for _name in (
    "kexec_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "acct",
    "quotactl",
    "syslog",
    "vhangup",
):
    attempt("kernel", f"change the machine: `{_name}`", SECCOMP, "ENOSYS")(calling(_name, 0, 0, 0, 0, 0))
attempt("kernel", "type into a terminal: `ioctl(TIOCSTI)`", SECCOMP, "ENOSYS")(calling("ioctl", 0, 0x5412, 0))
attempt("kernel", "switch off address randomisation: `personality`", SECCOMP, "ENOSYS")(
    calling("personality", 0x0040000)
)
attempt("kernel", "rewrite its own memory map: `prctl(PR_SET_MM)`", SECCOMP, "ENOSYS")(
    calling("prctl", 35, 0, 0, 0, 0)
)
attempt(
    "kernel", "change the machine by its emergency keys: `/proc/sysrq-trigger`", READ_ONLY, "EROFS", "ENOENT"
)(writing("/proc/sysrq-trigger"))
attempt("kernel", "read the kernel's memory: `/proc/kcore`", CAPABILITIES, "EPERM", "EACCES", "ENOENT")(
    reading("/proc/kcore")
)


@attempt("kernel", "call in through another ABI (x32)", SECCOMP, "killed", "ENOSYS")
def _() -> str | None:
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else None


# Devices

for _path in (
    "/dev/mem",
    "/dev/kmsg",
    "/dev/kvm",
    "/dev/fuse",
    "/dev/vda",
    "/dev/sda",
    "/dev/loop-control",
    "/dev/net/tun",
    "/dev/vsock",
    "/sys/kernel/debug",
    "/sys/fs/cgroup",
):
    attempt("devices", f"open `{_path}`", DEVICES, "ENOENT")(reading(_path))
attempt("devices", "make a device: `mknod`", SECCOMP, "ENOSYS")(
    calling("mknod", b"/tmp/disk", 0o60600, 0xFE00)
)
attempt("devices", "make a device: `mknodat`", SECCOMP, "ENOSYS")(
    calling("mknodat", -100, b"/tmp/disk", 0o60600, 0xFE00)
)

# Network


def connecting(kind: int, address: Any, how: int = socket.SOCK_STREAM) -> Act:
    def act() -> None:
        with socket.socket(kind, how) as line:
            line.settimeout(3)
            line.connect(address)
            line.send(b"x")

    return act


@attempt("network", "reach a port on the machine's loopback", NETWORK, "ECONNREFUSED")
def _() -> None:
    connecting(socket.AF_INET, ("127.0.0.1", OUTSIDE["port"]))()


@attempt("network", "reach an abstract Unix socket of the machine", NETWORK, "ECONNREFUSED")
def _() -> None:
    connecting(socket.AF_UNIX, "\0" + OUTSIDE["abstract"])()


@attempt("network", "reach the door of another kernel", MOUNTS, "ENOENT")
def _() -> None:
    connecting(socket.AF_UNIX, OUTSIDE["neighbour"] + "/api.sock")()


for _address, _what in (
    (("1.1.1.1", 443), "a public address"),
    (("169.254.169.254", 80), "a cloud's metadata"),
    (("10.0.0.1", 80), "a private address"),
):
    attempt("network", f"reach {_what}", NETWORK, "ENETUNREACH")(connecting(socket.AF_INET, _address))
attempt("network", "send a datagram to a name server", NETWORK, "ENETUNREACH")(
    connecting(socket.AF_INET, ("8.8.8.8", 53), socket.SOCK_DGRAM)
)
attempt("network", "reach an IPv6 address", NETWORK, "ENETUNREACH", "EADDRNOTAVAIL")(
    connecting(socket.AF_INET6, ("2606:4700:4700::1111", 443))
)


@attempt("network", "resolve a name", NETWORK, "no name is resolved")
def _() -> None:
    socket.getaddrinfo("example.com", 443)


for _path in ("/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/tmp/.X11-unix/X0"):
    attempt("network", f"reach the service at `{_path}`", MOUNTS, "ENOENT")(connecting(socket.AF_UNIX, _path))
for _number, _what in (
    (16, "netlink"),
    (17, "packet"),
    (40, "vsock"),
    (38, "kernel cryptography (AF_ALG)"),
    (15, "key management (AF_KEY)"),
    (21, "RDS"),
    (29, "CAN"),
    (30, "TIPC"),
    (31, "Bluetooth"),
    (44, "XDP"),
):
    attempt("network", f"open a socket of another family: {_what}", SECCOMP, "EOPNOTSUPP")(family(_number))


@attempt("network", "open a raw socket", CAPABILITIES, "EPERM")
def _() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()


@attempt("network", "listen where the outside could call", NETWORK, "nobody outside calls")
def _() -> str | None:
    with socket.create_server(("127.0.0.1", OUTSIDE["port"])) as line:
        line.settimeout(0.2)
        try:
            line.accept()
        except TimeoutError:
            return "nobody outside calls"
    return None


# Resources


def raising(what: int, to: int) -> Act:
    def act() -> None:
        soft, hard = resource.getrlimit(what)
        del soft
        try:
            resource.setrlimit(what, (to, to))
        except ValueError:
            raise PermissionError(errno.EPERM, f"the limit is {hard}") from None

    return act


attempt("resources", "raise its own limit of open files", LIMITS, "EPERM")(
    raising(resource.RLIMIT_NOFILE, 1 << 20)
)
attempt("resources", "raise its own limit of file size", LIMITS, "EPERM")(
    raising(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
)
attempt("resources", "leave a core file", LIMITS, "EPERM")(raising(resource.RLIMIT_CORE, 1 << 20))


@attempt("resources", "open files without end", LIMITS, "EMFILE")
def _() -> None:
    kept = []
    try:
        while len(kept) < 1 << 20:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for descriptor in kept:
            os.close(descriptor)


@attempt("resources", "fill its /tmp", "bounded scratch folders", "ENOSPC")
def _() -> None:
    block = b"\0" * (1 << 20)
    try:
        with open("/tmp/fill", "wb", buffering=0) as file:
            for _ in range(1 << 14):
                if file.write(block) < len(block):
                    raise OSError(errno.ENOSPC, "short")
    finally:
        os.unlink("/tmp/fill")


@attempt("resources", "fill its shared memory", "bounded scratch folders", "ENOSPC")
def _() -> None:
    block = b"\0" * (1 << 20)
    try:
        with open("/dev/shm/fill", "wb", buffering=0) as file:
            for _ in range(1 << 14):
                if file.write(block) < len(block):
                    raise OSError(errno.ENOSPC, "short")
    finally:
        os.unlink("/dev/shm/fill")


@attempt("resources", "run before everybody else: real-time scheduling", LIMITS, "EPERM")
def _() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))


@attempt("resources", "run before everybody else: priority", LIMITS, "EACCES", "EPERM")
def _() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, -10)


@attempt("resources", "lock memory", LIMITS, "EPERM", "ENOMEM")
def _() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    space = ctypes.create_string_buffer(1 << 20)
    if libc.mlock(space, 1 << 20) == -1:
        raise OSError(ctypes.get_errno(), "mlock")


def run(outside: dict[str, Any], numbers: dict[str, int]) -> list[str]:
    """Inside: try everything, each in a process of its own, and tell what stood in the way."""
    OUTSIDE.update(outside)
    NUMBERS.update(numbers)
    found = []
    for one in ATTEMPTS:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            said = outcome(one)
            os.write(writer, said.encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        found.append(said or f"killed by signal {os.WTERMSIG(status)}")
    return found


if __name__ == "__main__":
    print(json.dumps(run(*json.loads(sys.argv[1]))), flush=True)
