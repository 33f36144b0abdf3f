"""The keys of a project against its journal, but for when they were used."""

from __future__ import annotations

from pointsman.app.application import View
from pointsman.app.doctor_findings import Facts, Told
from pointsman.app.keys import fingerprint
from pointsman.core.journal import Line

TYPES = ("key.created", "key.revoked")


def apply(told: Told, line: Line, fact: Facts) -> None:
    """Let an entry take effect on what was told so far. Raises `LookupError` if it can't."""
    key = f"key {fact['key']}"
    if line.type == "key.revoked":
        told[key]["time of revocation"] = line.at
        return
    told[key] = {
        "name": fact["key_name"],
        "role": fact["role"],
        "fingerprint": fact["fingerprint"],
        "time of creation": line.at,
        "maker": line.by,
        "time of expiry": fact.get("expires_at"),
        "time of revocation": None,
        "owner": fact.get("owner"),
        "verbs": fact.get("verbs"),
        "artifacts": fact.get("artifacts", "*"),
        "aliases": fact.get("aliases", "*"),
        "reach over the installation": int(line.actor == "system"),
    }


def stored(view: View) -> Told:
    """The keys as they stand in the store, in the same words."""
    return {
        f"key {row.id}": {
            "name": row.name,
            "role": row.role,
            "fingerprint": fingerprint(row.secret_hash),
            "time of creation": row.created_at,
            "maker": row.created_by,
            "time of expiry": row.expires_at,
            "time of revocation": row.revoked_at,
            "owner": row.owner,
            "verbs": row.verbs,
            "artifacts": row.artifacts,
            "aliases": row.aliases,
            "reach over the installation": row.everywhere,
        }
        for row in view.reader.keys(view.project.id)
    }
