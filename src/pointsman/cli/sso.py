"""Single sign-on from a command line: the browser signs in, and hands a one-time code back.

As RFC 8252 has it: the code comes to a port of this machine that is open for this one time,
and is worth nothing without the verifier, which never leaves this process.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import click

from pointsman.cli.connect import connect_to
from pointsman.errors import Unauthenticated, Unavailable

PATIENCE = 600.0
"""Seconds that the person may take."""
_SAID = b"You are signed in. You can close this page and go back to the command line.\n"


def token_by_browser(url: str, *, opens: bool) -> str:
    """The token of a session that somebody opens in a browser; if `opens`, it is started.

    Raises `Unauthenticated` if nobody comes back in time, and what the server raises.
    """
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    with _Listener() as listener:
        port = listener.server_address[1]
        address = f"{url.rstrip('/')}/auth/oidc/login?cli={port}&challenge={challenge}"
        _check_offered(address)
        click.echo(f"Sign in at:\n\n    {address}\n", err=True)
        if opens:
            webbrowser.open(address)
        code = listener.wait()
    with connect_to(url) as anybody:
        return anybody.finish_sign_on(code, verifier).token


def _check_offered(address: str) -> None:
    """Raise what the server says if it does not lead to a provider: nobody need wait for that."""
    import urllib3

    from pointsman.sdk.calls import Reply, error_of

    try:
        reply = urllib3.request("GET", address, redirect=False, retries=False, timeout=30.0)
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(
            f"No registry answers at {address.partition('?')[0]}.",
            code="unreachable",
            hint="Check POINTSMAN_URL (or --url).",
        ) from error
    if reply.status != 303:
        try:
            body = json.loads(reply.data)
        except ValueError:
            body = None
        raise error_of(Reply(reply.status, {}, body))


class _Listener(HTTPServer):
    """Takes the code that a browser brings, on a free port of the loopback interface."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.code = ""

    def wait(self) -> str:
        end = time.monotonic() + PATIENCE
        while not self.code:
            self.timeout = end - time.monotonic()
            if self.timeout <= 0:
                raise Unauthenticated(
                    "Nobody signed in within ten minutes.",
                    code="sign_in_timeout",
                    hint="Run it again, and open the address in a browser on this machine.",
                )
            self.handle_request()
        return self.code


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 5

    def do_GET(self) -> None:
        """Take the code; whatever else is asked for is not here."""
        parts = urlsplit(self.path)
        codes = parse_qs(parts.query).get("code", [])
        found = parts.path == "/" and len(codes) == 1
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(_SAID) if found else 0))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        if found:
            self.wfile.write(_SAID)
            self.server.code = codes[0]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing of requests: their addresses hold the code."""
