"""Fetch over HTTP: every address checked and pinned, every size and time limited, retried with a cap.

Rules
- Redirects are followed five times at most; each goes through the same checks, none leads from TLS to plain
  HTTP, and a secret goes to the host that it was declared for and to no other.
- 429, 500, 502, 503, 504 and broken connections are tried again, `attempts` times in all, with growing pauses
  and as long as `Retry-After` says, up to a minute. A certificate that cannot be verified is not tried again.
- A body that breaks off goes on where it broke, by `Range` and `If-Range`, where the server names its
  version (a strong ETag); else the reading ends. A body that changed meanwhile ends it too.
- Compressed transfer is not asked for and not accepted. Errors name the URL without its query.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx

from connectors.addresses import pinned
from connectors.opening import unreadable
from connectors.options import Options, wrong
from connectors.secret import Secret
from connectors.time_limited import TimeLimitedTransport
from sandbox.errors import SandboxError

AuthKind = Literal["none", "bearer", "basic", "header", "query"]

_AGAIN = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_LONGEST_PAUSE = 60.0
_FIRST_PAUSE = 0.5
_TIMEOUT = httpx.Timeout(30, connect=10)


@dataclass(frozen=True, slots=True)
class Fetching:
    """How a source is fetched.

    Attributes:
        auth: how the secret is shown: as a bearer token, by user and password, in a header or a parameter.
        secret: it.
        auth_name: of the header or parameter; of the user for `basic`.
        private_hosts: hosts that may have addresses that are not public.
        ca: file of the authority that signed the server's certificate; empty means the system's.
        attempts: how often one request is tried.
        seconds: longest time of one reading.
        largest: most bytes of one response.

    """

    auth: AuthKind = "none"
    secret: Secret | None = None
    auth_name: str = ""
    private_hosts: frozenset[str] = field(default_factory=frozenset)
    ca: str = ""
    attempts: int = 5
    seconds: int = 3600
    largest: int = 4 << 30


def fetching(options: Options) -> Fetching:
    """The options that say how a source is fetched.

    Raises:
        SandboxError: ARGUMENT.

    """
    kinds: tuple[AuthKind, ...] = ("none", "bearer", "basic", "header", "query")
    none: AuthKind = "none"
    made = Fetching(
        auth=options.choice("auth", kinds, none),
        secret=options.secret("secret"),
        auth_name=options.text("auth_name"),
        private_hosts=frozenset(host.lower() for host in options.texts("private_hosts")),
        ca=options.text("ca"),
        attempts=options.whole("attempts", 5, 1, 20),
        seconds=options.whole("seconds", 3600, 1, 7 * 86_400),
        largest=options.whole("largest", 4 << 30, 1, 1 << 40),
    )
    if (made.auth == "none") != (made.secret is None):
        raise wrong("The options auth and secret belong together.", "As in auth: bearer, secret: env:TOKEN.")
    if made.auth in ("basic", "header", "query") and not made.auth_name:
        raise wrong(
            f"auth: {made.auth} needs the option auth_name.", "Name of the user, header or parameter."
        )
    return made


class Fetcher:
    """Makes requests for one source. One reading has one fetcher: its time is limited as a whole."""

    def __init__(self, location: str, how: Fetching) -> None:
        self._home = url_of(location)
        self._how = how
        self._ends = time.monotonic() + how.seconds
        self._clients: dict[str, httpx.Client] = {}

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """A response whose body was not read yet, after redirects and retries; its status is 200 or 206.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        response = self._tried(url_of(url), dict(headers or {}))
        try:
            yield response
        finally:
            response.close()

    def chunks(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The body, however often it breaks off.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        done, version, failures = 0, "", 0
        while True:
            again = {"Range": f"bytes={done}-", "If-Range": version} if done else {}
            with self.get(url, {**(headers or {}), **again}) as response:
                if done and not _goes_on(response, done):
                    raise unreadable(f"{shown(url)} changed while it was read.", "Load it again.")
                version = version or _version(response)
                try:
                    for chunk in response.iter_raw():
                        done += len(chunk)
                        failures = 0
                        if done > self._how.largest:
                            raise unreadable(
                                f"{shown(url)} is larger than {self._how.largest} bytes.",
                                "If it is right, raise the option largest.",
                            )
                        self._check_time(url)
                        yield chunk
                    return
                except httpx.TransportError:
                    self._check_time(url)
                    failures += 1
                    if (done and not version) or failures >= self._how.attempts:
                        raise unreadable(
                            f"{shown(url)} broke off.", "Nothing was changed; load it again."
                        ) from None
            self._pause(url, failures, None)

    def body(self, url: str, headers: Mapping[str, str] | None = None, *, most: int) -> bytes:
        """A whole body in memory.

        Raises:
            SandboxError: SOURCE_UNREADABLE, also for one of more than `most` bytes.

        """
        held = bytearray()
        for chunk in self.chunks(url, headers):
            held += chunk
            if len(held) > most:
                raise unreadable(
                    f"{shown(url)} is larger than {most} bytes.", "Ask for smaller pages, or fetch a file."
                )
        return bytes(held)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()

    def _tried(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        failures = 0
        while True:
            self._check_time(str(url))
            wait: float | None = None
            try:
                response = self._followed(url, headers)
                if response.status_code not in _AGAIN:
                    return self._accepted(url, response)
                wait = _retry_after(response)
                what = f"answered {response.status_code}"
                response.close()
            except httpx.TransportError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error) or "certificate" in str(error).lower():
                    raise unreadable(
                        f"{shown(str(url))} has no certificate that can be verified.",
                        "Name the authority that signed it by the option ca.",
                    ) from None
                what = "could not be reached"
            failures += 1
            if failures >= self._how.attempts:
                raise unreadable(
                    f"{shown(str(url))} {what}, {failures} times.", "Nothing was changed; try again later."
                )
            self._pause(str(url), failures, wait)

    def _followed(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        here = url
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._sent(here, headers)
            target = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not target:
                return response
            response.close()
            there = url_of(str(here.join(target)))
            if here.scheme == "https" and there.scheme != "https":
                raise unreadable(f"{shown(str(here))} leads from TLS to plain HTTP.", "Name the new place.")
            here = there
        raise unreadable(f"{shown(str(url))} leads from place to place without end.", "Check the URL.")

    def _sent(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        port = url.port or (443 if url.scheme == "https" else 80)
        address = pinned(url.host, port, self._how.private_hosts)
        sent = {"Accept-Encoding": "identity", "User-Agent": "data-sandbox", **headers}
        if (url.scheme, url.host, url.port) == (self._home.scheme, self._home.host, self._home.port):
            url, sent = self._signed(url, sent)
        sent["Host"] = url.netloc.decode("ascii")
        # The checked address is connected to; the certificate is checked against the name.
        request = self._client(url).build_request(
            "GET", url.copy_with(host=address), headers=sent, extensions={"sni_hostname": url.host}
        )
        return self._client(url).send(request, stream=True)

    def _client(self, url: httpx.URL) -> httpx.Client:
        # One for each host: connections are kept by address, and a certificate is good for its name only.
        client = self._clients.get(url.host)
        if client is None:
            try:
                context = ssl.create_default_context(cafile=self._how.ca or None)
            except OSError:
                raise wrong(
                    "The file of the option ca cannot be read.", "It holds PEM certificates."
                ) from None
            transport = TimeLimitedTransport(context, self._ends)
            client = httpx.Client(
                transport=transport, timeout=_TIMEOUT, trust_env=False, follow_redirects=False
            )
            self._clients[url.host] = client
        return client

    def _signed(self, url: httpx.URL, headers: dict[str, str]) -> tuple[httpx.URL, dict[str, str]]:
        if self._how.secret is None:
            return url, headers
        secret = self._how.secret.reveal()
        match self._how.auth:
            case "bearer":
                return url, headers | {"Authorization": f"Bearer {secret}"}
            case "header":
                return url, headers | {self._how.auth_name: secret}
            case "query":
                return url.copy_merge_params({self._how.auth_name: secret}), headers
            case _:
                auth = httpx.BasicAuth(self._how.auth_name, secret)
                signed = next(auth.sync_auth_flow(httpx.Request("GET", url)))
                return url, headers | {"Authorization": signed.headers["Authorization"]}

    def _accepted(self, url: httpx.URL, response: httpx.Response) -> httpx.Response:
        if response.status_code not in (200, 206):
            response.close()
            raise unreadable(
                f"{shown(str(url))} answered {response.status_code}.",
                "Check the URL, and the right to read it.",
            )
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise unreadable(
                f"{shown(str(url))} answered in a compression that was not asked for.",
                "Fetch it by other means and load the file.",
            )
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._how.largest:
            response.close()
            raise unreadable(
                f"{shown(str(url))} is larger than {self._how.largest} bytes.",
                "If it is right, raise the option largest.",
            )
        return response

    def _pause(self, url: str, failures: int, wait: float | None) -> None:
        pause = _FIRST_PAUSE * 2 ** (failures - 1) * (1 + random.random() / 4)  # noqa: S311
        pause = min(_LONGEST_PAUSE, pause if wait is None else max(wait, 0.0))
        if time.monotonic() + pause < self._ends:
            time.sleep(pause)
        else:
            raise self._too_slow(url)

    def _check_time(self, url: str) -> None:
        if time.monotonic() > self._ends:
            raise self._too_slow(url)

    def _too_slow(self, url: str) -> SandboxError:
        return unreadable(
            f"{shown(url)} took longer than {self._how.seconds} seconds.",
            "If it is right, raise the option seconds.",
        )


def url_of(text: str) -> httpx.URL:
    """A URL that may be fetched.

    Raises:
        SandboxError: SOURCE_UNREADABLE for what is no HTTP URL; ARGUMENT for one with a password, which is
            not repeated.

    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, UnicodeError):
        raise unreadable("A place to fetch from is no URL.", "It begins with https://.") from None
    if url.userinfo:
        raise wrong(
            "A user or password may not stand in the URL.", "Use the options auth and secret: env:NAME."
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise unreadable("A place to fetch from is no HTTP URL.", "It begins with https://.")
    return url


def shown(url: str) -> str:
    """A URL for people: no query, no user."""
    try:
        plain = httpx.URL(url).copy_with(query=None, fragment=None, username=None, password=None)
    except (httpx.InvalidURL, ValueError, SandboxError):
        return "The URL"
    return str(plain)


def _version(response: httpx.Response) -> str:
    tag: str = response.headers.get("etag", "")
    return "" if tag.startswith("W/") else tag


def _goes_on(response: httpx.Response, done: int) -> bool:
    return response.status_code == 206 and response.headers.get("content-range", "").startswith(
        f"bytes {done}-"
    )


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
