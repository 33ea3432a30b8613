"""The sandbox's API as a notebook server reaches it, for a person whose token stays outside of kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from ssl import SSLContext

import httpx

NO_LIMITS = httpx.Limits()


@dataclass(frozen=True, slots=True, repr=False)
class Upstream:
    """The sandbox API, and as whom to call it.

    Attributes:
        url: of the service.
        token: of the person whose server this is.

    """

    url: str
    token: str

    def line(self, timeout: httpx.Timeout | float, limits: httpx.Limits = NO_LIMITS) -> httpx.AsyncClient:
        """Connections to it: no redirect is followed, nothing of the environment is heard."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=timeout,
            limits=limits,
            follow_redirects=False,
            trust_env=False,
            verify=_trusted(),
        )


@cache
def _trusted() -> SSLContext:
    """Read once: reading the authorities takes longer than everything else before a kernel starts."""
    return httpx.create_ssl_context(trust_env=False)
