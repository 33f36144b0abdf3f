"""Providers of models: setting them, and opening them for evaluations.

They are read by whoever may read the project, and set by its admins. A key is sealed under the
master key before it is stored (`app.sealing`) and leaves the server with a call to the
provider's own address, never with an answer, an entry of the journal or an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.app.application import Application, View, Work
from pointsman.app.ports import ProjectRow, Reader
from pointsman.app.ports.providers import ProviderRow
from pointsman.app.sealing import KEY, KEY_FILE, Sealer, find_sealer
from pointsman.core.canonical import check_text
from pointsman.core.provider_settings import (
    FORGOTTEN,
    MAX_PROVIDERS,
    KeyWas,
    Provider,
    ProviderSettings,
    SavedProvider,
    became_of_key,
    check_key,
    check_settings,
    read_settings,
    write_settings,
)
from pointsman.core.vocabulary import moment
from pointsman.errors import Conflict, NotFound, PointsmanError, StaleRevision, TooLarge

FROM_ENVIRONMENT = "POINTSMAN_PROVIDERS_FROM_ENV"
_VARIABLES: Final = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


@dataclass(frozen=True, slots=True)
class OpenProvider:
    """A provider with its key, for what calls models. Its `repr` has no key.

    `problem` says why the key can't be read, if it can't.
    """

    settings: ProviderSettings
    secret: str = field(default="", repr=False)
    problem: str = ""

    @property
    def key(self) -> str:
        """The key; empty if there is none. Raises `Conflict` if it can't be read."""
        if self.problem:
            raise Conflict(
                f"The key of the provider {self.settings.name!r} can't be read: {self.problem}",
                code="provider_key_unreadable",
                hint=f"Put back the master key that it was set under ({KEY}, or {KEY_FILE} in the "
                "data folder), or set the key anew.",
                field="provider",
            )
        return self.secret


def list_providers(view: View) -> tuple[Provider, ...]:
    """The providers of the project, by their names."""
    view.require("read")
    return tuple(_told(_settings(row), row) for row in view.reader.providers(view.project.id))


def show_provider(view: View, name: str) -> Provider:
    """One provider. Raises `NotFound`."""
    view.require("read")
    row = _found(view, name)
    return _told(_settings(row), row)


def set_provider(
    work: Work,
    settings: ProviderSettings,
    *,
    key: str | None = None,
    if_revision: int | None = None,
) -> SavedProvider:
    """Make a provider, or replace the settings of the one of its name.

    Without a `key` the one that it has stays, unless it leads elsewhere now: then the key is
    forgotten. An empty `key` removes it.

    Raises `Refused` (admins only), `InvalidInput`, `TooLarge`, `StaleRevision`, and what
    `find_sealer` raises if a key can't be encrypted.
    """
    work.require_all("admin")
    given = None if key is None else check_key(key)
    row = work.tx.provider(work.project.id, settings.name)
    _check_revision(settings.name, row, if_revision)
    before = None if row is None or row.body is None else _settings(row)
    if before is None and len(work.tx.providers(work.project.id)) >= MAX_PROVIDERS:
        raise TooLarge(
            f"The project has {MAX_PROVIDERS} providers already.",
            code="too_many_providers",
            hint="Delete some.",
        )
    fate = became_of_key(before, settings, had=bool(row and row.sealed), given=given)
    body = write_settings(settings)
    if row is not None and row.body == body and fate in ("none", "kept"):
        return SavedProvider(_told(settings, row), fate)
    sealed = row.sealed if row is not None and fate == "kept" else ""
    if given:
        sealed = find_sealer(work.tx, make=True).seal(given, _place(work.project, settings))
    revision = row.revision + 1 if row is not None else 1
    made = ProviderRow(settings.name, body, sealed, revision, 0, work.actor.name)
    line = work.record("provider.set", {**fact_of(made), "key_was": fate})
    made = made._replace(updated_at=line.at)
    work.tx.put_provider(work.project.id, made)
    return SavedProvider(_told(settings, made), fate, _hint(fate))


def delete_provider(work: Work, name: str) -> None:
    """Delete a provider with its key. Raises `NotFound` or `Refused`."""
    work.require_all("admin")
    row = _found(work, name)
    gone = row._replace(body=None, sealed="", revision=row.revision + 1, updated_by=work.actor.name)
    line = work.record("provider.deleted", fact_of(gone))
    work.tx.put_provider(work.project.id, gone._replace(updated_at=line.at))


def open_providers(
    app: Application, project: ProjectRow, environ: Mapping[str, str] = os.environ
) -> Mapping[str, OpenProvider]:
    """The providers of a project with their keys, by name, for what calls models.

    A key that can't be read is a problem of its provider alone. With
    `POINTSMAN_PROVIDERS_FROM_ENV=1`, the two public providers are there as well if the
    environment has a key for them, unless the project has set its own.
    """
    with app.store.read() as reader:
        rows = reader.providers(project.id)
        sealer = _sealer(reader, environ) if any(row.sealed for row in rows) else ""
    found = {row.name: _opened(row, project, sealer) for row in rows}
    return {**_of_environment(environ), **found}


def fact_of(row: ProviderRow) -> dict[str, Any]:
    """What the journal says of a provider: all but the key, of which it has a fingerprint.

    The fingerprint is of the sealed key: it shows that the key was swapped, and tells nothing
    of it.
    """
    if row.body is None:
        return {"provider_name": row.name, "revision": row.revision}
    settings = _settings(row)
    sealed = hashlib.sha256(f"pointsman provider {row.sealed}".encode()).hexdigest()[:32]
    return {
        "provider_name": row.name,
        "api": settings.api,
        "base_url": settings.base_url,
        "concurrency": settings.concurrency,
        "per_minute": settings.per_minute,
        "timeout": settings.timeout,
        "prices": [
            [model, price.input, price.output] for model, price in sorted(settings.prices.items())
        ],
        "has_key": bool(row.sealed),
        "fingerprint": sealed if row.sealed else None,
        "revision": row.revision,
    }


def _place(project: ProjectRow, settings: ProviderSettings) -> str:
    """What a key is sealed for: this provider of this project, at this address."""
    return "\n".join(("pointsman provider", project.uid, settings.name, *settings.address))


def _opened(row: ProviderRow, project: ProjectRow, sealer: Sealer | str) -> OpenProvider:
    """The provider with its key; `sealer` is text where there is none, and says why."""
    settings = _settings(row)
    if not row.sealed:
        return OpenProvider(settings)
    if isinstance(sealer, str):
        return OpenProvider(settings, problem=sealer)
    secret = sealer.open(row.sealed, _place(project, settings))
    if secret is None:
        problem = "it was encrypted under another master key, or for another provider."
        return OpenProvider(settings, problem=problem)
    return OpenProvider(settings, secret)


def _sealer(reader: Reader, environ: Mapping[str, str]) -> Sealer | str:
    try:
        return find_sealer(reader, environ)
    except PointsmanError as error:
        return error.message[:1].lower() + error.message[1:]


def _of_environment(environ: Mapping[str, str]) -> dict[str, OpenProvider]:
    if environ.get(FROM_ENVIRONMENT) != "1":
        return {}
    return {
        name: OpenProvider(check_settings(name), environ[variable].strip())
        for name, variable in _VARIABLES.items()
        if environ.get(variable, "").strip()
    }


def _settings(row: ProviderRow) -> ProviderSettings:
    assert row.body is not None, "it was deleted"
    return read_settings(row.name, row.body)


def _told(settings: ProviderSettings, row: ProviderRow) -> Provider:
    return Provider(
        name=settings.name,
        api=settings.api,
        base_url=settings.base_url,
        concurrency=settings.concurrency,
        per_minute=settings.per_minute,
        timeout=settings.timeout,
        prices=settings.prices,
        has_key=bool(row.sealed),
        revision=row.revision,
        updated_at=moment(row.updated_at),
        updated_by=row.updated_by,
    )


def _hint(fate: KeyWas) -> str:
    return FORGOTTEN if fate == "forgotten" else ""


def _check_revision(name: str, row: ProviderRow | None, if_revision: int | None) -> None:
    now = row.revision if row is not None and row.body is not None else 0
    if if_revision is not None and if_revision != now:
        raise StaleRevision(
            f"The provider {name!r} is at revision {now}, not {if_revision}.",
            hint="Look at it as it is now, then try again.",
            field="if_revision",
            details={"current": {"revision": now}},
        )


def _found(view: View, name: str) -> ProviderRow:
    row = view.reader.provider(view.project.id, check_text(name, field="name"))
    if row is None or row.body is None:
        raise NotFound(
            f"There is no provider {name!r} in the project {view.project.name!r}.",
            code="provider_not_found",
            hint="`pointsman provider list` shows them.",
            field="name",
        )
    return row
