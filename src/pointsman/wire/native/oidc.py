"""Single sign-on for browsers, and the operations by which its codes and resets are redeemed.

`/auth/oidc/login` sends a browser to the provider, which sends it back to
`/auth/oidc/callback`. The only other place that it is ever sent to is a port of the person's
own machine, where a command line listens.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pointsman.app import oidc, resets
from pointsman.app.application import Application
from pointsman.app.sessions import SESSION_COOKIE
from pointsman.core.people import NewReset, Person, SignedIn
from pointsman.errors import NotFound, PointsmanError
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Route, Run

SIGN_IN_COOKIE = "pointsman_sign_in"
_PATH = "/auth/oidc"
_GUARDS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Secret = Annotated[str, Meta(extra_json_schema={"format": "password"})]


class CodeBody(Struct, forbid_unknown_fields=True):
    """The code that a command line was handed, and the verifier that only it has."""

    code: Secret
    verifier: Secret


class RedeemBody(Struct, forbid_unknown_fields=True):
    """The token that an admin made, and the password to sign in with from now on."""

    token: Secret
    password: Secret


class LoginQuery(Struct, forbid_unknown_fields=True):
    """Nothing from browsers; from a command line its port and its challenge."""

    cli: int | None = None
    challenge: str = ""


class SignOnPages:
    """What browsers are answered below `/auth/oidc`; `settled` runs a task off the loop."""

    def __init__(self, app: Application) -> None:
        self._sign_on = oidc.sign_on_of(app, os.environ)

    def begin(self, query: LoginQuery) -> Response:
        """Send a browser to the provider."""
        sign_on = self._there()
        begun = sign_on.begin(query.cli, query.challenge)
        response = RedirectResponse(begun.address, 303, _GUARDS)
        response.set_cookie(
            SIGN_IN_COOKIE,
            begun.cookie,
            max_age=oidc.SIGN_IN_LASTS,
            path=_PATH,
            secure=sign_on.settings.secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def finish(self, answer: Mapping[str, str], cookie: str) -> Response:
        """Take a browser back that comes from the provider."""
        sign_on = self._there()
        done = sign_on.finish(answer, cookie)
        if isinstance(done, oidc.Handed):
            there = f"http://127.0.0.1:{done.port}/?code={done.code}"
            response = RedirectResponse(there, 303, _GUARDS)
        else:
            response = RedirectResponse("/", 303, _GUARDS)
            response.set_cookie(
                SESSION_COOKIE,
                done.token,
                expires=done.expires_at,
                path="/",
                secure=sign_on.settings.secure,
                httponly=True,
                samesite="lax",
            )
        response.delete_cookie(SIGN_IN_COOKIE, path=_PATH, httponly=True)
        return response

    def _there(self) -> oidc.SignOn:
        if isinstance(self._sign_on, NotFound):
            raise NotFound(self._sign_on.message, code=self._sign_on.code, hint=self._sign_on.hint)
        return self._sign_on


def told_as_page(request: Request, error: PointsmanError, status: int) -> Response | None:
    """An error as a page, for who wants to read one; None for programs."""
    if "text/html" not in request.headers.get("accept", ""):
        return None
    body = f"<h1>You are not signed in</h1><p>{escape(error.message)}</p>"
    body += f'<p>{escape(error.hint)}</p><p><a href="/sign-in">Back to signing in</a></p>'
    return _page(status, body)


def _page(status: int, body: str) -> Response:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Pointsman</title>'
        "<style>body{font:1rem/1.5 system-ui;max-width:44rem;margin:4rem auto;padding:0 1rem}"
        "pre{overflow:auto;padding:1rem;background:#8882}</style>"
        f"<main>{body}</main></html>\n"
    )
    return Response(text, status, _GUARDS, media_type="text/html")


def _redeem_code(call: Call) -> Run:
    body: CodeBody = call.body
    return Run(lambda app, _: oidc.redeem_sign_in(app, body.code, body.verifier))


def _reset(call: Call) -> Run:
    return Run(lambda app, caller: resets.reset_password(app, caller, call.path["email"]))


def _redeem_reset(call: Call) -> Run:
    body: RedeemBody = call.body
    return Run(lambda app, _: resets.redeem_reset(app, body.token, body.password))


def _created(_: Any) -> int:
    return 201


MAKING = ("/sessions/code", "/people/{email}/reset")
"""Where something is made: answered with 201."""

ROUTES: tuple[Route, ...] = (
    Route("POST", "/sessions/code", "read", "Finish a single sign-on of a command line",
          _redeem_code, SignedIn, body=CodeBody, status=_created, open=True, own=True, once=False),
    Route("POST", "/sessions/reset", "read", "Set a new password by a token", _redeem_reset,
          Person, body=RedeemBody, open=True, own=True, once=False),
    Route("POST", "/people/{email}/reset", "admin", "Make a token for a new password", _reset,
          NewReset, body=shapes.Nothing, status=_created, once=False),
)  # fmt: skip
