"""What the native API takes: request bodies and query strings, as types that validate.

The OpenAPI document is made from these and from `core.vocabulary`, so it can't drift from
what is accepted and sent. Fields that are not listed are refused. Some rules are only told
here (`extra_json_schema`) and kept by `core`, which says better what is wrong.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from pointsman.app.publishing import MAX_BULK
from pointsman.app.releases import MAX_MOVES
from pointsman.app.tagging import MAX_TAGS
from pointsman.core.access import ROLES, VERBS
from pointsman.core.names import KINDS, MAX_ALIAS, MAX_NAME, MAX_TAG_VALUE, MAX_TEXT, MAX_VERSION
from pointsman.core.releases import MAX_ARMS, MAX_WEIGHT
from pointsman.core.vocabulary import Difference, Key, Role

Name = Annotated[
    str,
    Meta(
        description="The name of an artifact, such as support/reply.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_NAME},
    ),
]
AliasName = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_ALIAS})]
KindName = Annotated[str, Meta(extra_json_schema={"enum": list(KINDS)})]
Number = Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_VERSION})]
Revision = Annotated[
    int,
    Meta(
        description="Refuse unless the alias is at this revision; 0: unless there is none.",
        extra_json_schema={"minimum": 0},
    ),
]
Weight = Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_WEIGHT})]
Split = Annotated[
    dict[str, Weight],
    Meta(
        description="Version number → weight.",
        extra_json_schema={
            "minProperties": 1,
            "maxProperties": MAX_ARMS,
            "propertyNames": {"pattern": "^[1-9][0-9]*$"},
        },
    ),
]
Reason = Annotated[
    str,
    Meta(
        description="Why: kept on the record, shown to everyone.",
        extra_json_schema={"maxLength": MAX_TEXT},
    ),
]
Limit = Annotated[int, Meta(ge=1, le=1_000, description="How many items a page has at most.")]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]
CursorText = Annotated[
    str, Meta(description="The cursor of the page before; opaque.", max_length=2_000)
]


RoleName = Annotated[str, Meta(extra_json_schema={"enum": list(ROLES)})]
VerbName = Annotated[str, Meta(extra_json_schema={"enum": list(VERBS)})]
Pattern = Annotated[
    str,
    Meta(
        description="Names, with * for any characters.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_NAME},
    ),
]


class Nothing(Struct, forbid_unknown_fields=True):
    """A request without a body, or with an empty object."""


class WhyBody(Struct, forbid_unknown_fields=True):
    """A request that needs nothing but a reason."""

    reason: Reason = ""


BreakGlass = Annotated[
    bool,
    Meta(description="Pass over what a policy asks for, where it lets one; marked for good."),
]


class DependencyBody(Struct, forbid_unknown_fields=True):
    """What a version was made to work with."""

    relation: Literal["includes", "consumes", "uses"]
    selector: Annotated[str, Meta(description="Such as model:churn@champion.")]
    variable: Annotated[
        str, Meta(description="The variable that takes the output of what is consumed.")
    ] = ""


class PublishBody(Struct, forbid_unknown_fields=True):
    """A version to publish, and what to do along with it, in one transaction."""

    name: Name
    content: Any
    kind: KindName = "prompt"
    message: Annotated[
        str,
        Meta(description="Why this version was made.", extra_json_schema={"maxLength": MAX_TEXT}),
    ] = ""
    tags: Annotated[dict[str, str], Meta(extra_json_schema={"maxProperties": MAX_TAGS})] = {}
    aliases: Annotated[
        list[AliasName], Meta(description="Aliases to move to the new version.")
    ] = []
    dependencies: list[DependencyBody] = []
    reason: Reason = ""
    if_changed: Annotated[
        bool, Meta(description="Answer with the newest version if its content is the same.")
    ] = False
    if_newest: Annotated[
        int | None, Meta(description="Refuse unless this is the newest version's number.")
    ] = None


class BulkBody(Struct, forbid_unknown_fields=True):
    """Versions to publish in order, all or none."""

    versions: Annotated[list[PublishBody], Meta(extra_json_schema={"maxItems": MAX_BULK})]


class AliasBody(Struct, forbid_unknown_fields=True):
    """Where an alias should point: exactly one of `version` and `split`."""

    version: Number | None = None
    split: Split | None = None
    reason: Reason = ""
    break_glass: BreakGlass = False


class MoveBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One move of a release: exactly one of `version`, `split` and `delete`."""

    name: Name
    alias: AliasName
    kind: KindName = "prompt"
    version: Number | None = None
    split: Split | None = None
    delete: bool = False
    if_revision: Revision | None = None


class ReleaseBody(Struct, forbid_unknown_fields=True):
    """Moves to make together."""

    moves: Annotated[list[MoveBody], Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_MOVES})]
    reason: Reason = ""
    break_glass: BreakGlass = False


class TagBody(Struct, forbid_unknown_fields=True):
    """A tag's value."""

    value: Annotated[str, Meta(extra_json_schema={"maxLength": MAX_TAG_VALUE})]


class KeyBody(Struct, forbid_unknown_fields=True):
    """A key to make."""

    name: Annotated[
        str,
        Meta(
            description="Who or what will use it.",
            extra_json_schema={"minLength": 1, "maxLength": 100},
        ),
    ]
    role: Role
    expires_at: datetime | None = None
    person: Annotated[
        str | None, Meta(description="The e-mail address of whom it acts as; none: a service.")
    ] = None
    verbs: Annotated[
        list[VerbName] | None,
        Meta(description="What it is for; null: all that the role allows."),
    ] = None
    artifacts: Pattern = "*"
    aliases: Pattern = "*"


class NoQuery(Struct, forbid_unknown_fields=True):
    """No parameters."""


class ResolveQuery(Struct, forbid_unknown_fields=True):
    """Which moment, and whose share of a split."""

    at: Annotated[datetime | None, Meta(description="As of this moment (RFC 3339).")] = None
    key: Annotated[
        str | None, Meta(description="Whoever is served: decides the version of a split.")
    ] = None


class PageQuery(Struct, forbid_unknown_fields=True):
    """A page of a list."""

    limit: Limit = 50
    cursor: CursorText | None = None


class SearchQuery(Struct, forbid_unknown_fields=True):
    """Which artifacts; all conditions given must hold."""

    kind: KindName | None = None
    folder: str = ""
    name: Annotated[str, Meta(description="Part of the name, without regard to case.")] = ""
    text: Annotated[str, Meta(description="Part of the newest version's texts.")] = ""
    tags: Annotated[
        str, Meta(description='A tag expression: team = support and not status = "on hold".')
    ] = ""
    alias: Annotated[list[AliasName], Meta(description="Has this alias.")] = []
    without_alias: Annotated[list[AliasName], Meta(description="Does not have this alias.")] = []
    author: str = ""
    since: datetime | None = None
    until: datetime | None = None
    archived: Literal["true", "false", "any"] = "false"
    order: Literal["name", "created", "updated"] = "name"
    limit: Limit = 50
    cursor: CursorText | None = None


class JournalQuery(Struct, forbid_unknown_fields=True):
    """Which entries: newest first, or with `after` oldest first."""

    kind: KindName = "prompt"
    name: str = ""
    alias: str = ""
    type: list[str] = []
    actor: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after: Annotated[
        Seq | None, Meta(description="All entries above this number, oldest first.")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 50
    cursor: CursorText | None = None


class BetweenQuery(Struct, forbid_unknown_fields=True):
    """Two moments."""

    before: datetime
    after: datetime


class DiffQuery(Struct, forbid_unknown_fields=True):
    """Two selectors."""

    before: str
    after: str


class WhyQuery(Struct, forbid_unknown_fields=True):
    """The reason of a deletion, whose request has no body."""

    reason: Annotated[str, Meta(description="Why: kept on the record, shown to everyone.")] = ""


class WatchQuery(Struct, forbid_unknown_fields=True):
    """Where to go on."""

    after: Annotated[Seq | None, Meta(description="The last entry that was received.")] = None


class Empty(Struct):
    """Done; there is nothing to tell."""


class KeysAnswer(Struct):
    """The keys of the project."""

    keys: list[Key]


class DifferencesAnswer(Struct):
    """What differs."""

    differences: list[Difference]


class ReasonPart(Struct):
    """One thing that is wrong."""

    code: str
    message: str
    hint: str
    field: str


class Problem(Struct):
    """An error, as RFC 9457 has it, with a stable code and a way out."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    field: str
    reasons: list[ReasonPart]
    details: dict[str, Any]
    request_id: str
