"""Who sends a request: MLflow's clients say a user name and a password, or a bearer token.

The password, or the token, is a key of ours; the user name before a key says nothing. A person
may give an e-mail address and a password instead: the first request signs in, which takes its
time on purpose, and the following ones use that session.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from starlette.requests import Request

from pointsman.app import sessions
from pointsman.app.application import Application, Caller
from pointsman.app.gate import Gate
from pointsman.errors import InvalidInput, Unauthenticated
from pointsman.wire.running import Runner, admit_secret

MAX_SESSIONS: Final = 1_000
VIA: Final = "mlflow"
_HINT: Final = (
    "Set MLFLOW_TRACKING_TOKEN to a key (pm_…), or MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD to any name and a key, or to your e-mail address and password."
)


class Signing:
    """Tells who sends a request. For one event loop."""

    def __init__(self, app: Application, gate: Gate, runner: Runner) -> None:
        self._app = app
        self._gate = gate
        self._runner = runner
        self._sessions: OrderedDict[bytes, str] = OrderedDict()
        self._secret = secrets.token_bytes(32)

    async def caller(self, request: Request) -> Caller:
        """Who sends it, in the project that its workspace names, or else the key's own.

        Raises `Unauthenticated`, or `Refused` for a project that is not the caller's.
        """
        headers = request.headers
        project = headers.get("x-mlflow-workspace") or headers.get("pointsman-project", "")
        scheme, _, said = headers.get("authorization", "").partition(" ")
        said = said.strip()
        if scheme.lower() == "bearer" and said.isascii():
            admitted = await admit_secret(said, project, self._gate, self._runner)
        elif scheme.lower() == "basic":
            name, password = _pair(said)
            if password.startswith(("pm_", "ps_")) and password.isascii():
                admitted = await admit_secret(password, project, self._gate, self._runner)
            else:
                address = request.client.host if request.client else ""
                return await self._person(name, password, project, address)
        elif scheme:
            raise Unauthenticated(
                "The Authorization header is neither Basic nor Bearer.",
                code="invalid_authorization",
                hint=_HINT,
            )
        else:
            raise Unauthenticated("The request has no key.", code="no_key", hint=_HINT)
        return _through_mlflow(admitted.caller)

    async def _person(self, email: str, password: str, project: str, address: str) -> Caller:
        """A person, by the session that an earlier request opened, or by a new one."""
        given = f"{email}\n{password}".encode(errors="replace")
        # What is remembered is of no use to whoever reads it in memory.
        mark = hmac.digest(self._secret, given, hashlib.sha256)
        token = self._sessions.get(mark)
        if token is not None:
            try:
                admitted = await admit_secret(token, project, self._gate, self._runner)
                return _through_mlflow(admitted.caller)
            except Unauthenticated:
                self._sessions.pop(mark, None)

        def sign_in() -> str:
            try:
                return sessions.sign_in(self._app, email, password, address).token
            except InvalidInput as error:  # the name is no address, so the password is no key
                raise Unauthenticated(
                    "The password is not a key, and the user name is not an e-mail address.",
                    code="invalid_authorization",
                    hint=_HINT,
                ) from error

        token = await self._runner.off_loop(sign_in, slow=True)
        self._sessions[mark] = token
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        admitted = await admit_secret(token, project, self._gate, self._runner)
        return _through_mlflow(admitted.caller)


def _pair(said: str) -> tuple[str, str]:
    """User name and password of a Basic authorization."""
    try:
        text = base64.b64decode(said, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated(
            "The Basic authorization can't be read.", code="invalid_authorization", hint=_HINT
        ) from error
    name, _, password = text.partition(":")
    return name, password


def _through_mlflow(caller: Caller) -> Caller:
    return Caller(replace(caller.actor, via=VIA), caller.project)
