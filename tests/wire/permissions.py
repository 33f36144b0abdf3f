"""Who may do what: every operation of the API has its row here, and a test walks them all.

A new route must be entered with the least role that it asks for, written down on purpose and
not derived from the code. `anyone`: no key is needed. `installation`: an admin of the project
gets as far as the use case, which is for admins of the whole installation only.
"""

from __future__ import annotations

from typing import Final, Literal

Needs = Literal["anyone", "viewer", "editor", "reviewer", "releaser", "admin", "installation"]

_A = "/artifacts/{kind}/{name}"
_V = _A + "/versions/{number}"
_P = _A + "/aliases/{alias}"
_C = "/changes/{change}"
_W = "/webhooks/{webhook}"

PERMISSIONS: Final[dict[str, Needs]] = {
    # Reading
    "GET /resolve/{selector}": "viewer",
    "GET /watch": "viewer",
    "GET /evaluations/{evaluation}/events": "viewer",
    "GET /artifacts": "viewer",
    f"GET {_A}": "viewer",
    f"GET {_A}/versions": "viewer",
    f"GET {_V}": "viewer",
    f"GET {_P}": "viewer",
    f"GET {_P}/releases": "viewer",
    f"GET {_A}/owners": "viewer",
    "GET /releases/{release}": "viewer",
    "GET /diff": "viewer",
    # Looking back
    "GET /journal": "viewer",
    "GET /journal/head": "viewer",
    "GET /journal/lines": "viewer",
    "GET /differences": "viewer",
    "GET /graph": "viewer",
    "GET /graph/problems": "viewer",
    f"GET {_A}/upstream": "viewer",
    f"GET {_A}/downstream": "viewer",
    f"GET {_A}/affected": "viewer",
    "GET /evidence": "viewer",
    "GET /checkpoints": "viewer",
    "POST /checkpoints": "admin",
    "GET /doctor": "admin",
    # Publishing
    "POST /versions": "editor",
    "POST /versions/bulk": "editor",
    f"PUT {_A}/tags/{{key}}": "editor",
    f"DELETE {_A}/tags/{{key}}": "editor",
    f"PUT {_V}/tags/{{key}}": "editor",
    f"DELETE {_V}/tags/{{key}}": "editor",
    f"PUT {_V}/tombstone": "admin",
    # Files
    "PUT /blobs/{sha256}": "editor",
    "HEAD /blobs/{sha256}": "editor",
    "GET /artifacts/model/{name}/versions/{number}/files/{path}": "viewer",
    # Files, at the paths of a Hugging Face Hub
    "GET //api/models/{repo}": "viewer",
    "GET //api/models/{repo}/revision/{revision}": "viewer",
    "GET //api/models/{repo}/tree/{revision}": "viewer",
    "GET //api/models/{repo}/tree/{revision}/{path}": "viewer",
    "POST //api/models/{repo}/paths-info/{revision}": "viewer",
    "GET //{repo}/resolve/{revision}/{path}": "viewer",
    "HEAD //{repo}/resolve/{revision}/{path}": "viewer",
    # Moving
    f"POST {_A}/archive": "releaser",
    f"POST {_A}/restore": "releaser",
    f"PUT {_P}": "releaser",
    f"DELETE {_P}": "releaser",
    f"POST {_P}/rollback": "releaser",
    "POST /releases": "releaser",
    "POST /releases/{release}/rollback": "releaser",
    # Governing
    "GET /policies": "viewer",
    "GET /policies/{policy}": "viewer",
    "PUT /policies/{policy}": "admin",
    "DELETE /policies/{policy}": "admin",
    "GET /policy-test": "viewer",
    "GET /changes": "viewer",
    "POST /changes": "editor",
    f"GET {_C}": "viewer",
    f"PUT {_C}": "editor",
    f"GET {_C}/diff": "viewer",
    f"POST {_C}/rebase": "editor",
    f"PUT {_C}/opinion": "editor",
    f"POST {_C}/comments": "editor",
    f"POST {_C}/withdraw": "editor",
    f"POST {_C}/apply": "editor",
    "GET /checks": "viewer",
    "POST /checks": "releaser",
    "GET /glass": "viewer",
    "POST /glass/{release}/review": "reviewer",
    # Evaluating
    "GET /evaluations": "viewer",
    "POST /evaluations": "editor",
    "GET /evaluations/plan": "viewer",
    "GET /evaluations/standing": "viewer",
    "GET /evaluations/{evaluation}": "viewer",
    "GET /evaluations/{evaluation}/cases": "viewer",
    "POST /evaluations/{evaluation}/cancel": "editor",
    f"POST {_C}/evaluations": "editor",
    # People and keys
    "POST /sessions": "anyone",
    "POST /sessions/code": "anyone",
    "POST /sessions/reset": "anyone",
    "POST /invitations/accept": "anyone",
    "DELETE /sessions/current": "viewer",
    "GET /me": "viewer",
    "PUT /me/password": "viewer",
    "GET /me/keys": "viewer",
    "POST /me/keys": "viewer",
    "DELETE /me/keys/{id}": "viewer",
    "PUT /people/{email}/name": "viewer",
    "GET /keys": "admin",
    "POST /keys": "admin",
    "DELETE /keys/{id}": "admin",
    "GET /invitations": "admin",
    "POST /invitations": "admin",
    "DELETE /invitations/{invitation}": "admin",
    "GET /people": "admin",
    "GET /people/{email}": "admin",
    "POST /people/{email}/deactivate": "installation",
    "POST /people/{email}/reset": "installation",
    "POST /people/{email}/reactivate": "installation",
    "GET /groups": "admin",
    "PUT /groups/{group}/{email}": "installation",
    "DELETE /groups/{group}/{email}": "installation",
    "GET /grants": "admin",
    "POST /grants": "admin",
    "DELETE /grants": "admin",
    f"PUT {_A}/owners/{{who}}": "admin",
    f"DELETE {_A}/owners/{{who}}": "admin",
    "GET /projects": "viewer",
    "POST /projects": "installation",
    # Webhooks
    "GET /webhooks": "admin",
    "POST /webhooks": "admin",
    f"GET {_W}": "admin",
    f"PUT {_W}": "admin",
    f"DELETE {_W}": "admin",
    f"POST {_W}/enable": "admin",
    f"POST {_W}/disable": "admin",
    f"POST {_W}/test": "admin",
    f"GET {_W}/deliveries": "admin",
    f"POST {_W}/deliveries/{{delivery}}/redeliver": "admin",
    # Providers of models
    "GET /providers": "viewer",
    "GET /providers/{provider}": "viewer",
    "PUT /providers/{provider}": "admin",
    "DELETE /providers/{provider}": "admin",
}

RIGHT_BODIES: Final[dict[str, object]] = {"POST /projects": {"name": "never-made"}}
"""Bodies that are right, for operations that refuse before they look at what is wrong."""
