"""Every operation of the native API: its place, its types, and the use case behind it.

A route's `plan` turns a decoded request into what is to be run; `endpoint` runs it. Nothing
here touches a socket or a database.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.app import (
    archiving,
    doctor,
    history,
    keys,
    publishing,
    reading,
    releases,
    searching,
    tagging,
)
from pointsman.app.application import View
from pointsman.app.requests import publish_request, search_query, target, wish
from pointsman.core.diff import ContentDiff
from pointsman.core.names import check_kind
from pointsman.core.plain import to_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import (
    Alias,
    Artifact,
    Diagnosis,
    Entry,
    Key,
    NewKey,
    Page,
    Published,
    Release,
    Released,
    Resolution,
    Version,
    micros,
)
from pointsman.errors import InvalidInput
from pointsman.wire.native import (
    evaluations,
    governing,
    graph,
    oidc,
    people,
    providers,
    record,
    shapes,
    webhooks,
)
from pointsman.wire.native.route import Call, Read, Route, Write, micros_of, whole


def _resolve(call: Call) -> Read:
    selector = parse_selector(call.path["selector"])
    at = micros_of(call.query.at)
    return Read(lambda v: reading.resolve(v, selector, at=at, key=call.query.key))


def _search(call: Call) -> Read:
    q: shapes.SearchQuery = call.query
    query = search_query(
        kind=q.kind,
        folder=q.folder,
        name=q.name,
        text=q.text,
        tags=q.tags,
        with_aliases=q.alias,
        without_aliases=q.without_alias,
        author=q.author,
        since=q.since,
        until=q.until,
        archived={"true": True, "false": False, "any": None}[q.archived],
        order=q.order,
    )
    return Read(lambda v: searching.search(v, query, limit=q.limit, cursor=q.cursor))


def _artifact(call: Call) -> Read:
    kind, name = call.kind, call.name
    return Read(lambda v: reading.show_artifact(v, kind, name))


def _archive(call: Call) -> Write:
    kind, name = call.kind, call.name
    return Write(lambda w: archiving.archive(w, kind, name), Artifact)


def _restore(call: Call) -> Write:
    kind, name = call.kind, call.name
    return Write(lambda w: archiving.restore(w, kind, name), Artifact)


def _versions(call: Call) -> Read:
    kind, name, query = call.kind, call.name, call.query
    return Read(
        lambda v: reading.list_versions(v, kind, name, limit=query.limit, cursor=query.cursor)
    )


def _version(call: Call) -> Read:
    selector = Selector(check_kind(call.kind), call.name, version=call.number)
    return Read(lambda v: reading.show_version(v, selector))


def _tombstone(call: Call) -> Write:
    kind, name, number = call.kind, call.name, call.number
    return Write(lambda w: archiving.tombstone(w, kind, name, number, call.body.reason), Version)


def _publish(call: Call) -> Write:
    wanted = publish_request(msgspec.structs.asdict(call.body) | _dependencies(call.body))
    return Write(lambda w: publishing.publish(w, wanted), Published)


def _publish_many(call: Call) -> Write:
    wanted = [
        publish_request(msgspec.structs.asdict(one) | _dependencies(one))
        for one in call.body.versions
    ]
    return Write(lambda w: publishing.Bulk(publishing.publish_many(w, wanted)), publishing.Bulk)


def _dependencies(body: shapes.PublishBody) -> dict[str, Any]:
    return {"dependencies": [msgspec.structs.asdict(one) for one in body.dependencies]}


def _set_tag(call: Call) -> Write:
    place, key, value = _tagged(call), call.path["key"], call.body.value
    return Write(lambda w: _done(tagging.set_tag(w, *place, key, value)))


def _delete_tag(call: Call) -> Write:
    place, key = _tagged(call), call.path["key"]
    return Write(lambda w: _done(tagging.delete_tag(w, *place, key)))


def _tagged(call: Call) -> tuple[str, str, int | None]:
    return call.kind, call.name, call.number if "number" in call.path else None


def _alias(call: Call) -> Read:
    kind, name, alias = call.kind, call.name, call.alias
    return Read(lambda v: reading.show_alias(v, kind, name, alias))


def _move_alias(call: Call) -> Write:
    to = target(call.body.version, call.body.split)
    order = releases.Wish(call.kind, call.name, call.alias, to, call.if_revision)
    return _release([order], call.body.reason, call.body.break_glass)


def _delete_alias(call: Call) -> Write:
    order = releases.Wish(call.kind, call.name, call.alias, None, call.if_revision)
    return _release([order], call.query.reason)


def _make_release(call: Call) -> Write:
    orders = [
        wish(
            {key: value for key, value in msgspec.structs.asdict(one).items() if value is not None}
        )
        for one in call.body.moves
    ]
    return _release(orders, call.body.reason, call.body.break_glass)


def _release(orders: list[releases.Wish], reason: str, break_glass: bool = False) -> Write:
    return Write(
        lambda w: Released(releases.release(w, orders, reason, break_glass=break_glass)), Released
    )


def _alias_releases(call: Call) -> Read:
    kind, name, alias, query = call.kind, call.name, call.alias, call.query
    return Read(
        lambda v: history.releases_of_alias(
            v, kind, name, alias, limit=query.limit, cursor=query.cursor
        )
    )


def _roll_back_alias(call: Call) -> Write:
    kind, name, alias, reason = call.kind, call.name, call.alias, call.body.reason
    return Write(
        lambda w: releases.roll_back_alias(
            w, kind, name, alias, reason, if_revision=call.if_revision
        ),
        Release,
    )


def _find_release(call: Call) -> Read:
    number = whole(call.path["release"], "release")

    def find(view: View) -> Release:
        view.require_all("read")
        return releases.find_release(view, number)

    return Read(find)


def _roll_back_release(call: Call) -> Write:
    number, reason = whole(call.path["release"], "release"), call.body.reason
    return Write(lambda w: releases.roll_back_release(w, number, reason), Release)


def _journal(call: Call) -> Read:
    q: shapes.JournalQuery = call.query
    if q.after is not None:
        after, limit = q.after, q.limit
        others = set(q.__struct_fields__) - {"after", "limit"}
        if any(getattr(q, name) != getattr(_EVERYTHING, name) for name in others):
            raise InvalidInput(
                "`after` gives every entry: it goes with `limit` alone.",
                code="invalid_combination",
                hint="Leave out the other parameters, or `after`; the next page begins after "
                "the last entry of this one.",
                field="after",
            )
        return Read(lambda v: history.entries_after(v, after, limit))
    kind = check_kind(q.kind)
    return Read(
        lambda v: history.entries(
            v,
            kind=kind,
            name=q.name,
            alias=q.alias,
            types=tuple(q.type),
            actor=q.actor,
            since=micros_of(q.since),
            until=micros_of(q.until),
            limit=q.limit,
            cursor=q.cursor,
        )
    )


_EVERYTHING = shapes.JournalQuery()


def _differences(call: Call) -> Read:
    before, after = micros(call.query.before), micros(call.query.after)
    return Read(lambda v: shapes.DifferencesAnswer(list(history.differences(v, before, after))))


def _diff(call: Call) -> Read:
    pair = parse_selector(call.query.before), parse_selector(call.query.after)
    return Read(lambda v: reading.compare(v, *pair))


def _keys(call: Call) -> Read:
    return Read(lambda v: shapes.KeysAnswer(list(keys.list_keys(v))))


def _create_key(call: Call) -> Write:
    body: shapes.KeyBody = call.body
    wanted = people.key_wanted(body)
    return Write(
        lambda w: keys.create_key(
            w,
            wanted.name,
            wanted.role,
            wanted.expires_at,
            body.person,
            wanted.verbs,
            wanted.artifacts,
            wanted.aliases,
        )
    )


def _revoke_key(call: Call) -> Write:
    return Write(lambda w: keys.revoke_key(w, call.path["id"]), Key)


def _doctor(call: Call) -> Read:
    return Read(doctor.examine)


def _done(_changed: bool) -> shapes.Empty:
    return shapes.Empty()


def _revision_etag(alias: Alias) -> str:
    return f'"{alias.revision}"'


def _created(published: Published) -> int:
    return 201 if published.created else 200


_A = "/artifacts/{kind}/{name}"
_V = _A + "/versions/{number}"
_P = _A + "/aliases/{alias}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/artifacts", "read", "Find artifacts", _search, Page[Artifact],
          query=shapes.SearchQuery),
    Route("GET", _A, "read", "Show an artifact", _artifact, Artifact),
    Route("POST", _A + "/archive", "move", "Archive an artifact", _archive, Artifact,
          body=shapes.Nothing),
    Route("POST", _A + "/restore", "move", "Restore an artifact", _restore, Artifact,
          body=shapes.Nothing),
    Route("PUT", _A + "/tags/{key}", "write", "Set a tag of an artifact", _set_tag, shapes.Empty,
          body=shapes.TagBody),
    Route("DELETE", _A + "/tags/{key}", "write", "Delete a tag of an artifact", _delete_tag,
          shapes.Empty),
    Route("GET", _A + "/versions", "read", "List versions, newest first", _versions,
          Page[Version], query=shapes.PageQuery),
    Route("GET", _V, "read", "Show a version with its content", _version, Version),
    Route("PUT", _V + "/tombstone", "admin", "Remove the content of a version", _tombstone,
          Version, body=shapes.WhyBody),
    Route("PUT", _V + "/tags/{key}", "write", "Set a tag of a version", _set_tag, shapes.Empty,
          body=shapes.TagBody),
    Route("DELETE", _V + "/tags/{key}", "write", "Delete a tag of a version", _delete_tag,
          shapes.Empty),
    Route("GET", _P, "read", "Show an alias", _alias, Alias, etag=_revision_etag),
    Route("PUT", _P, "move", "Set or move an alias", _move_alias, Released,
          body=shapes.AliasBody),
    Route("DELETE", _P, "move", "Delete an alias", _delete_alias, Released,
          query=shapes.WhyQuery),
    Route("GET", _P + "/releases", "read", "List the releases that moved an alias",
          _alias_releases, Page[Release], query=shapes.PageQuery),
    Route("POST", _P + "/rollback", "move", "Roll an alias back", _roll_back_alias, Release,
          body=shapes.WhyBody),
    Route("POST", "/versions", "write", "Publish a version", _publish, Published,
          body=shapes.PublishBody, status=_created),
    Route("POST", "/versions/bulk", "write", "Publish versions, all or none", _publish_many,
          publishing.Bulk, body=shapes.BulkBody),
    Route("POST", "/releases", "move", "Move aliases together", _make_release, Released,
          body=shapes.ReleaseBody),
    Route("GET", "/releases/{release}", "read", "Show a release", _find_release, Release),
    Route("POST", "/releases/{release}/rollback", "move", "Roll a release back",
          _roll_back_release, Release, body=shapes.WhyBody),
    Route("GET", "/journal", "read", "Read the journal", _journal, Page[Entry],
          query=shapes.JournalQuery),
    Route("GET", "/differences", "read", "What changed between two moments", _differences,
          shapes.DifferencesAnswer, query=shapes.BetweenQuery),
    Route("GET", "/diff", "read", "How two versions differ", _diff, ContentDiff,
          query=shapes.DiffQuery),
    Route("GET", "/keys", "admin", "List keys", _keys, shapes.KeysAnswer),
    Route("POST", "/keys", "admin", "Make a key", _create_key, NewKey, body=shapes.KeyBody,
          status=lambda answer: 201),
    Route("DELETE", "/keys/{id}", "admin", "Revoke a key", _revoke_key, Key),
    Route("GET", "/doctor", "admin", "Check every invariant", _doctor, Diagnosis),
    *people.ROUTES,
    *oidc.ROUTES,
    *governing.ROUTES,
    *evaluations.ROUTES,
    *graph.ROUTES,
    *record.ROUTES,
    *webhooks.ROUTES,
    *providers.ROUTES,
)  # fmt: skip

RESOLVE = Route(
    "GET",
    "/resolve/{selector}",
    "read",
    "Answer a selector",
    _resolve,
    Resolution,
    query=shapes.ResolveQuery,
)
"""Apart from the others: its path takes plain slashes, and it is answered from memory."""


def plain(answer: Any) -> bytes:
    """An answer as JSON bytes."""
    if isinstance(answer, ContentDiff):
        return msgspec.json.encode(to_plain(answer))
    return msgspec.json.encode(answer)
