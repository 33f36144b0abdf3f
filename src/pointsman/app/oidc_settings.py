"""What single sign-on is set up with, read from the environment and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pointsman.core.access import ROLES
from pointsman.core.people import INSTALLATION, check_project
from pointsman.core.vocabulary import Role
from pointsman.errors import InvalidInput

CALLBACK = "/auth/oidc/callback"
"""Where the provider sends browsers back to, below the server's address."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A role that a group of the provider gives, in a project or in `installation`."""

    project: str
    role: Role


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server has to know of the provider."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect: str
    """The base address of this server as browsers see it, without a slash at the end."""
    groups_claim: str = "groups"
    roles: Mapping[str, tuple[Mapped, ...]] = field(default_factory=dict)

    @property
    def callback(self) -> str:
        """Where the provider sends browsers back to."""
        return self.redirect + CALLBACK

    @property
    def secure(self) -> bool:
        """Whether browsers come by TLS."""
        return self.redirect.startswith("https:")


def settings_of(environ: Mapping[str, str]) -> Settings | None:
    """The settings in an environment; None without any.

    Raises `InvalidInput` for some that are missing or wrong.
    """
    needed = {
        name: environ.get(name, "").strip()
        for name in (
            "POINTSMAN_OIDC_ISSUER",
            "POINTSMAN_OIDC_CLIENT_ID",
            "POINTSMAN_OIDC_CLIENT_SECRET",
            "POINTSMAN_OIDC_REDIRECT",
        )
    }
    if not any(needed.values()):
        return None
    for name, value in needed.items():
        if not value:
            raise _wrong_setting(name, "is missing", "Single sign-on needs it; see the settings.")
    issuer, client_id, client_secret, redirect = needed.values()
    for name in ("POINTSMAN_OIDC_ISSUER", "POINTSMAN_OIDC_REDIRECT"):
        if not safe_address(needed[name]) or "?" in needed[name] or "#" in needed[name]:
            raise _wrong_setting(
                name,
                "is not the https address of a server",
                "Give one without ? and #; http is for 127.0.0.1 and localhost alone.",
            )
    return Settings(
        issuer=issuer,
        client_id=client_id,
        client_secret=client_secret,
        redirect=redirect.rstrip("/"),
        groups_claim=environ.get("POINTSMAN_OIDC_GROUPS_CLAIM") or "groups",
        roles=_roles_of(environ.get("POINTSMAN_OIDC_ROLES") or "{}"),
    )


def safe_address(url: str) -> bool:
    """Whether secrets may travel to a URL: by TLS, or within this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.username is not None or not host:
        return False
    here = host in ("127.0.0.1", "localhost", "::1")
    return parts.scheme == "https" or (parts.scheme == "http" and here)


def _roles_of(text: str) -> dict[str, tuple[Mapped, ...]]:
    try:
        spelt = json.loads(text)
    except ValueError as error:
        raise _wrong_roles(f"is not JSON: {error}") from error
    if not isinstance(spelt, dict):
        raise _wrong_roles("is not a JSON object")
    return {
        group: tuple(_mapped(group, one) for one in (given if isinstance(given, list) else [given]))
        for group, given in spelt.items()
    }


def _mapped(group: str, given: object) -> Mapped:
    known = {"project", "role", "installation"}
    if not isinstance(given, dict) or not given.keys() <= known:
        raise _wrong_roles(f"has, for {group!r}, something else than {', '.join(sorted(known))}")
    role, everywhere = given.get("role"), given.get("installation", False)
    if role not in ROLES or not isinstance(everywhere, bool):
        raise _wrong_roles(f"has no role for {group!r} among {', '.join(ROLES)}")
    if everywhere:
        if role != "admin" or "project" in given:
            raise _wrong_roles(f"gives {group!r} the installation: that goes with admin alone")
        return Mapped(INSTALLATION, "admin")
    try:
        return Mapped(check_project(given.get("project", "")), role)
    except InvalidInput as error:
        raise _wrong_roles(f"names no project for {group!r}: {error.message}") from error


def _wrong_roles(why: str) -> InvalidInput:
    return _wrong_setting(
        "POINTSMAN_OIDC_ROLES",
        why,
        'Write it like {"ml-team": {"project": "default", "role": "editor"}}.',
    )


def _wrong_setting(name: str, why: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{name} {why}.", code="invalid_oidc_setting", hint=hint, field=name)


# A sign-in from its beginning to its end
