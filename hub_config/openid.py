"""Login by OpenID Connect: oauthenticator's dance, and the checks of who says what that it leaves out.

Rules
- Code flow with PKCE and state. An ID token counts when the issuer signed it, for this hub, and it is in
  time; what userinfo says counts when it is about the same subject.
- A name is taken as it is, never folded, so that no two people of the issuer become one here; an e-mail
  address is a name only when the issuer verified it.
- Groups are the names of roles; every other group is left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from oauthenticator.generic import GenericOAuthenticator
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError
from traitlets import Unicode

from hub_config import roles
from hub_config.issuer import discover

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 30
TOKEN_DAYS = 7


class OpenIDAuthenticator(GenericOAuthenticator):
    """Logs people of an issuer in, with the roles that a claim of theirs names."""

    issuer = Unicode(help="The issuer, exactly as it calls itself.").tag(config=True)
    keys_url = Unicode(help="Where the issuer's keys are.").tag(config=True)
    groups_claim = Unicode("groups", help="Claim that lists a person's groups.").tag(config=True)
    name_claim = Unicode("sub", help="Claim that names a person.").tag(config=True)

    def normalize_username(self, username: str) -> str:
        """The name as it is."""
        return username

    def user_info_to_username(self, user_info: Mapping[str, Any]) -> str:
        """The claim that names the person.

        Raises:
            HTTPError: 403, it names nobody for sure.

        """
        name = user_info.get(self.name_claim)
        if not isinstance(name, str) or not name:
            raise HTTPError(403, f"The issuer sent no claim {self.name_claim}.")
        if self.name_claim == "email" and user_info.get("email_verified") is not True:
            raise HTTPError(403, "The issuer did not verify this e-mail address.")
        return name

    async def get_user_groups(self, auth_state: Mapping[str, Any]) -> set[str]:
        """The roles among the groups of a person; none when the claim is no list."""
        groups = auth_state[self.user_auth_state_key].get(self.groups_claim)
        return {each for each in groups if each in roles.ROLES} if isinstance(groups, list) else set()

    async def get_token_info(self, handler: Any, params: Mapping[str, str]) -> dict[str, Any]:
        """Tokens for a code.

        Raises:
            HTTPError: 403, the issuer does not take the code: it is old, used, or another browser's.

        """
        try:
            found: dict[str, Any] = await super().get_token_info(handler, params)
        except HTTPClientError as error:
            if error.code >= 500:
                raise
            raise HTTPError(403, "The issuer does not take this login: log in again.") from None
        return found

    async def token_to_user(self, token_info: Mapping[str, Any]) -> dict[str, Any]:
        """What the issuer says of a person, by ID token and userinfo together.

        Raises:
            HTTPError: 403, one of them cannot be believed.

        """
        said = await self._proved(token_info.get("id_token"))
        more: dict[str, Any] = await super().token_to_user(token_info)
        if more.get("sub") != said["sub"]:
            raise HTTPError(403, "The issuer spoke of two people.")
        return {**more, **said}

    async def _proved(self, token: object) -> dict[str, Any]:
        """The claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7)."""
        keys = jwt.PyJWKSet.from_dict(await self.httpfetch(self.keys_url, "The issuer's keys", method="GET"))
        try:
            if not isinstance(token, str):
                raise jwt.InvalidTokenError("there is none")
            number = jwt.get_unverified_header(token).get("kid")
            # A provider with one key need not number it.
            key = next(each for each in keys.keys if number is None or each.key_id == number)
            said: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.client_id,
                issuer=self.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
            parties = said.get(
                "azp", self.client_id if said["aud"] in (self.client_id, [self.client_id]) else ""
            )
            if parties != self.client_id:
                raise jwt.InvalidAudienceError("it was made for somebody else")
        except (jwt.PyJWTError, StopIteration) as error:
            self.log.warning("An ID token was refused: %s", error)
            raise HTTPError(403, "The issuer's ID token cannot be believed.") from None
        return said


def configure(c: Any) -> None:
    """Set the authenticator."""
    issuer = os.environ["SANDBOX_OIDC_ISSUER"]
    found = discover(issuer)
    c.JupyterHub.authenticator_class = OpenIDAuthenticator
    login = c.OpenIDAuthenticator
    login.issuer = issuer
    login.client_id = os.environ["SANDBOX_OIDC_CLIENT"]
    login.client_secret = Path(os.environ["SANDBOX_OIDC_SECRET_FILE"]).read_text("utf-8").strip()
    login.authorize_url = found["authorization_endpoint"]
    login.token_url = found["token_endpoint"]
    # Without a word on it, by basic authentication (OpenID Connect Discovery 1.0, section 3).
    login.basic_auth = "client_secret_post" not in found.get("token_endpoint_auth_methods_supported", [])
    login.userdata_url = found["userinfo_endpoint"]
    login.keys_url = found["jwks_uri"]
    login.oauth_callback_url = os.environ["SANDBOX_OIDC_CALLBACK"]
    login.scope = os.environ.get("SANDBOX_OIDC_SCOPE", "openid profile groups").split()
    login.name_claim = os.environ.get("SANDBOX_OIDC_NAME", "sub")
    login.groups_claim = os.environ.get("SANDBOX_OIDC_GROUPS", "groups")
    login.manage_groups = True
    login.enable_pkce = True
    login.allowed_groups = set(roles.ROLES)
    login.login_service = os.environ.get("SANDBOX_OIDC_TITLE", "your organisation")
    # Roles are read at a login: so neither it nor what was made under it lasts.
    c.JupyterHub.cookie_max_age_days = 1
    c.JupyterHub.token_expires_in_max_seconds = TOKEN_DAYS * 86_400
