"""The pages as an ASGI application: who visits, which page, and what every answer carries.

A page never runs what somebody wrote: everything is escaped, and the policy that browsers are
told allows scripts and styles from here alone. A request that changes anything must come from
one of these pages: browsers say where it comes from (`Sec-Fetch-Site`, or else `Origin`).
"""

from __future__ import annotations

import gzip
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pointsman.app.application import Application, Caller
from pointsman.app.gate import Gate
from pointsman.app.ports import ProjectRow
from pointsman.app.ports.trying import Models
from pointsman.app.sessions import NOBODY, SESSION_COOKIE
from pointsman.app.tail import Tail
from pointsman.core.vocabulary import moment
from pointsman.errors import (
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from pointsman.web import routes
from pointsman.web.rendering import Templates
from pointsman.web.signing import signed_out
from pointsman.web.visit import Answer, Later, Page, Visit, status_of, told
from pointsman.web.words import KINDS

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_FORM: Final = 4 << 20
NOTE: Final = "pointsman_note"
_NOWHERE: Final = Caller(NOBODY, ProjectRow(0, "", "", 0))
GUARDS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_WILDCARDS: Final = {
    "name": "(?P<name>[^:]+)",
    "kind": f"(?P<kind>{'|'.join(KINDS)})",
    "number": "(?P<number>[0-9]{1,15})",
}
_log = logging.getLogger("pointsman")


class OffLoop(Protocol):
    """Runs a function that may block on a thread."""

    def __call__(self, work: Callable[[], T], *, slow: bool = False) -> Awaitable[T]: ...


class Site:
    """What people see. `stream` answers `/api/v1/watch` for who presents a token, `models` are
    asked when somebody tries a prompt."""

    def __init__(
        self,
        app: Application,
        tail: Tail,
        gate: Gate,
        off_loop: OffLoop,
        stream: ASGI,
        models: Models,
    ) -> None:
        self._app = app
        self._models = models
        self._tail = tail
        self._gate = gate
        self._off_loop = off_loop
        self._stream = stream
        self._templates = Templates()
        self._routes = [(one, _compiled(one.pattern)) for one in routes.PAGES]
        self._rooms = {"static", *(_room(one.pattern) for one in routes.PAGES)} - {""}

    def answers(self, path: str) -> bool:
        """Whether an address is a page's."""
        return path == "/" or _room(path) in self._rooms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        path = scope["path"]
        if path.startswith("/static/"):
            response = self._static(path.removeprefix("/static/"), request)
        elif re.fullmatch("/projects/[^/:]+/live", path):
            await self._live(scope, request, receive, send)
            return
        else:
            try:
                response = await self._respond(request)
            except ClientDisconnect:
                return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        number = secrets.token_hex(6)
        path: str = request.scope["path"]
        project = _project_in(path)
        token = request.cookies.get(SESSION_COOKIE, "")
        visit = Visit(
            app=self._app,
            models=self._models,
            caller=_NOWHERE,
            path={},
            query=_query(request),
            form={},
            here=path,
            zone=_zone(request.cookies.get("pointsman_zone", "")),
            token=token,
            address=request.client.host if request.client else "",
            origin=_origin(request),
            cookies=request.cookies,
            request_id=number,
        )
        try:
            method = "GET" if request.method == "HEAD" else request.method
            page, visit.path = self._found(method, visit.here)
            if method == "POST":
                check_same_site(request)
                visit.form = await _form(request)
            if token:
                await self._come_in(visit, project, needed=not page.open)
            slow = page.open or page.slow
            handled = await self._off_loop(lambda: _handled(page, visit), slow=slow)
            answer = await self._waited_for(handled)
        except ClientDisconnect:
            raise
        except Exception as error:
            answer = self._failed(visit, error)
        try:
            return await self._off_loop(lambda: self._made(request, visit, answer))
        except Exception as error:
            failed = self._failed(visit, error)
            return await self._off_loop(lambda: self._made(request, visit, failed))

    async def _waited_for(self, handled: Answer | Later) -> Answer:
        if isinstance(handled, Answer):
            return handled
        result = await handled.wait()
        return await self._off_loop(lambda: handled.show(result))

    async def _come_in(self, visit: Visit, project: str, *, needed: bool) -> None:
        try:
            admitted = await self._off_loop(lambda: self._gate.admit(visit.token, project=project))
        except Unauthenticated:
            if needed:
                raise
            return
        caller = admitted.caller
        visit.caller = Caller(replace(caller.actor, via="web"), caller.project)
        visit.session = admitted.session_id

    def _found(self, method: str, path: str) -> tuple[Page, Mapping[str, str]]:
        allowed = False
        for page, form in self._routes:
            match = form.fullmatch(path)
            if match is not None:
                if page.method == method:
                    found = match.groupdict()
                    if "kind" in found:
                        found["kind"] = KINDS[found["kind"]]
                    return page, found
                allowed = True
        if allowed:
            raise InvalidInput("This page does not take that.", hint="Go back, and try from there.")
        raise NotFound(
            "There is no such page.",
            code="page_not_found",
            hint="Look for what you want in the catalogue.",
        )

    def _failed(self, visit: Visit, error: Exception) -> Answer:
        if isinstance(error, Unauthenticated):
            if visit.form:
                # What was typed must not be lost: it stays on the page that sent it.
                return visit.page("signed_out.html", status=401, error=told(error))
            asked = urlencode(visit.query, doseq=True)
            wanted = f"{visit.here}?{asked}" if asked else visit.here
            return visit.go(signed_out(visit, "" if wanted == "/" else wanted))
        if isinstance(error, PointsmanError):
            return visit.page(
                "error.html", status=status_of(error), error=told(error), typed=_typed(visit)
            )
        _log.exception("Page %s failed (request %s)", visit.here, visit.request_id)
        wrong = Unavailable(
            "Something went wrong here, and it is not your fault.",
            hint="Try again; if it stays, give the request's number to who runs this server.",
        )
        return visit.page("error.html", status=500, error=told(wrong), typed=_typed(visit))

    def _made(self, request: Request, visit: Visit, answer: Answer) -> Response:
        headers = {**GUARDS, "cache-control": "no-store"}
        if answer.location:
            response = Response(status_code=answer.status, headers=headers)
            response.headers["location"] = answer.location
        elif answer.body is not None:
            response = Response(answer.body, answer.status, headers, answer.media)
            if answer.download:
                named = f"attachment; filename*=UTF-8''{quote(answer.download)}"
                response.headers["content-disposition"] = named
        else:
            response = self._rendered(request, visit, answer, headers)
        for name, value in answer.cookies.items():
            _set_cookie(response, name, value, secure=visit.origin.startswith("https:"))
        return response

    def _rendered(
        self, request: Request, visit: Visit, answer: Answer, headers: Mapping[str, str]
    ) -> Response:
        note = unquote(request.cookies.get(NOTE, ""))
        actor = visit.caller.actor
        shared = {
            "actor": None if visit.caller is _NOWHERE else actor,
            "here": visit.here,
            "theme": visit.cookies.get("pointsman_theme", ""),
            "request_id": visit.request_id,
            "note": note,
            "seq": 0 if visit.caller is _NOWHERE else self._tail.seen(visit.caller.project.id),
        }
        body = self._templates.render(
            answer.template,
            {**shared, **answer.context},
            project=visit.project or "default",
            now=moment(self._app.clock()),
            zone=visit.zone,
        )
        response = Response(
            status_code=answer.status, headers=dict(headers), media_type=answer.media
        )
        if "gzip" in request.headers.get("accept-encoding", "") and len(body) > 1_000:
            body = gzip.compress(body, 5)
            response.headers["content-encoding"] = "gzip"
        response.headers["vary"] = "Accept-Encoding, Cookie"
        response.headers["content-length"] = str(len(body))
        response.body = body
        if note:
            response.delete_cookie(NOTE, path="/")
        return response

    def _static(self, name: str, request: Request) -> Response:
        asset = self._templates.assets.get(name)
        if asset is None or request.method not in ("GET", "HEAD"):
            return Response("There is no such file.\n", 404, GUARDS, "text/plain")
        headers = {**GUARDS, "cache-control": "public, max-age=31536000, immutable"}
        headers["vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(asset.packed, 200, headers, asset.media)
        return Response(asset.body, 200, headers, asset.media)

    async def _live(self, scope: Scope, request: Request, receive: Receive, send: Send) -> None:
        """The journal's tail for a page that is open, to whom its session's cookie belongs."""
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            await Response("Only for pages from here.\n", 403, GUARDS)(scope, receive, send)
            return
        project = _project_in(scope["path"])
        kept = (b"accept", b"last-event-id", b"host")
        headers = [pair for pair in scope["headers"] if pair[0] in kept]
        token = request.cookies.get(SESSION_COOKIE, "")
        headers += [
            (b"authorization", f"Bearer {token}".encode("latin-1", "replace")),
            (b"pointsman-project", project.encode()),
        ]
        path = "/api/v1/watch"
        inner = {**scope, "path": path, "raw_path": path.encode(), "headers": headers}
        await self._stream(inner, receive, send)


def check_same_site(request: Request) -> None:
    """Raises `Refused` unless a request comes from one of our own pages."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    else:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc == request.headers.get("host"):
            return
    raise Refused(
        "This was sent from another site, so nothing was done.",
        code="cross_site",
        hint="Open the page here, and do it there.",
    )


def _handled(page: Page, visit: Visit) -> Answer | Later:
    if not page.open and visit.caller is _NOWHERE:
        raise Unauthenticated("Nobody is signed in.", code="missing_key")
    return page.handler(visit)


def _query(request: Request) -> dict[str, list[str]]:
    """What the address asks; bytes that are no text can't be meant, and are shown as such."""
    text = request.scope["query_string"].decode("utf-8", "replace")
    return parse_qs(text, keep_blank_values=True)


async def _form(request: Request) -> dict[str, list[str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidInput("This is not a form.", hint="Send it from its page.")
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > MAX_FORM:
            raise TooLarge("The form is larger than 4 MB.", code="body_too_large")
        parts.append(part)
    try:
        text = b"".join(parts).decode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=5_000)
    except ValueError as error:
        raise InvalidInput("The form can't be read.", hint="Send it from its page.") from error


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", pattern)
    made = "".join(
        re.escape(part) if index % 2 == 0 else _WILDCARDS.get(part, f"(?P<{part}>[^/:]+)")
        for index, part in enumerate(parts)
    )
    return re.compile(made)


def _room(path: str) -> str:
    """The first part of an address."""
    return path.removeprefix("/").partition("/")[0]


def _project_in(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "projects" else ""


def _typed(visit: Visit) -> list[tuple[str, str]]:
    """What was typed into a form that failed, so that it can be copied from the error page."""
    hidden = ("password", "old", "new", "secret", "key")
    return [
        (name, value)
        for name, values in visit.form.items()
        for value in values
        if len(value) > 20 and name not in hidden
    ]


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(unquote(name)) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC


def _origin(request: Request) -> str:
    scheme = request.headers.get("x-forwarded-proto", request.scope["scheme"]).partition(",")[0]
    return f"{scheme}://{request.headers.get('host', '')}"


def _set_cookie(response: Response, name: str, value: str | None, *, secure: bool) -> None:
    if value is None:
        response.delete_cookie(name, path="/")
        return
    hours = 7 * 24 if name == SESSION_COOKIE else None
    response.set_cookie(
        name,
        value if name == SESSION_COOKIE else quote(value),
        max_age=hours * 3600 if hours else None,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
