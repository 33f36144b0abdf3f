"""Webhooks as receivers and admins see them: a real server, real receivers on the loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook as Verifier

from hooks import Received, Receiver, answer
from pointsman.app.addresses import destination
from pointsman.core.events import Message
from pointsman.errors import InvalidInput
from pointsman.wire.hooks import sender
from pointsman.wire.hooks.sender import HttpSender
from serving import Api, ServerProcess

Eventually = Callable[..., None]
MESSAGE = Message(b'{"a":1}', {"content-type": "application/json"}, {"authorization": "Bearer t"})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    settings = {
        "pointsman.core.deliveries.FIRST_WAIT": 200_000,
        "pointsman.core.deliveries.LONGEST_WAIT": 400_000,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")
        server = ServerProcess(data=tmp_path_factory.mktemp("hooks"), settings=settings)
    with server:
        yield server


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses inside the network are allowed, in this process."""
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def make(api: Api, url: str, **more: Any) -> dict[str, Any]:
    """Make a webhook; its id and its secret."""
    made = api.post("/webhooks", {"name": "a receiver", "url": url, **more})
    assert made.status == 201, made
    return {**made.json["webhook"], "secret": made.json["secret"]}


def deliveries(api: Api, hook: dict[str, Any]) -> list[dict[str, Any]]:
    found = api.get(f"/webhooks/{hook['id']}/deliveries", query={"limit": 1000})
    assert found.status == 200, found
    items: list[dict[str, Any]] = found.json["items"]
    return items


# What is sent


def test_a_move_is_told_as_a_signed_cloud_event(api: Api, receiver: Receiver) -> None:
    api.publish("told/a")
    hook = make(api, receiver.url, events=["alias.*"])
    moved = api.post(
        "/releases",
        {"moves": [{"name": "told/a", "alias": "production", "version": 1}], "reason": "it’s <ok>"},
    )
    assert moved.status == 200, moved
    receiver.wait(lambda got: len(got) == 1)
    (got,) = receiver.received
    verified = Verifier(hook["secret"]).verify(got.body, dict(got.headers))
    assert verified == got.json
    entry = api.get("/journal", query={"limit": 1}).json["items"][0]
    event = got.json
    assert got.headers["content-type"].startswith("application/cloudevents+json")
    assert event["specversion"] == "1.0"
    assert event["id"] == got.id
    assert event["type"] == "pointsman.alias.moved"
    assert event["subject"] == "prompt:told/a@production"
    assert event["time"] == entry["at"]
    assert event["datacontenttype"] == "application/json"
    assert event["source"].startswith("urn:pointsman:")
    assert event["data"] == {
        "project": "default",
        "seq": entry["seq"],
        "by": entry["by"],
        "via": "api",
        "reason": "it’s <ok>",
        "facts": entry["data"],
    }


def test_a_forged_body_does_not_verify(api: Api, receiver: Receiver) -> None:
    hook = make(api, receiver.url, events=["tag.*"])
    api.publish("told/forged")
    api.put("/artifacts/prompt/told%2Fforged/tags/a", {"value": "b"})
    receiver.wait(lambda got: len(got) == 1)
    (got,) = receiver.received
    with pytest.raises(Exception, match="signature"):
        Verifier(hook["secret"]).verify(got.body + b" ", dict(got.headers))
    key = base64.b64decode(hook["secret"].removeprefix("whsec_"))
    signed = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{wanted}"


def test_slack_gets_a_sentence_and_github_a_dispatch(api: Api) -> None:
    api.publish("told/forms")
    with Receiver() as slack, Receiver() as github:
        make(api, slack.url, format="slack", events=["alias.moved"])
        make(api, github.url, format="github", token="ghp_1", events=["alias.moved"])
        api.post(
            "/releases",
            {
                "moves": [{"name": "told/forms", "alias": "staging", "version": 1}],
                "reason": "<b> & co",
            },
        )
        slack.wait(lambda got: len(got) == 1)
        github.wait(lambda got: len(got) == 1)
        by = api.get("/journal", query={"limit": 1}).json["items"][0]["by"]
        assert slack.received[0].json == {
            "text": f"{by} moved told/forms@staging to version 1: &lt;b&gt; &amp; co"
        }
        dispatch = github.received[0]
        assert dispatch.headers["authorization"] == "Bearer ghp_1"
        assert dispatch.json["event_type"] == "pointsman.alias.moved"
        assert dispatch.json["client_payload"]["subject"] == "prompt:told/forms@staging"
        assert len(dispatch.json["client_payload"]) <= 10


def test_filters_let_through_what_they_name(api: Api, receiver: Receiver) -> None:
    make(api, receiver.url, events=["alias.*"], artifacts="narrow/*", aliases="prod-*")
    for name in ("narrow/a", "wide/a"):
        api.publish(name)
        for alias in ("prod-eu", "staging"):
            api.move(name, alias, 1)
    api.move("narrow/a", "prod-last", 1)
    receiver.wait(lambda got: len(got) >= 2)
    assert [got.subject for got in receiver.received] == [
        "prompt:narrow/a@prod-eu",
        "prompt:narrow/a@prod-last",
    ]


# The life of a webhook


def test_secrets_are_shown_once_and_never_recorded(api: Api, receiver: Receiver) -> None:
    secret_url = f"{receiver.url}/T000/secret-part"
    hook = make(api, secret_url, format="github", token="ghp_hidden", events=["version.tombstoned"])
    changed = api.put(f"/webhooks/{hook['id']}", {"name": "renamed"})
    assert (changed.status, changed.json["name"]) == (200, "renamed")
    api.post(f"/webhooks/{hook['id']}/disable", {"reason": "for a while"})
    api.post(f"/webhooks/{hook['id']}/enable", {})
    shown = api.get(f"/webhooks/{hook['id']}").body + api.get("/webhooks").body
    recorded = api.get("/journal", query={"limit": 1000}).body
    for secret in (hook["secret"], "ghp_hidden"):
        assert secret.encode() not in shown + recorded
    assert b"secret-part" not in recorded
    assert api.delete(f"/webhooks/{hook['id']}").status == 200
    assert api.get(f"/webhooks/{hook['id']}").status == 404
    types = [one["type"] for one in api.get("/journal", query={"limit": 5}).json["items"]]
    assert types == [
        "webhook.deleted",
        "webhook.enabled",
        "webhook.disabled",
        "webhook.changed",
        "webhook.created",
    ]
    assert api.get("/doctor").json["findings"] == []


def test_a_token_is_not_taken_along_to_another_place(api: Api) -> None:
    with Receiver() as first, Receiver() as second:
        hook = make(api, first.url, token="only-for-the-first", events=["version.tombstoned"])
        moved = api.put(f"/webhooks/{hook['id']}", {"url": second.url})
        assert moved.json["has_token"] is False
        api.post(f"/webhooks/{hook['id']}/test", {})
        second.wait(lambda got: len(got) == 1)
        assert "authorization" not in second.received[0].headers


def test_a_ping_is_sent_once(api: Api, receiver: Receiver, eventually: Eventually) -> None:
    receiver.behave = lambda got, handler: answer(handler, 500)
    hook = make(api, receiver.url, events=["version.tombstoned"])
    sent = api.post(f"/webhooks/{hook['id']}/test", {})
    assert (sent.status, sent.json["state"]) == (200, "pending")
    eventually(lambda: deliveries(api, hook)[0]["state"] == "failed")
    (got,) = receiver.received
    assert got.json["type"] == "pointsman.ping"
    assert deliveries(api, hook)[0]["status"] == 500


def test_redelivery_carries_the_same_id(
    api: Api, receiver: Receiver, eventually: Eventually
) -> None:
    hook = make(api, receiver.url, events=["artifact.created"])
    api.publish("again/a")
    receiver.wait(lambda got: len(got) == 1)
    eventually(lambda: deliveries(api, hook)[0]["state"] == "delivered")
    assert api.post(f"/webhooks/{hook['id']}/deliveries/99/redeliver", {}).status == 404
    again = api.post(f"/webhooks/{hook['id']}/deliveries/1/redeliver", {})
    assert again.json["number"] == 2
    receiver.wait(lambda got: len(got) == 2)
    first, second = receiver.received
    assert (first.id, first.json) == (second.id, second.json)


def test_what_is_disabled_waits_and_goes_on_where_it_was(api: Api, receiver: Receiver) -> None:
    hook = make(api, receiver.url, events=["artifact.created"])
    assert api.post(f"/webhooks/{hook['id']}/disable", {"reason": "moving house"}).status == 200
    shown = api.get(f"/webhooks/{hook['id']}").json
    assert shown["disabled_at"]
    assert shown["disabled_why"] == "moving house"
    assert api.post(f"/webhooks/{hook['id']}/test", {}).code == "webhook_disabled"
    for number in range(3):
        api.publish(f"waiting/{number}")
    assert receiver.received == []
    api.post(f"/webhooks/{hook['id']}/enable", {})
    receiver.wait(lambda got: len(got) == 3)
    assert [got.subject for got in receiver.received] == [f"prompt:waiting/{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("url", "ftp://example.org/", "invalid_webhook_url"),
        ("url", "https://me:pass@example.org/", "invalid_webhook_url"),
        ("url", "https://example.org/#part", "invalid_webhook_url"),
        ("url", "https:///nohost", "invalid_webhook_url"),
        ("url", "http://exa mple.org/", "invalid_webhook_url"),
        ("url", "http://example.org:99999/", "invalid_webhook_url"),
        ("url", "http://example.org\\@127.0.0.1/", "invalid_webhook_url"),
        ("url", "//example.org/", "invalid_webhook_url"),
        ("url", "http://[::1", "invalid_webhook_url"),
        ("name", " ", "invalid_webhook"),
        ("events", ["Alias Moved"], "invalid_webhook"),
        ("events", ["alias.*", "alias.moves"], "unknown_event"),
        ("events", [f"a.{'b' * n}" for n in range(1, 60)], "invalid_webhook"),
        ("artifacts", "a**", "invalid_pattern"),
        ("aliases", "", "invalid_pattern"),
        ("format", "xml", "invalid_webhook"),
        ("format", "github", "invalid_webhook"),
        ("token", "a b", "invalid_webhook"),
    ],
)
def test_bad_terms_are_refused(api: Api, field: str, value: object, code: str) -> None:
    body = {"name": "x", "url": "http://127.0.0.1:9/", field: value}
    answered = api.post("/webhooks", body)
    assert (answered.status, answered.code) == (400, code), answered
    assert answered.json["hint"]


# Receivers that misbehave


def test_a_failing_artifact_holds_back_its_own_events_only(
    api: Api, receiver: Receiver, eventually: Eventually
) -> None:
    failing = threading.Event()
    failing.set()

    def behave(got: Received, handler: BaseHTTPRequestHandler) -> None:
        bad = failing.is_set() and got.subject.startswith("prompt:held/bad")
        answer(handler, 503 if bad else 200)

    receiver.behave = behave
    hook = make(api, receiver.url, events=["alias.moved"], artifacts="held/*")
    for name in ("held/bad", "held/good"):
        api.publish(name)
    for alias in ("a", "b", "c"):
        api.move("held/bad", alias, 1)
        api.move("held/good", alias, 1)
    receiver.wait(lambda got: sum(one.subject.startswith("prompt:held/good") for one in got) == 3)
    assert {got.subject for got in receiver.received if "bad" in got.subject} == {
        "prompt:held/bad@a"
    }, "what comes after it waits"
    failing.clear()
    eventually(lambda: all(one["state"] == "delivered" for one in deliveries(api, hook)))
    order = [got.subject for got in receiver.received if "bad" in got.subject]
    assert list(dict.fromkeys(order)) == [f"prompt:held/bad@{alias}" for alias in "abc"]
    tried = next(one for one in deliveries(api, hook) if one["subject"] == "prompt:held/bad@a")
    assert tried["attempts"] > 1


def test_the_beginning_of_an_answer_is_kept(
    api: Api, receiver: Receiver, eventually: Eventually
) -> None:
    def behave(got: Received, handler: BaseHTTPRequestHandler) -> None:
        text = b"no \xff\x00 " + b"x" * 2_000
        handler.send_response(400)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    receiver.behave = behave
    hook = make(api, receiver.url, events=["version.tombstoned"])
    api.post(f"/webhooks/{hook['id']}/test", {})
    eventually(lambda: deliveries(api, hook)[0]["state"] == "failed")
    (kept,) = deliveries(api, hook)
    assert kept["status"] == 400
    assert kept["answer"].startswith("no \ufffd\ufffd x")
    assert len(kept["answer"]) == 500
    assert kept["duration_ms"] >= 0


def test_a_receiver_that_closes_or_is_not_there(allowed: None) -> None:
    def close(got: Received, handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()
        handler.close_connection = True

    with Receiver(close) as receiver:
        told = HttpSender().send(receiver.url, MESSAGE)
        assert told.status is None
        assert told.error.startswith("It can't be reached:")
    told = HttpSender().send(receiver.url, MESSAGE)
    assert told.status is None
    assert "refused" in told.error
    told = HttpSender().send("http://no-such-name.invalid/", MESSAGE)
    assert told.status is None
    assert "leads nowhere" in told.error


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 307 OK\r\nlocation: http://[::1\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 307 OK\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 307 OK\r\nlocation: http://a\x00b@c/\xff\r\ncontent-length: 0\r\n\r\n",
        b"",
    ],
)
def test_nonsense_is_a_failure_like_any_other(said: bytes, allowed: None) -> None:
    def behave(got: Received, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(said)
        handler.close_connection = True

    with Receiver(behave) as receiver:
        told = HttpSender().send(receiver.url, MESSAGE)
    assert told.status is None
    assert told.error


@pytest.mark.parametrize("how", ["silent", "drip", "endless"])
def test_a_receiver_that_takes_its_time_is_left(
    how: str, allowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "DEADLINE", 0.5)

    def behave(got: Received, handler: BaseHTTPRequestHandler) -> None:
        if how == "silent":
            slow.ending.wait(20)
            return
        start = b"HTTP/1.1 200 OK\r\n" + (b"" if how == "drip" else b"\r\n")
        handler.wfile.write(start)
        while not slow.ending.wait(0.05 if how == "drip" else 0.0001):
            handler.wfile.write(b"x" if how == "drip" else b"x" * 10_000)

    with Receiver(behave) as slow:
        told = HttpSender().send(slow.url, MESSAGE)
        assert told.duration < 10_000_000, "it would go on for ever"
        if how == "endless":
            assert (told.status, told.answer) == (200, "x" * 500)
        else:
            assert told.status is None
            assert "over 0.5 seconds" in told.error


# TLS


@contextmanager
def with_tls(receiver: Receiver, name: str, folder: Path) -> Iterator[None]:
    """Let a receiver speak TLS, with a certificate for a name that nobody but the test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    receiver.speak_tls(context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        sender._tls.cache_clear()
        yield
    sender._tls.cache_clear()


def test_tls_is_for_the_name_and_not_for_the_address(
    allowed: None, receiver: Receiver, tmp_path: Path
) -> None:
    with with_tls(receiver, "localhost", tmp_path):
        sent = HttpSender()
        assert sent.send(f"https://localhost:{receiver.port}/", MESSAGE).status == 204
        assert receiver.server_names == ["localhost"]
        told = sent.send(f"https://127.0.0.1:{receiver.port}/", MESSAGE)
        assert told.status is None
        assert "doesn't match" in told.error
        assert len(receiver.received) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(
    allowed: None, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_tls(receiver, "localhost", tmp_path):
        monkeypatch.delenv("SSL_CERT_FILE")
        sender._tls.cache_clear()
        told = HttpSender().send(f"https://localhost:{receiver.port}/", MESSAGE)
        assert told.status is None
        assert "certificate" in told.error
        assert receiver.received == []


def test_a_redirect_from_https_to_http_is_not_followed(
    allowed: None, receiver: Receiver, tmp_path: Path
) -> None:
    with redirecting(receiver.url) as first, with_tls(first, "localhost", tmp_path):
        told = HttpSender().send(f"https://localhost:{first.port}/", MESSAGE)
        assert told.status is None
        assert "from https" in told.error
        assert receiver.received == []


# Where it may lead


def redirecting(to: str, status: int = 307) -> Receiver:
    return Receiver(lambda got, handler: answer(handler, status, Location=to))


def test_redirects_are_followed_a_few_times(allowed: None) -> None:
    with Receiver() as end, redirecting(end.url) as second, redirecting("/again") as loop:
        with redirecting(second.url, 302) as first:
            assert HttpSender().send(first.url, MESSAGE).status == 204
            assert first.received[0].headers["authorization"] == "Bearer t"
        (got,) = end.received
        assert got.body == MESSAGE.body
        assert "authorization" not in got.headers, "the token was meant for the first"
        told = HttpSender().send(loop.url, MESSAGE)
        assert told.status is None
        assert "more than 3 times" in told.error
        assert len(loop.received) == 4


def test_a_redirect_to_a_private_address_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first address is let through as if it were public; the second is judged as it is."""
    with Receiver() as inside, redirecting(inside.url) as outside:
        first = destination_of(outside, monkeypatch)
        monkeypatch.setattr(
            sender,
            "destination",
            lambda url: first if url == outside.url else destination(url),
        )
        told = HttpSender().send(outside.url, MESSAGE)
        assert len(outside.received) == 1
        assert told.status is None
        assert "inside a network" in told.error
        assert inside.received == []


def destination_of(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")
        return destination(receiver.url)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/",
        "http://127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
    ],
)
def test_private_addresses_and_names_that_lead_to_them_are_refused(
    url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTSMAN_WEBHOOK_PRIVATE", raising=False)
    url = url.format(port=receiver.port)
    with pytest.raises(InvalidInput) as caught:
        destination(url)
    assert caught.value.code == "private_address"
    told = HttpSender().send(url, MESSAGE)
    assert told.status is None
    assert "inside a network" in told.error
    assert receiver.received == []


def test_a_private_address_is_refused_at_save(tmp_path: Path, receiver: Receiver) -> None:
    with ServerProcess(data=tmp_path) as server:
        for url in (receiver.url, f"http://localhost:{receiver.port}/"):
            refused = server.post("/webhooks", {"name": "x", "url": url})
            assert (refused.status, refused.code) == (400, "private_address"), refused
        kept = server.post("/webhooks", {"name": "x", "url": "https://no-such-name.invalid/"})
        assert kept.status == 201, "its name may lead somewhere later"
        changed = server.put(f"/webhooks/{kept.json['webhook']['id']}", {"url": receiver.url})
        assert changed.code == "private_address"


def test_the_name_is_resolved_once_and_kept_for_the_host_header(
    allowed: None, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = socket.getaddrinfo

    def counting(host: Any, *args: Any, **more: Any) -> Any:
        asked.append(host)
        return [one for one in real(host, *args, **more) if one[0] == socket.AF_INET]

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    assert HttpSender().send(f"http://localhost:{receiver.port}/", MESSAGE).status == 204
    assert receiver.received[0].headers["host"] == f"localhost:{receiver.port}"
    assert asked.count("localhost") == 1
    assert set(asked) <= {"localhost", "127.0.0.1"}
