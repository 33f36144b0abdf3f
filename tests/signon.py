"""A little provider of OpenID Connect on the loopback interface, and a browser that goes there.

It signs with real keys, checks PKCE and the client's secret, and can be told to misbehave.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from serving import Answer

CLIENT = "pointsman"
SECRET = "a secret between the two"
ROLES = {
    "ml-team": {"project": "default", "role": "editor"},
    "ml-leads": [
        {"project": "default", "role": "releaser"},
        {"project": "other", "role": "viewer"},
    ],
    "platform": {"role": "admin", "installation": True},
    "Not A Name": {"project": "default", "role": "viewer"},
}


def key_of(kind: str, kid: str) -> Key:
    """A new private key."""
    if kind == "RSA":
        return RSAKey.generate_key(2048, {"kid": kid})
    if kind == "EC":
        return ECKey.generate_key("P-256", {"kid": kid})
    return OKPKey.generate_key("Ed25519", {"kid": kid})


@dataclass
class Account:
    """Somebody at the provider."""

    subject: str
    email: str
    name: str = "Ana"
    groups: list[str] = field(default_factory=list)
    verified: object = True

    def claims(self) -> dict[str, Any]:
        return {
            "sub": self.subject,
            "email": self.email,
            "email_verified": self.verified,
            "name": self.name,
            "groups": self.groups,
        }


class LittleProvider:
    """Serves discovery, keys, authorization and tokens; whoever comes is `account`."""

    def __init__(self) -> None:
        self.account = Account("1", "ana@example.org", groups=["ml-team"])
        self.claims: dict[str, Any] = {}
        """Claims to say instead; None leaves one out."""
        self.keys: list[Key] = [key_of("RSA", "first")]
        self.signs_with: Key = self.keys[0]
        self.algorithm = "RS256"
        self.kid: str | None = "first"
        self.metadata: dict[str, Any] = {}
        """What to say about itself instead."""
        self.token_answer: tuple[int, dict[str, Any]] | None = None
        self.asked_for_keys = 0
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.issuer = f"http://127.0.0.1:{self.port}/realm"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def environment(self, redirect: str, roles: object = ROLES) -> dict[str, str]:
        """The settings of a server that trusts this provider."""
        return {
            "POINTSMAN_OIDC_ISSUER": self.issuer,
            "POINTSMAN_OIDC_CLIENT_ID": CLIENT,
            "POINTSMAN_OIDC_CLIENT_SECRET": SECRET,
            "POINTSMAN_OIDC_REDIRECT": redirect,
            "POINTSMAN_OIDC_ROLES": json.dumps(roles),
        }

    def rotate(self, kind: str, algorithm: str, kid: str) -> None:
        """Sign with a new key from now on, and list that one alone."""
        self.signs_with = key_of(kind, kid)
        self.keys, self.algorithm, self.kid = [self.signs_with], algorithm, kid

    def authorize(self, query: dict[str, str]) -> str:
        """Where to send the browser back to."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "session_state": "whatever"})
        return f"{query['redirect_uri']}?{back}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """What a code is exchanged for."""
        if self.token_answer is not None:
            return self.token_answer
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {basic}":
            return 401, {"error": "invalid_client"}
        begun = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if begun is None or begun["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if begun["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
            **self.account.claims(),
            **self.claims,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": self._sign(told)}

    def _sign(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm} | ({"kid": self.kid} if self.kid else {})
        if self.algorithm == "none":
            parts = (json.dumps(one).encode() for one in (header, claims))
            return (
                ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in parts) + "."
            )
        return jwt.encode(header, claims, self.signs_with, algorithms=[self.algorithm])

    def discovery(self) -> dict[str, Any]:
        """What it says about itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "scopes_supported": ["openid", "email", "groups"],
            **self.metadata,
        }

    def key_list(self) -> dict[str, Any]:
        """Its public keys, among others that are of no use."""
        self.asked_for_keys += 1
        others = [{"kty": "new", "kid": "x"}, {"kty": "oct", "k": "AAAA", "kid": "first"}, "?"]
        return {"keys": [*others, *(one.as_dict(private=False) for one in self.keys)]}


def _handler(provider: LittleProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/realm/authorize":
                query = {name: value[0] for name, value in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif parts.path == "/realm/.well-known/openid-configuration":
                self._say(200, provider.discovery())
            elif parts.path == "/realm/keys":
                self._say(200, provider.key_list())
            else:
                self._say(404, {})

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: value[0] for name, value in parse_qs(text).items()}
            self._say(*provider.token(form, self.headers.get("authorization", "")))

        def _say(self, status: int, told: dict[str, Any]) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    return Handler


class Browser:
    """Follows redirects, one at a time, and keeps cookies as a browser on one site does."""

    def __init__(self, **headers: str) -> None:
        self.cookies: dict[str, str] = {}
        self.headers = headers

    def get(self, url: str) -> Answer:
        """Ask once."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            sent = dict(self.headers)
            if self.cookies:
                sent["Cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
            connection.request("GET", f"{parts.path}?{parts.query}", headers=sent)
            response = connection.getresponse()
            for one in response.msg.get_all("set-cookie") or ():
                for name, kept in SimpleCookie(one).items():
                    if kept.value:
                        self.cookies[name] = kept.value
                    else:
                        self.cookies.pop(name, None)
            headers = {name.lower(): text for name, text in response.getheaders()}
            if "set-cookie" in headers:
                headers["set-cookie"] = "\n".join(response.msg.get_all("set-cookie") or ())
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def to_provider(self, url: str, query: str = "") -> str:
        """Begin to sign in at a server; the provider's address that it leads to."""
        begun = self.get(f"{url}/auth/oidc/login?{query}")
        assert begun.status == 303, begun
        return begun.headers["location"]

    def back_from(self, address: str) -> str:
        """Be let in by the provider; the server's address that it leads back to."""
        answer = self.get(address)
        assert answer.status == 302, answer
        return answer.headers["location"]

    def sign_in(self, url: str, query: str = "") -> Answer:
        """All of it; what the server answers in the end."""
        return self.get(self.back_from(self.to_provider(url, query)))
