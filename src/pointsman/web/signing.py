"""Coming in and going out: passwords, single sign-on, invitations, and one's own account."""

from __future__ import annotations

import os

from pointsman.app import members, oidc, resets, sessions
from pointsman.app.people import myself, person_told
from pointsman.app.sessions import SESSION_COOKIE
from pointsman.core.people import MIN_PASSWORD, SignedIn
from pointsman.errors import PointsmanError
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import with_query


def home(visit: Visit) -> Answer:
    """The first page of whoever is signed in."""
    return visit.go(f"/projects/{visit.project}/catalogue")


def sign_in_page(visit: Visit) -> Answer:
    """The form to sign in with, and the button of single sign-on where there is one."""
    return _sign_in_form(visit, _inside(visit.ask("to")))


def sign_in(visit: Visit) -> Answer:
    """Open a session, and go where the visitor wanted to."""
    email, to = visit.given("email").strip(), _inside(visit.given("to"))
    try:
        signed = sessions.sign_in(visit.app, email, visit.given("password"), visit.address)
    except PointsmanError as error:
        return _sign_in_form(visit, to, email, error)
    return _let_in(signed, to)


def sign_out(visit: Visit) -> Answer:
    """End the session."""
    sessions.sign_out(visit.app, visit.caller, visit.session)
    return Answer(status=303, location="/sign-in", cookies={SESSION_COOKIE: None})


def join_page(visit: Visit) -> Answer:
    """Whom an invitation is for, and the form to accept it with."""
    return _join_form(visit, visit.ask("token"))


def join(visit: Visit) -> Answer:
    """Accept an invitation, and be signed in."""
    token = visit.given("token")
    try:
        signed = sessions.accept_invitation(
            visit.app,
            token,
            visit.given("password"),
            visit.given("name"),
            visit.address,
            visit.given("email"),
        )
    except PointsmanError as error:
        return _join_form(visit, token, error)
    return _let_in(signed)


def reset_page(visit: Visit) -> Answer:
    """The form for a new password, for who was given a link to it."""
    return _reset_form(visit, visit.ask("token"))


def reset(visit: Visit) -> Answer:
    """Set a new password, and be signed in with it."""
    token, password = visit.given("token"), visit.given("password")
    try:
        person = resets.redeem_reset(visit.app, token, password)
        signed = sessions.sign_in(visit.app, person.email, password, visit.address)
    except PointsmanError as error:
        return _reset_form(visit, token, error)
    return _let_in(signed)


def account_page(visit: Visit) -> Answer:
    """Oneself: the name and the password."""
    return _account(visit)


def change_account(visit: Visit) -> Answer:
    """Change one's own name or password."""
    deed = visit.given("deed")
    try:
        if deed == "password":
            sessions.change_password(
                visit.app,
                visit.caller,
                visit.given("old"),
                visit.given("new"),
                visit.session,
                visit.address,
            )
            return visit.go("/account", "Your password is changed. Your other sessions ended.")
        email = visit.caller.actor.email
        members.rename_person(visit.app, visit.caller, email, visit.given("name"))
    except PointsmanError as error:
        return _account(visit, deed, error)
    return visit.go("/account", f"You are called {visit.given('name').strip()} now.")


def status_at_door(error: PointsmanError) -> int:
    """The status with which a page at the door tells an error: waiting has one of its own."""
    return 429 if error.code == "too_many_attempts" else status_of(error)


def _sign_in_form(
    visit: Visit, to: str, email: str = "", error: PointsmanError | None = None
) -> Answer:
    return visit.page(
        "sign_in.html",
        status=200 if error is None else status_at_door(error),
        onward=to,
        email=email,
        ended=visit.ask("ended") == "yes",
        single_sign_on=oidc.is_set_up(os.environ),
        error=None if error is None else told(error),
    )


def _join_form(visit: Visit, token: str, error: PointsmanError | None = None) -> Answer:
    invitation, known = None, False
    try:
        invitation, known = sessions.show_invitation(visit.app, token)
    except PointsmanError as problem:
        error = problem
    return visit.page(
        "join.html",
        status=200 if error is None else status_at_door(error),
        token=token,
        invitation=invitation,
        known=known,
        email=visit.given("email"),
        name=visit.given("name") or (invitation.name if invitation else ""),
        shortest=MIN_PASSWORD,
        error=None if error is None else told(error),
    )


def _reset_form(visit: Visit, token: str, error: PointsmanError | None = None) -> Answer:
    person = None
    try:
        person = resets.show_reset(visit.app, token)
    except PointsmanError as problem:
        error = error or problem
    return visit.page(
        "reset.html",
        status=200 if error is None else status_at_door(error),
        token=token,
        person=person,
        shortest=MIN_PASSWORD,
        error=None if error is None else told(error),
    )


def _account(visit: Visit, deed: str = "", error: PointsmanError | None = None) -> Answer:
    return visit.page(
        "account.html",
        status=200 if error is None else status_at_door(error),
        person=visit.see(lambda view: person_told(myself(view))),
        name=visit.given("name"),
        shortest=MIN_PASSWORD,
        deed=deed,
        error=None if error is None else told(error),
    )


def _let_in(signed: SignedIn, to: str = "") -> Answer:
    return Answer(status=303, location=to or "/", cookies={SESSION_COOKIE: signed.token})


def _inside(to: str) -> str:
    """An address of ours to go on to; empty for any other."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else ""


def signed_out(visit: Visit, wanted: str) -> str:
    """Where to sign in, to go on from there; says so where a session has ended."""
    return with_query("/sign-in", to=wanted, ended="yes" if visit.token else "")


PAGES = (
    Page("GET", "/", home),
    Page("GET", "/sign-in", sign_in_page, open=True),
    Page("POST", "/sign-in", sign_in, open=True),
    Page("POST", "/sign-out", sign_out),
    Page("GET", "/join", join_page, open=True),
    Page("POST", "/join", join, open=True),
    Page("GET", "/welcome", join_page, open=True),
    Page("POST", "/welcome", join, open=True),
    Page("GET", "/reset", reset_page, open=True),
    Page("POST", "/reset", reset, open=True),
    Page("GET", "/account", account_page),
    Page("POST", "/account", change_account),
)
