"""Webhooks: who outside is told of what happens in a project.

They are an admin's. What is written to the journal of one are its terms, with where its URL
leads but not the URL, whose path may be a secret, and a fingerprint of all that is secret.
What is told, and when, is for `app.deliveries`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.app.addresses import SafeUrl
from pointsman.app.application import View, Work
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports import Reader
from pointsman.app.ports.checkpoints import CheckpointRow
from pointsman.app.ports.webhooks import DeliveryRow, WebhookRow
from pointsman.app.sealing import KEY, KEY_FILE, SEALED, find_sealer
from pointsman.core.canonical import check_text
from pointsman.core.deliveries import WINDOW
from pointsman.core.events import PING, SECRET_PREFIX, SIGNED, check_events, event_id, subject
from pointsman.core.journal import Line
from pointsman.core.mlflow_events import event_of, types_of
from pointsman.core.names import check_message, check_reason
from pointsman.core.patterns import ANY
from pointsman.core.vocabulary import Page, moment
from pointsman.core.webhooks import (
    MAX_WEBHOOKS,
    Delivery,
    NewWebhook,
    Wanted,
    Webhook,
    check_form,
    check_wanted,
    check_webhook_name,
    origin,
)
from pointsman.errors import Conflict, InvalidInput, NotFound, TooLarge

STEP = 1_000
"""Entries of the journal that are looked at together."""
KEPT = 1_000
"""Deliveries of one webhook whose record is kept once they are done."""
HURRIED, AT_ONCE = 0, 1
"""Times before all others: what somebody asked for is looked for without news of the journal."""
MAX_SECRET = 1_000
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a webhook is to be. `token` goes into the Authorization header; empty for none.

    Without a `secret` one is made; an empty one means that nothing is signed. Only the format
    `mlflow` takes one that is given, as what MLflow's clients give is any text.
    """

    name: str
    url: SafeUrl
    events: Sequence[str] = ()
    artifacts: str = ANY
    aliases: str = ANY
    format: str = "cloudevents"
    token: str = ""
    description: str = ""
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is to become different of a webhook; None stays as it is."""

    name: str | None = None
    url: SafeUrl | None = None
    events: Sequence[str] | None = None
    artifacts: str | None = None
    aliases: str | None = None
    format: str | None = None
    token: str | None = None
    description: str | None = None
    secret: str | None = None


def list_webhooks(view: View) -> tuple[Webhook, ...]:
    """The webhooks of the project, in the order in which they were made."""
    view.require_all("admin")
    return tuple(webhook_of(row) for row in view.reader.webhooks(view.project.id))


def show_webhook(view: View, webhook_id: str) -> Webhook:
    """A webhook. Raises `NotFound`."""
    view.require_all("admin")
    return webhook_of(_found(view, webhook_id))


def create_webhook(work: Work, terms: Terms) -> NewWebhook:
    """Make a webhook, which is told of what happens from now on. Its secret is shown this once.

    Raises `Refused` (admins only), `InvalidInput` or `TooLarge`.
    """
    work.require_all("admin")
    if len(work.tx.webhooks(work.project.id)) >= MAX_WEBHOOKS:
        raise TooLarge(
            f"The project has {MAX_WEBHOOKS} webhooks already.",
            code="too_many_webhooks",
            hint="Delete some, or let one receiver tell others.",
        )
    row = WebhookRow(
        id="wh_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(10)),
        project_id=work.project.id,
        name="",
        url="",
        events="[]",
        artifacts=ANY,
        aliases=ANY,
        format="cloudevents",
        secret=SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(),
        token="",
        created_at=0,
        created_by=work.actor.name,
        disabled_at=None,
        disabled_why="",
        position=0,
        next_delivery=1,
        lease_owner="",
        lease_until=0,
    )
    row = row._replace(format=terms.format)
    row = _with_terms(
        work,
        row,
        Amendment(
            terms.name,
            terms.url,
            terms.events,
            terms.artifacts,
            terms.aliases,
            terms.format,
            terms.token,
            terms.description,
            terms.secret,
        ),
    )
    line = work.record("webhook.created", _fact(row))
    row = row._replace(created_at=line.at, updated_at=line.at, position=line.seq)
    work.tx.put_webhook(row)
    return NewWebhook(webhook_of(row), row.secret if terms.secret is None else "")


def change_webhook(work: Work, webhook_id: str, amendment: Amendment) -> Webhook:
    """Change a webhook. What happened before goes by what it was, what comes by what it is.

    Raises `NotFound`, `Refused` or `InvalidInput`.
    """
    work.require_all("admin")
    row = _found(work, webhook_id)
    changed = _with_terms(work, row, amendment)
    if changed != row:
        settled = _settled(work, row)
        line = work.record("webhook.changed", _fact(changed))
        row = changed._replace(
            position=settled.position, next_delivery=settled.next_delivery, updated_at=line.at
        )
        work.tx.put_webhook(row)
    return webhook_of(row)


def delete_webhook(work: Work, webhook_id: str) -> None:
    """Delete a webhook with what it was still to be told. Raises `NotFound` or `Refused`."""
    work.require_all("admin")
    row = _found(work, webhook_id)
    work.record("webhook.deleted", {"webhook": row.id, "webhook_name": row.name})
    work.tx.drop_webhook(row.id)


def disable_webhook(work: Work, webhook_id: str, reason: str = "") -> Webhook:
    """Tell a webhook nothing more until it is enabled. Raises `NotFound` or `Refused`."""
    work.require_all("admin")
    return webhook_of(disable(work, _found(work, webhook_id), check_reason(reason)))


def enable_webhook(work: Work, webhook_id: str) -> Webhook:
    """Let a webhook go on where it was: it is told of all that happened meanwhile.

    Of checkpoints it is told the newest, which is about all that the others were about. Raises
    `NotFound` or `Refused`.
    """
    work.require_all("admin")
    row = _found(work, webhook_id)
    if row.disabled_at is not None:
        since = row.disabled_at
        work.record("webhook.enabled", {"webhook": row.id, "webhook_name": row.name})
        row = row._replace(disabled_at=None, disabled_why="", lease_until=0)
        work.tx.put_webhook(row)
        work.tx.hurry_deliveries(row.id, AT_ONCE)
        for newest in work.tx.checkpoints(work.project.id, None, 1):
            if newest.at >= since:
                row = _take_checkpoint(work, row, newest)
    return webhook_of(row)


def test_webhook(work: Work, webhook_id: str) -> Delivery:
    """Have a `pointsman.ping` sent, once. Raises `NotFound`, `Conflict` (disabled) or `Refused`."""
    return try_webhook(work, webhook_id, "")


def try_webhook(work: Work, webhook_id: str, plays: str) -> Delivery:
    """As `test_webhook`; in MLflow's format it is an example of the event that it `plays`."""
    work.require_all("admin")
    row = _able(work, webhook_id)
    event = event_id(row.id, PING, secrets.token_hex(16))
    return delivery_of(_by_hand(work, row, 0, event, PING, plays))


def show_delivery(view: View, webhook_id: str, number: int) -> Delivery:
    """One delivery. Raises `NotFound` or `Refused`."""
    view.require_all("admin")
    row = view.reader.delivery(_found(view, webhook_id).id, number)
    if row is None:
        raise _no_delivery(webhook_id, number)
    return delivery_of(row)


def list_deliveries(
    view: View, webhook_id: str, *, limit: int = 50, cursor: str | None = None
) -> Page[Delivery]:
    """What a webhook was told and is to be told, newest first. Raises `NotFound`."""
    view.require_all("admin")
    limit = check_limit(limit)
    row = _found(view, webhook_id)
    place = Cursor("deliveries", [row.id])
    rows = view.reader.deliveries(row.id, place.number(cursor), limit + 1)
    page = rows[:limit]
    more = place.write(page[-1].number) if len(rows) > limit else None
    return Page(tuple(map(delivery_of, page)), more)


def redeliver(work: Work, webhook_id: str, number: int) -> Delivery:
    """Have an event delivered again, under its own id; one that waits is tried at once.

    Raises `NotFound`, `Conflict` (disabled, or too much waits) or `Refused`.
    """
    work.require_all("admin")
    row = _able(work, webhook_id)
    old = work.tx.delivery(row.id, number)
    if old is None:
        raise _no_delivery(row.name, number)
    if old.state != "pending":
        return delivery_of(_by_hand(work, row, old.seq, old.event, old.type, old.subject))
    pending = work.tx.pending_deliveries(row.id)
    first = next(one for one in pending if one.lane == old.lane)
    work.tx.put_delivery(first._replace(due_at=HURRIED))
    return delivery_of(old)


def disable(work: Work, row: WebhookRow, why: str) -> WebhookRow:
    """Disable a webhook, unless it is disabled already, and record why."""
    if row.disabled_at is None:
        fact = {"webhook": row.id, "webhook_name": row.name, "reason": why}
        line = work.record("webhook.disabled", fact)
        row = row._replace(disabled_at=line.at, disabled_why=why, lease_until=0)
        work.tx.put_webhook(row)
    return row


def take_in(
    work: Work, row: WebhookRow, lines: Iterable[Line], position: int
) -> tuple[WebhookRow, list[DeliveryRow]]:
    """Make the entries that a webhook is told of pending, and move its position behind them."""
    epoch = _epoch(work.tx)
    rows: list[DeliveryRow] = []
    for line in lines:
        rows.append(
            DeliveryRow(
                webhook_id=row.id,
                number=row.next_delivery + len(rows),
                seq=line.seq,
                event=event_id(*epoch, work.project.uid, line.seq, row.id),
                type=line.type,
                subject=subject(json.loads(line.data)),
                lane=line.artifact or 0,
                state="pending",
                attempts=0,
                created_at=line.at,
                due_at=AT_ONCE,
            )
        )
        work.tx.put_delivery(rows[-1])
    row = row._replace(position=position, next_delivery=row.next_delivery + len(rows))
    work.tx.put_webhook(row)
    if rows:
        work.tx.forget_deliveries(row.id, row.next_delivery - KEPT)
    return row, rows


def tell_checkpoint(work: Work, checkpoint: CheckpointRow) -> None:
    """Have the webhooks that asked for it told of a checkpoint, in the transaction that adds it.

    A checkpoint is no entry, so nothing finds it later. Who is disabled, or has too much
    waiting, is told of a later one: each is about all that those before it were about.
    """
    for row in work.tx.webhooks(work.project.id):
        if row.disabled_at is None:
            _take_checkpoint(work, row, checkpoint)


def checkpoint_event(reader: Reader, checkpoint: CheckpointRow, row: WebhookRow) -> str:
    """The id under which a webhook is told of a checkpoint."""
    store = reader.meta("store") or ""
    return event_id(store, SIGNED, checkpoint.hash, checkpoint.seq, checkpoint.key, row.id)


def wants(row: WebhookRow, line: Line) -> bool:
    """Whether a webhook is told of an entry."""
    wanted = _wanted_by(row)
    if row.format == "mlflow":
        return _wants_mlflows(wanted, line)
    if wanted == _ALL:
        return True
    if wanted.artifacts == ANY and wanted.aliases == ANY:
        return wanted.wants(line.type, "", "")
    fact = json.loads(line.data)
    name = fact.get("name") if line.artifact is not None else None
    return wanted.wants(line.type, name or "", line.alias or "")


_ALL = Wanted()


def _wants_mlflows(wanted: Wanted, line: Line) -> bool:
    """Whether an entry makes one of MLflow's events that is wanted."""
    if line.type not in _MAKE_MLFLOWS:
        return False
    fact = json.loads(line.data)
    event = event_of(line.type, fact)
    return bool(event) and wanted.wants(event, fact.get("name") or "", line.alias or "")


_MAKE_MLFLOWS = types_of()


def fingerprint(row: WebhookRow) -> str:
    """What the journal says of what is secret: enough to notice that it was swapped."""
    text = "\n".join((row.secret, row.token, row.url))
    return hashlib.sha256(f"pointsman webhook {text}".encode()).hexdigest()[:32]


def webhook_of(row: WebhookRow) -> Webhook:
    """A webhook as people are told of it."""
    return Webhook(
        id=row.id,
        name=row.name,
        url=row.url,
        events=tuple(json.loads(row.events)),
        artifacts=row.artifacts,
        aliases=row.aliases,
        format=row.format,  # type: ignore[arg-type]
        created_at=moment(row.created_at),
        created_by=row.created_by,
        position=row.position,
        has_token=bool(row.token),
        disabled_at=None if row.disabled_at is None else moment(row.disabled_at),
        disabled_why=row.disabled_why,
        description=row.description,
        updated_at=moment(row.updated_at) if row.updated_at else None,
    )


def delivery_of(row: DeliveryRow) -> Delivery:
    """A delivery as people are told of it."""
    return Delivery(
        number=row.number,
        event=row.event,
        type=row.type,
        subject=row.subject,
        seq=row.seq or None,
        state=row.state,
        attempts=row.attempts,
        created_at=moment(row.created_at),
        due_at=moment(max(row.due_at, row.created_at)) if row.state == "pending" else None,
        attempted_at=None if row.attempted_at is None else moment(row.attempted_at),
        status=row.status,
        duration_ms=None if row.duration is None else row.duration // 1_000,
        answer=row.answer,
        error=row.error,
    )


def secret_of(reader: Reader, row: WebhookRow) -> str:
    """The secret that signs what a webhook is sent; empty if nothing is signed.

    Raises `Conflict` for one that was given and can't be opened, and what `find_sealer` raises.
    """
    if not row.secret.startswith(SEALED):
        return row.secret
    opened = find_sealer(reader).open(row.secret, _place(row))
    if opened is None:
        raise Conflict(
            f"The secret of the webhook {row.name!r} can't be opened.",
            code="webhook_secret_unreadable",
            hint=f"Put back the master key that it was set under ({KEY}, or {KEY_FILE} in the "
            "data folder), or set the secret anew.",
        )
    return opened


def _place(row: WebhookRow) -> str:
    """What a given secret is sealed for: it can't be used for another webhook."""
    return f"webhook {row.id}"


def _with_terms(work: Work, row: WebhookRow, wanted: Amendment) -> WebhookRow:
    """The row with what is given, checked as a whole."""
    row = _with_secret(work, row, wanted)
    events = json.loads(row.events) if wanted.events is None else wanted.events
    patterns = check_wanted(
        events,
        row.artifacts if wanted.artifacts is None else wanted.artifacts,
        row.aliases if wanted.aliases is None else wanted.aliases,
    )
    form = row.format if wanted.format is None else wanted.format
    if "mlflow" in (form, row.format) and form != row.format:
        raise InvalidInput(
            "A webhook can't change to the format mlflow, or from it: its events and its secret "
            "are of another kind.",
            code="invalid_webhook",
            hint="Make another webhook, and delete this one.",
            field="format",
        )
    token = row.token if wanted.token is None else wanted.token
    url = row.url if wanted.url is None else wanted.url.text
    if wanted.token is None and row.url and origin(url) != origin(row.url):
        token = ""  # it was given for another place
    checked = check_form(form, token)
    if wanted.events is not None:
        check_events(patterns.events, checked)
    description = row.description if wanted.description is None else wanted.description
    return row._replace(
        name=check_webhook_name(row.name if wanted.name is None else wanted.name),
        url=url,
        events=json.dumps(patterns.events),
        artifacts=patterns.artifacts,
        aliases=patterns.aliases,
        format=checked,
        token=token,
        description=check_message(description, field="description"),
    )


def _with_secret(work: Work, row: WebhookRow, wanted: Amendment) -> WebhookRow:
    """The row with the secret that was given, sealed."""
    if wanted.secret is None:
        return row
    if row.format != "mlflow":
        raise InvalidInput(
            "Only webhooks in the format mlflow take a secret; others are given one.",
            code="invalid_webhook",
            hint="Leave it out, and verify with the secret that was shown when it was made.",
            field="secret",
        )
    check_text(wanted.secret, field="secret", max_chars=MAX_SECRET)
    sealed = ""
    if wanted.secret:
        sealed = find_sealer(work.tx, make=True).seal(wanted.secret, _place(row))
    return row._replace(secret=sealed)


def _settled(work: Work, row: WebhookRow) -> WebhookRow:
    """The webhook with the entries so far taken in by its present terms."""
    lines = work.tx.lines(row.project_id, row.position, STEP)
    if not lines:
        return row
    return take_in(work, row, [one for one in lines if wants(row, one)], lines[-1].seq)[0]


def _take_checkpoint(work: Work, row: WebhookRow, checkpoint: CheckpointRow) -> WebhookRow:
    """Make a checkpoint pending for a webhook that asked for such, if it has room."""
    if row.format == "mlflow" or not _wanted_by(row).asks_for(SIGNED):
        return row
    if len(work.tx.pending_deliveries(row.id)) >= WINDOW:
        return row
    work.tx.put_delivery(
        DeliveryRow(
            webhook_id=row.id,
            number=row.next_delivery,
            seq=checkpoint.seq,
            event=checkpoint_event(work.tx, checkpoint, row),
            type=SIGNED,
            subject="",
            lane=0,
            state="pending",
            attempts=0,
            created_at=checkpoint.at,
            due_at=HURRIED,
        )
    )
    row = row._replace(next_delivery=row.next_delivery + 1)
    work.tx.put_webhook(row)
    work.tx.forget_deliveries(row.id, row.next_delivery - KEPT)
    return row


def _wanted_by(row: WebhookRow) -> Wanted:
    return Wanted(tuple(json.loads(row.events)), row.artifacts, row.aliases)


def _fact(row: WebhookRow) -> dict[str, Any]:
    return {
        "webhook": row.id,
        "webhook_name": row.name,
        "address": origin(row.url),
        "events": json.loads(row.events),
        "artifacts": row.artifacts,
        "aliases": row.aliases,
        "format": row.format,
        "fingerprint": fingerprint(row),
        **({"description": row.description} if row.description else {}),
    }


def _no_delivery(webhook: str, number: int) -> NotFound:
    return NotFound(
        f"{webhook!r} has no delivery {number}.",
        code="delivery_not_found",
        hint=f"The last {KEPT} are kept once they are done.",
        field="delivery",
    )


def _by_hand(
    work: Work, row: WebhookRow, seq: int, event: str, kind: str, about: str
) -> DeliveryRow:
    if len(work.tx.pending_deliveries(row.id)) >= 2 * WINDOW:
        raise Conflict(
            f"Too many deliveries of {row.name!r} are waiting.",
            code="deliveries_waiting",
            hint="Wait until its receiver has taken some.",
        )
    number = row.next_delivery
    made = DeliveryRow(
        webhook_id=row.id,
        number=number,
        seq=seq,
        event=event,
        type=kind,
        subject=about,
        lane=-number,
        state="pending",
        attempts=0,
        created_at=work.now,
        due_at=HURRIED,
    )
    work.tx.put_delivery(made)
    work.tx.put_webhook(row._replace(next_delivery=number + 1))
    return made


def _able(work: Work, webhook_id: str) -> WebhookRow:
    row = _found(work, webhook_id)
    if row.disabled_at is not None:
        raise Conflict(
            f"The webhook {row.name!r} is disabled.",
            code="webhook_disabled",
            hint="Enable it first.",
        )
    return row


def _found(view: View, webhook_id: str) -> WebhookRow:
    row = view.reader.webhook(check_text(webhook_id, field="webhook"))
    if row is None or row.project_id != view.project.id:
        raise NotFound(
            f"There is no webhook {webhook_id!r} in the project {view.project.name!r}.",
            code="webhook_not_found",
            hint="`pointsman webhook list` shows them with their ids.",
            field="webhook",
        )
    return row


def _epoch(reader: Reader) -> tuple[str, str]:
    """Which journal this is: after a restore, numbers of entries mean other ones."""
    return reader.meta("store") or "", reader.meta("epoch") or ""
