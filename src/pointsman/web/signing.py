"""Coming in and going out."""

from __future__ import annotations

from pointsman.app import sessions
from pointsman.app.sessions import SESSION_COOKIE
from pointsman.errors import PointsmanError
from pointsman.web.visit import Answer, Page, Visit, told
from pointsman.web.words import with_query


def home(visit: Visit) -> Answer:
    """The first page of whoever is signed in."""
    return visit.go(f"/projects/{visit.project}/catalogue")


def sign_in_page(visit: Visit) -> Answer:
    """The form to sign in with."""
    return visit.page("sign_in.html", onward=_inside(visit.ask("to")), email="", error=None)


def sign_in(visit: Visit) -> Answer:
    """Open a session, and go where the visitor wanted to."""
    email, to = visit.given("email").strip(), _inside(visit.given("to"))
    try:
        signed = sessions.sign_in(visit.app, email, visit.given("password"), visit.address)
    except PointsmanError as error:
        return visit.page("sign_in.html", status=401, onward=to, email=email, error=told(error))
    return Answer(status=303, location=to or "/", cookies={SESSION_COOKIE: signed.token})


def sign_out(visit: Visit) -> Answer:
    """End the session."""
    sessions.sign_out(visit.app, visit.caller, visit.session)
    return Answer(status=303, location=with_query("/sign-in"), cookies={SESSION_COOKIE: None})


def _inside(to: str) -> str:
    """An address of ours to go on to; empty for any other."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else ""


PAGES = (
    Page("GET", "/", home),
    Page("GET", "/sign-in", sign_in_page, open=True),
    Page("POST", "/sign-in", sign_in, open=True),
    Page("POST", "/sign-out", sign_out),
)
