"""What bad input gets: a status, a stable code, the place, a way out; and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving import ADMIN, Answer, Api, ServerProcess
from wire.bad_input import ALIAS, CASES, NAME, Case, publish


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ServerProcess(data=tmp_path_factory.mktemp("bad")) as server:
        server.publish(NAME)
        server.publish(NAME, aliases=["deployment"])
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_input_is_refused_in_words_that_help(api: Api, case: Case) -> None:
    head = api.head()
    answer = api.request(case.method, case.path, case.body, headers=case.headers)
    assert (answer.status, answer.code) == (case.status, case.code), answer
    if case.at is not None:
        assert answer.json["field"] == case.at, answer
    _check_problem(answer, case)
    assert api.head() == head


def _check_problem(answer: Answer, case: Case) -> None:
    problem = answer.json
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:pointsman:problem:{case.code}"
    assert problem["status"] == case.status
    assert problem["title"]
    assert problem["detail"][-1] in ".:)", problem
    assert problem["request_id"]
    assert bool(problem["hint"]) or not case.hint, problem
    assert len(answer.body) < 5_000, "what was sent is not sent back whole"
    for text in (problem["detail"], problem["hint"], problem["field"]):
        assert text.isprintable(), text


def test_a_stale_revision_is_told_how_things_stand(api: Api) -> None:
    answer = api.put(ALIAS, {"version": 2}, headers={"If-Match": '"7"'})
    assert answer.json["details"]["current"] == {
        "kind": "prompt",
        "name": NAME,
        "alias": "deployment",
        "revision": 1,
        "target": {"version": 2},
    }


@pytest.mark.parametrize(
    ("text", "kind", "line", "column"),
    [
        ("a\nb {{ c", "curly", 2, 3),
        ("a\nb {c", "f-string", 2, 3),
        ("a\r\nb }", "f-string", 2, 3),
        ("a\nb {{ c", "jinja2", 2, 3),
        ("ä\n{% if %}", "jinja2", 2, None),
    ],
)
def test_an_error_in_a_template_has_a_line_and_a_column(
    api: Api, text: str, kind: str, line: int, column: int | None
) -> None:
    answer = api.post("/versions", publish({"template": text, "format": kind}))
    assert (answer.status, answer.code) == (400, "template_syntax")
    details = answer.json["details"]
    assert details["line"] == line
    assert details["column"] == column or column is None
    assert f"line {details['line']}, column {details['column']}" in answer.json["detail"]


def test_everything_wrong_with_a_content_is_told_at_once(api: Api) -> None:
    answer = api.post(
        "/versions", publish({"template": "{", "format": "f-string", "tools": 1, "x": 2})
    )
    assert answer.status == 400
    assert {one["field"] for one in answer.json["reasons"]} >= {"/tools", "/x"}


def test_a_circle_of_includes_is_refused(api: Api) -> None:
    api.publish("circle/a", "x")
    api.publish("circle/b", "{{> circle/a }}")
    api.publish("circle/c", "{{> circle/b@latest }}")
    head = api.head()
    answer = api.post("/versions", {"name": "circle/a", "content": "{{> circle/c }}"})
    assert (answer.status, answer.code) == (400, "include_cycle"), answer
    assert "circle/b" in answer.json["detail"]
    assert api.head() == head


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(1000000000) %}{% for b in range(1000000000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 10 ** 12 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{% set a = 'x' * 1000 %}{% set a = a * 1000 %}{% set a = a * 1000 %}{{ a }}",
        "{{ range(100000000) | join }}",
        "{{ 'x' | center(10000000000) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
        "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
        "{% if 1 %}" * 2_000 + "{% endif %}" * 2_000,
        "{{ " + "not " * 20_000 + "1 }}",
        "{{ " + "1 + " * 50_000 + "1 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
    ids=lambda text: text[:40],
)
def test_a_bomb_in_a_template_does_not_go_off_in_the_server(api: Api, template: str) -> None:
    answer = api.post("/versions", {"name": "bomb", "content": _jinja(template)})
    assert answer.status in (201, 400, 413), answer
    if answer.status == 201:
        assert api.get("/resolve/bomb").json["content"]["template"] == template
    else:
        assert answer.json["hint"], answer


def _jinja(template: str) -> dict[str, str]:
    return {"template": template, "format": "jinja2"}


def test_a_tampered_cursor_is_refused(api: Api) -> None:
    cursor = api.get("/journal", query={"limit": 1}).json["cursor"]
    assert api.get("/journal", query={"limit": 1, "cursor": cursor}).status == 200
    for at in range(len(cursor)):
        other = "A" if cursor[at] != "A" else "B"
        tampered = cursor[:at] + other + cursor[at + 1 :]
        answer = api.get("/journal", query={"limit": 1, "cursor": tampered})
        # The last character may hold bits that say nothing.
        assert answer.status == 400 or at == len(cursor) - 1, tampered
        assert answer.status == 200 or answer.code == "invalid_cursor"


@pytest.mark.parametrize("path", ["/versions", "/versions/bulk"])
def test_a_body_without_end_is_cut_off(api: Api, path: str) -> None:
    head = api.head()
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with api.socket() as line:
        key = ADMIN.encode()
        line.send(
            b"POST /api/v1%b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            % (path.encode(), key)
            + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(17 if path == "/versions" else 65):
            line.send(chunk)
        answer = line.answer()
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert answer.json["hint"]
    assert api.head() == head


def test_a_body_that_says_it_is_too_large_is_not_waited_for(api: Api) -> None:
    with api.socket() as line:
        line.send(
            b"POST /api/v1/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n"
            b"Expect: 100-continue\r\nAuthorization: Bearer %b\r\n\r\n" % ADMIN.encode()
        )
        answer = line.answer("POST")
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "multipart/form-data", "x"])
def test_a_body_is_read_as_json_whatever_it_is_called(api: Api, kind: str) -> None:
    head = api.head()
    answer = api.post("/versions", b"name=a&content=b", headers={"Content-Type": kind})
    assert (answer.status, answer.code) == (400, "malformed_json")
    assert answer.json["hint"]
    assert api.head() == head


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/v1/resolve/\xff HTTP/1.1",
        b"GET /api/v1/artifacts?name=\xc3\xa4 HTTP/1.1",
        b"GET /api/v1/resolve/a b HTTP/1.1",
        b"GET /api/v1/me HTTP/9.9",
        b"G\x00T /api/v1/me HTTP/1.1",
        b"GET /api/v1/me\x01 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS greeting
        b"SSH-2.0-OpenSSH_9.2",
        b"BREW /api/v1/me HTTP/1.1",
    ],
)
def test_what_is_no_http_is_told_so_and_hung_up_on(api: Api, request_line: bytes) -> None:
    with api.socket() as line:
        line.send(request_line + b"\r\nHost: x\r\n\r\n")
        answer = line.answer()
        assert (answer.status, answer.code) == (400, "malformed_http"), answer
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"
        assert answer.json["hint"]
        assert line.at_end()


@pytest.mark.parametrize(
    "start",
    [
        b"GET /api/v1/",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST /api/v1/releases HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
    ids=["in the address", "in a field", "after the body"],
)
def test_a_head_without_end_is_cut_off(api: Api, start: bytes) -> None:
    sent = 0
    with api.socket() as line:
        line.send(start)
        try:
            while sent < 64 << 20:
                line.send(b"x" * 4_096)
                sent += 4_096
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 32 << 20, "the server goes on reading"
