"""What a refused move becomes where its policy says so: a change that asks for it.

For protocols whose clients can move an alias and can't propose: their users would only learn
that they may not. Whoever speaks our own protocol proposes by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pointsman.app import changes, releases
from pointsman.app.application import View, Work
from pointsman.app.basis import place_of
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.policies import policies_of
from pointsman.app.ports.governance import ChangeRow
from pointsman.app.releases import Wish
from pointsman.app.reviewing import every_open
from pointsman.core.access import may
from pointsman.core.policy import governing
from pointsman.core.releases import plain_target
from pointsman.core.vocabulary import Release
from pointsman.errors import Refused


@dataclass(frozen=True, slots=True)
class Withheld:
    """A release that was refused while a change asks for it: the error to answer with.

    It is returned, not raised, as the change has to be committed.
    """

    refusal: Refused


def release_or_propose(
    work: Work, wishes: Sequence[Wish], reason: str, through: str
) -> Release | Withheld | None:
    """Fulfil all the wishes at once, or have a change ask for them if a policy says so.

    Without a reason, it says `through` what it was made. The change is the caller's, and says
    so too. Where one asks for exactly this already, it is named and no other is opened. Raises
    as `releases.release`, also where the caller may not propose.
    """
    try:
        return releases.release(work, wishes, reason or f"moved by {through}")
    except Refused as refused:  # judged before anything was written
        if not _proposes_instead(work, wishes) or not _may_propose(work, wishes):
            raise
        number, opened = _asked_for(work, wishes), False
        if number is None:
            number, opened = _propose(work, wishes, reason, through), True
        return Withheld(_refusal(number, refused, opened=opened))


def _proposes_instead(view: View, wishes: Sequence[Wish]) -> bool:
    """Whether a policy that governs one of the aliases wants changes instead of refusals."""
    found = (governing(policies_of(view), w.kind, w.name, w.alias)[0] for w in wishes)
    return any(policy is not None and policy.instead == "propose" for policy in found)


def _may_propose(view: View, wishes: Sequence[Wish]) -> bool:
    return all(may(view.actor, "propose", w.kind, w.name, w.alias).allowed for w in wishes)


def _asked_for(work: Work, wishes: Sequence[Wish]) -> int | None:
    """The open change that asks for exactly this, of the aliases as they are now."""
    now = work.now  # asking waits for this server's turn: two who ask at once open one change
    wanted = {
        (wish.kind, wish.name, wish.alias): (
            plain_target(wish.to),
            place_of(work, wish.kind, wish.name, wish.alias).revision,
        )
        for wish in wishes
    }
    for row in every_open(work):
        if row.expires_at > now and _moves(row) == wanted:
            return row.number
    return None


def _moves(row: ChangeRow) -> dict[tuple[str, str, str], tuple[object, int]]:
    return {
        (one["kind"], one["name"], one["alias"]): (one["to"], one["revision"])
        for one in json.loads(row.moves)
    }


def _propose(work: Work, wishes: Sequence[Wish], reason: str, through: str) -> int:
    """Open a change in the caller's name, and tell its number."""
    first, *more = wishes
    what = "no version" if first.to is None else str(first.to)
    title = f"{first.alias} of {first.name[:100]} to {what}"
    if more:
        title += f", and {len(more)} more"
    wanted = [Wanted(wish.kind, wish.name, wish.alias, wish.to) for wish in wishes]
    why = f"{reason} (asked for through {through})" if reason else f"Asked for through {through}."
    proposal = Proposal(title[: changes.MAX_TITLE], wanted, why)
    return changes.propose(work, proposal).number


def _refusal(number: int, refused: Refused, *, opened: bool) -> Refused:
    """The refusal that names the change, with all that stood against the move."""
    told = " ".join(one.message for one in refused.reasons) or refused.message
    done = "was opened" if opened else "is open already"
    return Refused(
        f"{told} So nothing moved, and change {number} {done} that asks for it.",
        code="proposed_instead",
        hint=f"See what it still lacks with: pointsman change show {number}, or at "
        f"/api/v1/changes/{number}.",
        details={"change": number},
    )
