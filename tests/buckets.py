"""An object store in the test's own process: as much of S3 over HTTP as files put once need."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

BUCKET = "kept"
KEY, SECRET = "AKIDTESTS", "a secret of the tests"
_SIGNED = re.compile(rf"AWS4-HMAC-SHA256 Credential={KEY}/\d{{8}}/[a-z0-9-]+/s3/aws4_request, .+")


class ObjectStore:
    """Listens on 127.0.0.1. Objects are by their keys; `status` other than 0 refuses everything."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, int]] = []
        """Method, key, and the status of the answer, of each request."""
        self.status = 0
        self._lock = threading.Lock()
        outer = self

        class Handles(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self, b"")

            def do_HEAD(self) -> None:
                outer._answer(self, b"")

            def do_PUT(self) -> None:
                outer._answer(self, self.rfile.read(int(self.headers["content-length"])))

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handles)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_address[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def put(self) -> list[str]:
        """The keys of all objects that were put, in that order; again and again counts."""
        return [key for method, key, status in self.asked if (method, status) == ("PUT", 200)]

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._lock:
            bucket, _, key = unquote(urlsplit(request.path).path)[1:].partition("/")
            status, found = self._done(request, bucket, key, body)
            self.asked.append((request.command, key, status))
        request.send_response(status)
        request.send_header("Content-Length", str(len(found)))
        request.send_header("Last-Modified", "Sat, 21 Nov 2026 09:30:00 GMT")
        request.send_header("ETag", f'"{hashlib.md5(found or body).hexdigest()}"')
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(found)

    def _done(
        self, request: BaseHTTPRequestHandler, bucket: str, key: str, body: bytes
    ) -> tuple[int, bytes]:
        """The status and the object, or nothing, that a request is answered with."""
        if self.status:
            return self.status, b""
        summed = request.headers.get("x-amz-content-sha256")
        proved = _SIGNED.fullmatch(request.headers.get("authorization", "")) is not None
        if not proved or summed not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
            return 403, b""
        if bucket != BUCKET:
            return 404, b""
        if request.command != "PUT":
            return (200, self.objects[key]) if key in self.objects else (404, b"")
        if request.headers.get("if-none-match") == "*" and key in self.objects:
            return 412, b""
        self.objects[key] = body
        return 200, b""
