"""A provider of OpenID Connect: where it is found, its keys, and the tokens that it signs.

Needs the extra `oidc`, so it is imported only where single sign-on is set up. Of what the
provider says nothing is believed but what a key of its own has signed, for this client, for
this very sign-in.
"""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import urllib3
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from authlib.oidc.discovery import get_well_known_url  # type: ignore[import-untyped]
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key

from pointsman.app.oidc_settings import Settings, safe_address
from pointsman.core.canonical import quoted
from pointsman.errors import Unauthenticated, Unavailable

# "EdDSA" has a newer name, at which the library warns; providers use either.
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)

ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""The signatures that are believed, and the type of key that each is made with."""
LEEWAY = 60
"""Seconds by which the provider's clock may be off."""
KEPT = 600.0
"""Seconds for which the provider's addresses are taken from memory."""
_TIMEOUT = urllib3.Timeout(connect=5, read=10)
_MOST_READ = 1 << 20


class OpenIdProvider:
    """A provider, as `app.oidc.Provider` says. Safe to use from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        self._metadata: tuple[dict[str, Any], float] | None = None
        self._keys: list[Key] = []
        self._lock = threading.Lock()

    def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser. Raises `Unavailable`."""
        scopes = ["openid", "email", "profile"]
        found = self._discovered()
        if "groups" in _texts(found.get("scopes_supported")):
            scopes.append("groups")
        return str(
            prepare_grant_uri(
                self._endpoint("authorization_endpoint"),
                client_id=self._settings.client_id,
                response_type="code",
                redirect_uri=self._settings.callback,
                scope=scopes,
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        )

    def vouch(self, code: str, nonce: str, verifier: str, now: float) -> Mapping[str, Any]:
        """The claims of the ID token that a code stands for, all of it verified.

        Raises `Unauthenticated`, or `Unavailable`.
        """
        told = self._exchanged(code, verifier)
        text = told.get("id_token")
        if not isinstance(text, str):
            raise _unbelievable("there is none")
        header, claims = self._signed(text)
        settings = self._settings
        token = CodeIDToken(
            claims,
            header,
            options={
                "iss": {"essential": True, "value": settings.issuer},
                "aud": {"essential": True, "value": settings.client_id},
            },
            params={
                "nonce": nonce,
                "client_id": settings.client_id,
                "access_token": told.get("access_token"),
            },
        )
        try:
            token.validate(now=int(now), leeway=LEEWAY)
        except (JoseError, TypeError, ValueError) as error:
            raise _unbelievable(str(error)) from error
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise _unbelievable("its subject is no text of 1 to 255 characters")
        return claims

    def _exchanged(self, code: str, verifier: str) -> dict[str, Any]:
        """What the provider gives for a code."""
        settings = self._settings
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=settings.callback,
            code=code,
            code_verifier=verifier,
        )
        supported = _texts(self._discovered().get("token_endpoint_auth_methods_supported"))
        post = "client_secret_post" in supported and "client_secret_basic" not in supported
        method = "client_secret_post" if post else "client_secret_basic"
        auth = ClientAuth(settings.client_id, settings.client_secret, method)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = auth.prepare("POST", self._endpoint("token_endpoint"), headers, body)
        status, told = self._ask("POST", url, headers, body)
        if status == 400 and told.get("error") == "invalid_grant":
            raise Unauthenticated(
                "The provider does not know the code, or not any more.",
                code="sign_in_refused",
                hint="Sign in again; if that doesn't help, ask who runs the provider.",
            )
        if status != 200:
            raise self._unavailable(
                f"answers {status} with the error {quoted(str(told.get('error', '')))}"
            )
        return told

    def _signed(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of a token that is signed by a key of the provider."""
        try:
            header = jws.extract_compact(text.encode()).headers()
        except (JoseError, ValueError) as error:
            raise _unbelievable("it can't be read") from error
        if header.get("alg") not in ALGORITHMS:
            raise _unbelievable(f"its algorithm is {quoted(str(header.get('alg')))}")
        for keys in self._key_sets():
            for key in keys:
                if _fits(key, header):
                    try:
                        token = jwt.decode(text, key, algorithms=list(ALGORITHMS))
                    except (JoseError, ValueError):
                        continue
                    return dict(token.header), dict(token.claims)
        raise _unbelievable("no key of the provider has signed it")

    def _key_sets(self) -> Iterator[list[Key]]:
        """The keys that are known, and if none of them will do, those of now."""
        if self._keys:
            yield self._keys
        _, told = self._ask("GET", self._endpoint("jwks_uri"))
        listed = told.get("keys")
        keys = [key for one in (listed if isinstance(listed, list) else []) for key in _key(one)]
        if not keys:
            raise self._unavailable("has no keys that can be used")
        self._keys = keys
        yield keys

    def _endpoint(self, name: str) -> str:
        url = self._discovered().get(name)
        inside = self._settings.issuer.startswith("http:")
        if (
            not isinstance(url, str)
            or not safe_address(url)
            or (url.startswith("http:") and not inside)
        ):
            raise self._unavailable(f"names no https address as its {name}")
        return url

    def _discovered(self) -> dict[str, Any]:
        """What the provider says about itself."""
        with self._lock:
            if self._metadata is not None and self._metadata[1] > time.monotonic():
                return self._metadata[0]
        issuer = self._settings.issuer
        status, told = self._ask("GET", get_well_known_url(issuer, external=True))
        if status != 200:
            raise self._unavailable(f"answers {status} when asked about itself")
        if told.get("issuer") != issuer:
            raise self._unavailable(
                f"calls itself {quoted(str(told.get('issuer')), max_chars=200)}"
            )
        with self._lock:
            self._metadata = told, time.monotonic() + KEPT
        return told

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON object that the provider answers with; redirects are not followed."""
        sent = {"Accept": "application/json", **(headers or {})}
        try:
            response = self._http.request(
                method,
                url,
                body=body.encode() or None,
                headers=sent,
                redirect=False,
                preload_content=False,
            )
            try:
                read = response.read(_MOST_READ, decode_content=True)
            finally:
                response.release_conn()
            told = json.loads(read)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unavailable("can't be reached") from error
        except ValueError as error:
            raise self._unavailable("answers with something else than JSON") from error
        return response.status, told if isinstance(told, dict) else {}

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(
            f"The provider of single sign-on at {self._settings.issuer} {why}.",
            code="provider_unavailable",
            hint="Try again in a moment. Keys, and passwords where people have one, still work.",
        )


def _fits(key: Key, header: Mapping[str, Any]) -> bool:
    if key.key_type != ALGORITHMS[header["alg"]]:
        return False
    return header.get("kid") is None or key.kid == header["kid"]


def _key(spelt: object) -> Iterator[Key]:
    """A key to verify with, if that is what was spelt: providers list others as well."""
    if isinstance(spelt, dict) and spelt.get("use", "sig") == "sig":
        try:
            key = JWKRegistry.import_key(spelt)
        except (JoseError, ValueError, TypeError, LookupError):
            return
        if key.key_type in ALGORITHMS.values():
            yield key


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _unbelievable(why: str) -> Unauthenticated:
    return Unauthenticated(
        f"The provider's ID token can't be believed: {why.rstrip('.')[:200]}.",
        code="invalid_id_token",
        hint="Sign in again; if that doesn't help, ask who runs the provider.",
    )
