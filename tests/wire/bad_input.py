"""Requests that are wrong, each with what must be said to it."""

# ruff: noqa: E501 - a table is read by its rows

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from serving import place

NAME = "bad/input"
"""A prompt with two versions, the second of which is in deployment, at revision 1."""
ALIAS = place(NAME, "aliases", "deployment")


@dataclass(frozen=True)
class Case:
    """A request that is wrong, and what must be said to it."""

    what: str
    method: str
    path: str
    status: int
    code: str
    at: str | None = ""
    """The field that the answer must name; None: not looked at."""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hint: bool = True
    """Whether there is a way out that can be told."""


def publish(content: object, **more: object) -> dict[str, object]:
    return {"name": NAME, "content": content, **more}


def body(text: str) -> bytes:
    """A request to publish, with some JSON in the place of its content, as it is."""
    return b'{"name": "%b", "content": %b}' % (NAME.encode(), text.encode("utf-8", "surrogatepass"))


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def post(what: str, sent: object, status: int, code: str, at: str | None = "", **more: Any) -> Case:
    return Case(what, "POST", "/versions", status, code, at, sent, **more)


def named(what: str, name: str, code: str) -> list[Case]:
    """A bad name in a body and in a path; in a selector it is told in other words."""
    cases = [post(f"{what} as a name", publish("x") | {"name": name}, 400, code, "name")]
    if name and name not in (".", ".."):
        cases.append(Case(f"{what} in a path", "GET", place(name), 400, code, None))
    return cases


JSON = [
    post("no JSON", b"{", 400, "malformed_json"),
    post("half a document", body('"x')[:-1], 400, "malformed_json"),
    post("two documents", body('"x"') * 2, 400, "malformed_json"),
    post("a comment", body('"x" /* y */'), 400, "malformed_json"),
    post("single quotes", body("'x'"), 400, "malformed_json"),
    post("a comma too many", body('["x",]'), 400, "malformed_json"),
    post("a byte order mark", b"\xef\xbb\xbf" + body('"x"'), 400, "malformed_json"),
    post("a list", [], 400, "invalid_field"),
    post("a text", "x", 400, "invalid_field"),
    post("null", b"null", 400, "invalid_field"),
    post("nothing at all", b"", 400, "missing_field", "name"),
    post("white space", b" \n", 400, "missing_field", "name"),
    post("a key twice", b'{"name": "a", "name": "b", "content": 1}', 400, "duplicate_key", None),
    post("a key twice inside", body('{"a": 1, "a": 2}'), 400, "duplicate_key", "/content/a"),
    post("not a number", body("NaN"), 400, "not_finite", "/content"),
    post("infinity", body("[1, -Infinity]"), 400, "not_finite", "/content/1"),
    post("a number beyond all", body("1e999"), 400, "not_finite", "/content"),
    post("a whole number too large", body(str(2**53)), 400, "integer_out_of_range", "/content"),
    post("a number of 5,000 digits", body("9" * 5_000), 400, "integer_out_of_range", "/content"),
    post("half a surrogate pair", body(r'"\ud800"'), 400, "lone_surrogate", "/content"),
    post("half a pair as a key", body(r'{"\udfff": 1}'), 400, "lone_surrogate", None),
    post("half a pair in bytes", body('"\ud800"'), 400, "invalid_utf8"),
    post("NUL", body(r'"a\u0000"'), 400, "nul_character", "/content"),
    post("NUL in bytes", body('"a\x00"'), 400, "malformed_json"),
    post("Latin-1", b'{"name": "\xe4", "content": 1}', 400, "invalid_utf8"),
    post("UTF-16", json.dumps(publish("x")).encode("utf-16"), 400, "invalid_utf8"),
    post("100 levels", body(nested(100).decode()), 413, "too_deep", None),
    post("100,000 levels", body("[" * 100_000 + "]" * 100_000), 413, "too_deep", None),
    post("100,000 open brackets", body("[" * 100_000), 413, "too_deep", None),
    post("17 MB", body('"' + "x" * (17 << 20) + '"'), 413, "body_too_large"),
    post("an unknown field", publish("x", colour="red"), 400, "unknown_field", "colour"),
    post("a field of the wrong type", publish("x", tags=[]), 400, "invalid_field", "tags"),
    post("no content", {"name": NAME}, 400, "missing_field", "content"),
    post("an unknown kind", publish("x", kind="song"), 400, "unknown_kind", "kind"),
    post("no text as a message", publish("x", message=1), 400, "invalid_field", "message"),
    post("a message too long", publish("x", message="m" * 10_001), 413, "too_long", "message"),
    post("too many tags", publish("x", tags={str(n): "" for n in range(101)}), 413, "too_large", "tags"),
    post("a bad tag", publish("x", tags={"../a": ""}), 400, "dot_segment", "key"),
    post("a bad alias", publish("x", aliases=["latest"]), 400, "reserved_alias", "alias"),
    Case("1,001 versions", "POST", "/versions/bulk", 413, "too_large", "versions",
         {"versions": [publish("x")] * 1_001}),
    Case("one bad of many", "POST", "/versions/bulk", 400, "unknown_field", "versions/1/x",
         {"versions": [publish("x"), publish("x", x=1)]}),
]  # fmt: skip

NAMES = [
    *named("a step up", "a/../b", "dot_segment"),
    *named("a step up alone", "..", "dot_segment"),
    *named("a step up, encoded", "a/%2e%2e/b", "percent_encoded"),
    *named("an encoded slash", "a%2Fb", "percent_encoded"),
    *named("a slash at the edge", "/etc/passwd", "edge_slash"),
    *named("a backslash", "a\\b", "reserved_character"),
    *named("a colon", "a:b", "reserved_character"),
    *named("an at sign", "a@b", "reserved_character"),
    *named("a control character", "a\x01b", "control_character"),
    *named("a line feed", "a\nb", "control_character"),
    *named("a bell", "a\x07", "control_character"),
    *named("a direction mark", "a\u202eb", "invisible_character"),
    *named("a zero-width space", "a\u200bb", "invisible_character"),
    *named("nothing", "", "empty"),
    *named("a space", " a", "edge_space"),
    *named("10,000 characters", "n" * 10_000, "too_long"),
    *named("9 segments", "/".join("abcdefghi"), "too_many_segments"),
    *named("two scripts", "p\u0430ypal", "mixed_scripts"),
    *named("markup", "<script>", "reserved_character"),
    post("NUL in a name", {"name": "a\0", "content": "x"}, 400, "nul_character", "/name"),
    Case("NUL in a path", "GET", "/artifacts/prompt/a%00b", 400, "nul_character"),
    Case("NUL in a selector", "GET", "/resolve/a%00b", 400, "nul_character"),
    Case("NUL in a query", "GET", "/artifacts?name=a%00", 400, "nul_character", "name"),
    Case("no UTF-8 in a path", "GET", "/artifacts/prompt/%ff", 400, "invalid_path"),
    Case("no UTF-8 in a selector", "GET", "/resolve/%c3%28", 400, "invalid_path"),
    Case("no UTF-8 in a query", "GET", "/artifacts?name=%ff", 400, "invalid_query"),
    Case("no UTF-8 in a parameter's name", "GET", "/artifacts?%ff=1", 400, "invalid_query"),
    Case("a surrogate in a path", "GET", "/artifacts/prompt/%ed%a0%80", 400, "invalid_path"),
    Case("an unknown kind", "GET", "/artifacts/song/a", 400, "unknown_kind", "kind"),
    Case("a bad alias", "PUT", place(NAME, "aliases", "v7"), 400, "looks_like_version", "alias",
         {"version": 1}),
    Case("a bad tag key", "PUT", place(NAME, "tags", "a/../b"), 400, "dot_segment", "key",
         {"value": "x"}),
    Case("a long tag value", "PUT", place(NAME, "tags", "a"), 413, "too_long", "value",
         {"value": "v" * 100_001}),
]  # fmt: skip

SELECTORS = [
    Case("a step up", "GET", "/resolve/a/../b", 400, "invalid_selector", "selector"),
    Case("two aliases", "GET", "/resolve/a@b@c", 400, "invalid_selector", "selector"),
    Case("an alias and a version", "GET", "/resolve/a@b:1", 400, "invalid_selector", "selector"),
    Case("version 0", "GET", "/resolve/a:0", 400, "invalid_selector", "selector"),
    Case("version 2^63", "GET", f"/resolve/a:{2**63}", 400, "invalid_selector", "selector"),
    Case("no name", "GET", "/resolve/", 400, "invalid_selector", "selector"),
    Case("10,000 characters", "GET", "/resolve/" + "n" * 10_000, 400, "invalid_selector", "selector"),
    Case("20,000 characters", "GET", "/resolve/" + "n" * 20_000, 400, "path_too_long"),
    Case("an unknown artifact", "GET", "/resolve/no/such", 404, "artifact_not_found", "name"),
    Case("an unknown alias", "GET", f"/resolve/{NAME}@no", 404, "alias_not_found", "selector"),
    Case("an unknown version", "GET", f"/resolve/{NAME}:9", 404, "version_not_found", "selector"),
    Case("a bad moment", "GET", f"/resolve/{NAME}?at=yesterday", 400, "invalid_field", "at"),
    Case("a moment in the year 10,000", "GET", f"/resolve/{NAME}?at=9999-12-31T23:59:59-01:00", 400, "invalid_time"),
    Case("a moment in the year 0", "GET", f"/resolve/{NAME}?at=0001-01-01T00:00:00%2B01:00", 400, "invalid_time"),
    Case("seconds as a moment", "GET", f"/resolve/{NAME}?at=1700000000", 400, "invalid_field", "at"),
    Case("null as a moment", "GET", f"/resolve/{NAME}?at=null", 400, "invalid_field", "at"),
    Case("a moment without a zone", "GET", f"/resolve/{NAME}?at=2026-01-01T00:00:00", 400, "invalid_time"),
    Case("an unknown parameter", "GET", f"/resolve/{NAME}?x=1", 400, "unknown_field", "x"),
    Case("a parameter twice", "GET", f"/resolve/{NAME}?key=a&key=b", 400, "duplicate_key", "key"),
    Case("a bad diff", "GET", f"/diff?before={NAME}:1&after=", 400, "invalid_selector", "selector"),
    Case("version 0 of", "GET", place(NAME, "versions", 0), 400, "invalid_number", "version"),
    Case("version 2^63 of", "GET", place(NAME, "versions", 2**63), 400, "invalid_number", "version"),
    Case("version 2^31 of", "GET", place(NAME, "versions", 2**31), 400, "version_out_of_range", "version"),
    Case("version -1 of", "GET", place(NAME, "versions", -1), 400, "invalid_number", "version"),
    Case("version ٣ of", "GET", place(NAME, "versions", "٣"), 400, "invalid_number", "version"),
    Case("release 0", "GET", "/releases/0", 400, "invalid_number", "release"),
    Case("release 2^63", "GET", f"/releases/{2**63}", 400, "invalid_number", "release"),
    Case("release 2^53", "GET", f"/releases/{2**53}", 404, "release_not_found", None),
]  # fmt: skip

MOVES = [
    Case("nowhere", "PUT", ALIAS, 400, "invalid_target", "version", {}),
    Case("to version 0", "PUT", ALIAS, 400, "version_out_of_range", "version", {"version": 0}),
    Case("to version 2^63", "PUT", ALIAS, 400, "integer_out_of_range", "/version", {"version": 2**63}),
    Case("to version 2^31", "PUT", ALIAS, 400, "version_out_of_range", "version", {"version": 2**31}),
    Case("to version 1.5", "PUT", ALIAS, 400, "invalid_field", "version", {"version": 1.5}),
    Case("to version true", "PUT", ALIAS, 400, "invalid_field", "version", {"version": True}),
    Case("to a text", "PUT", ALIAS, 400, "invalid_field", "version", {"version": "1"}),
    Case("to what is not there", "PUT", ALIAS, 404, "version_not_found", "version", {"version": 9}),
    Case("to 21 versions", "PUT", ALIAS, 400, "invalid_split", "split",
         {"split": {str(n): 1 for n in range(1, 22)}}),
    Case("with a weight of -1", "PUT", ALIAS, 400, "invalid_split", "split", {"split": {"1": -1, "2": 2}}),
    Case("with a huge weight", "PUT", ALIAS, 400, "invalid_split", "split", {"split": {"1": 10_001, "2": 2}}),
    Case("one version twice", "PUT", ALIAS, 400, "duplicate_key", None,
         b'{"split": {"1": 1, "1": 2}}'),
    Case("one version spelled twice", "PUT", ALIAS, 400, "invalid_split", "split",
         {"split": {"1": 1, "01": 2}}),
    Case("with a long reason", "PUT", ALIAS, 413, "too_long", "reason",
         {"version": 2, "reason": "r" * 10_001}),
    Case("a stale revision", "PUT", ALIAS, 409, "stale_revision", "if_revision", {"version": 2},
         {"If-Match": '"7"'}),
    Case("an alias that is there", "PUT", ALIAS, 409, "stale_revision", "if_revision", {"version": 2},
         {"If-None-Match": "*"}),
    Case("a bad revision", "PUT", ALIAS, 400, "invalid_if_match", "If-Match", {"version": 2},
         {"If-Match": "W/x"}),
    Case("no moves", "POST", "/releases", 400, "empty_release", None, {"moves": []}),
    Case("one alias twice", "POST", "/releases", 400, "duplicate_move", None,
         {"moves": [{"name": NAME, "alias": "a", "version": 1}] * 2}),
    Case("501 moves", "POST", "/releases", 409, "too_many_moves", None,
         {"moves": [{"name": NAME, "alias": "a", "version": 1}] * 501}),
    Case("a move of what is not there", "POST", "/releases", 404, "artifact_not_found", "name",
         {"moves": [{"name": "no/such", "alias": "a", "version": 1}]}),
    Case("a body where none is", "POST", place(NAME, "archive"), 400, "unknown_field", "why", {"why": 1}),
    Case("a rollback of nothing", "POST", place(NAME, "aliases", "no") + "/rollback", 404,
         "alias_not_found", "alias", {}, hint=False),
    Case("an empty idempotency key", "POST", "/versions", 400, "invalid_idempotency_key",
         "Idempotency-Key", publish("x"), {"Idempotency-Key": ""}),
    Case("a long idempotency key", "POST", "/versions", 400, "invalid_idempotency_key",
         "Idempotency-Key", publish("x"), {"Idempotency-Key": "k" * 256}),
]  # fmt: skip

LISTS = [
    Case("a page of 0", "GET", "/artifacts?limit=0", 400, "invalid_field", "limit"),
    Case("a page of 1,001", "GET", "/artifacts?limit=1001", 400, "invalid_field", "limit"),
    Case("a page of 2^70", "GET", f"/artifacts?limit={2**70}", 400, "invalid_field", "limit"),
    Case("a page of x", "GET", "/artifacts?limit=x", 400, "invalid_field", "limit"),
    Case("a page of 1e1", "GET", "/artifacts?limit=1e1", 400, "invalid_field", "limit"),
    Case("entries after null", "GET", "/journal?after=null", 400, "invalid_field", "after"),
    Case("a cursor of nothing", "GET", "/artifacts?cursor=", 400, "invalid_cursor", "cursor"),
    Case("a cursor of garbage", "GET", "/artifacts?cursor=%F0%9F%92%A9", 400, "invalid_cursor", "cursor"),
    Case("a cursor of JSON", "GET", "/journal?cursor=WzFd", 400, "invalid_cursor", "cursor"),
    Case("a long cursor", "GET", "/journal?cursor=" + "A" * 2_001, 400, "invalid_field", "cursor"),
    Case("a bad tag expression", "GET", "/artifacts?tags=a%20%3D", 400, "invalid_tag_expression", None),
    Case("an unknown order", "GET", "/artifacts?order=size", 400, "invalid_field", "order"),
    Case("an unknown kind", "GET", "/artifacts?kind=song", 400, "unknown_kind", "kind"),
    Case("a bad folder", "GET", "/artifacts?folder=a/..", 400, "dot_segment", "folder"),
    Case("a bad alias", "GET", "/artifacts?alias=latest", 400, "reserved_alias", "alias"),
    Case("a bad moment", "GET", "/artifacts?since=2026-13-01T00:00:00Z", 400, "invalid_field", "since"),
    Case("a moment without a zone", "GET", "/artifacts?since=2026-01-01T00:00:00", 400, "invalid_time"),
    Case("no moments", "GET", "/differences", 400, "missing_field", "before"),
    Case("moments without a zone", "GET",
         "/differences?before=2026-01-01T00:00:00&after=2026-01-01T00:00:00", 400, "invalid_time"),
    Case("entries after -1", "GET", "/journal?after=-1", 400, "invalid_field", "after"),
    Case("entries after 2^63", "GET", f"/journal?after={2**63}", 400, "invalid_field", "after"),
    Case("200 parameters", "GET", "/artifacts?" + "alias=a&" * 200, 400, "invalid_query"),
    Case("a long query", "GET", "/artifacts?name=" + "n" * 9_000, 413, "query_too_large"),
    Case("a huge address", "GET", "/artifacts?name=" + "n" * 70_000, 431, "head_too_large"),
    Case("a huge field", "GET", "/me", 431, "head_too_large", headers={"X": "x" * 70_000}),
    Case("many fields", "GET", "/me", 431, "head_too_large",
         headers={f"X-{n}": "x" * 900 for n in range(90)}),
]  # fmt: skip

CONTENT = [
    post("content that is no object", publish(1), 400, "wrong_type"),
    post("content without a template", publish({}), 400, "missing", "/template"),
    post("an unknown field in it", publish({"template": "x", "tempo": 1}), 400, "unknown_field", "/tempo"),
    post("an unknown format", publish({"template": "x", "format": "mustache"}), 400, "unknown_format", "/format"),
    post("a template of 2 MB", publish({"template": "x" * 2_000_000}), 413, "template_too_large", "/template"),
    post("an unclosed tag", publish({"template": "a\nb {{ c"}), 400, "template_syntax", "/template"),
    post("an unclosed brace in an f-string", publish({"template": "a\nb {c", "format": "f-string"}), 400, "template_syntax", "/template"),
    post("an attribute in an f-string", publish({"template": "{a.__class__}", "format": "f-string"}), 400, "template_syntax", "/template"),
    post("an unclosed brace in jinja2", publish({"template": "a\nb {{ c", "format": "jinja2"}), 400, "template_syntax", "/template"),
    post("an unclosed block in jinja2", publish({"template": "a\n{% if b %}", "format": "jinja2"}), 400, "template_syntax", "/template"),
    post("a file included in jinja2", publish({"template": "{% include '/etc/passwd' %}", "format": "jinja2"}), 400, "template_syntax", "/template"),
    post("a bad selector in an include", publish({"template": "{{> a@b@c }}"}), 400, "template_syntax", "/template"),
    post("an include of itself", publish({"template": "{{> " + NAME + " }}"}), 400, "include_cycle", "/template"),
    post("an include of what is not there", publish({"template": "{{> no/such }}"}), 404, "artifact_not_found", "content"),
    post("a dependency on what is not there",
         publish({"template": "x"}, dependencies=[{"relation": "uses", "selector": "model:no"}]),
         404, "artifact_not_found", "content"),
    post("an unknown relation",
         publish({"template": "x"}, dependencies=[{"relation": "likes", "selector": "a"}]),
         400, "invalid_field", "dependencies/0/relation"),
    post("a remote schema",
         publish({"template": "{{ a }}", "variables": {"a": {"schema": {"$ref": "http://127.0.0.1/x"}}}}),
         400, "invalid_schema", None, hint=False),
]  # fmt: skip

KEYS = [
    Case("a key without a name", "POST", "/keys", 400, "invalid_key_name", "name", {"name": " ", "role": "viewer"}),
    Case("a key with a role that is none", "POST", "/keys", 400, "invalid_field", "role", {"name": "x", "role": "root"}),
    Case("a key that has expired", "POST", "/keys", 400, "invalid_expiry", "expires_at",
         {"name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}),
    Case("a key that expires in the year 10,000", "POST", "/keys", 400, "invalid_time", "",
         {"name": "x", "role": "viewer", "expires_at": "9999-12-31T23:59:59-01:00"}),
    Case("a key that is not there", "DELETE", "/keys/no", 404, "key_not_found", "id", hint=False),
]  # fmt: skip

CASES = [*JSON, *NAMES, *SELECTORS, *MOVES, *LISTS, *CONTENT, *KEYS]
