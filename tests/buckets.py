"""An object store in the test's own process: as much of S3 over HTTP as we need."""

from __future__ import annotations

import hashlib
import re
import threading
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

BUCKET = "kept"
KEY, SECRET = "AKIDTESTS", "a secret of the tests"
_SIGNED = re.compile(rf"AWS4-HMAC-SHA256 Credential={KEY}/\d{{8}}/[a-z0-9-]+/s3/aws4_request, .+")


class ObjectStore:
    """Listens on 127.0.0.1. Objects are by their keys; `status` other than 0 refuses everything."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        """Uploads in parts that have begun and not ended."""
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

            def do_POST(self) -> None:
                outer._answer(self, self.rfile.read(int(self.headers.get("content-length", 0))))

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
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        with self._lock:
            bucket, _, key = unquote(parts.path)[1:].partition("/")
            status, found = self._done(request, bucket, key, query, body)
            self.asked.append((request.command, key, status))
        request.send_response(status)
        request.send_header("Content-Length", str(len(found)))
        request.send_header("Last-Modified", formatdate(usegmt=True))
        request.send_header("ETag", f'"{hashlib.md5(found or body).hexdigest()}"')
        if status == 206:
            start, end = _range(request)
            whole = len(self.objects[key])
            request.send_header("Content-Range", f"bytes {start}-{min(end, whole) - 1}/{whole}")
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(found)

    def _done(
        self,
        request: BaseHTTPRequestHandler,
        bucket: str,
        key: str,
        query: dict[str, str],
        body: bytes,
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
        if "list-type" in query:
            return 200, self._listed(query.get("prefix", ""))
        if request.command == "POST" and "delete" in query:
            return 200, self._deleted(body)
        if "uploads" in query or "uploadId" in query:
            return self._part_of(request.command, key, query, body)
        if request.command != "PUT":
            if key not in self.objects:
                return 404, b""
            if "range" in request.headers:
                start, end = _range(request)
                return 206, self.objects[key][start:end]
            return 200, self.objects[key]
        if request.headers.get("if-none-match") == "*" and key in self.objects:
            return 412, b""
        self.objects[key] = body
        return 200, b""

    def _part_of(
        self, method: str, key: str, query: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """An upload in parts: begun, a part of it, or its end, which makes the object."""
        if "uploads" in query:
            name = str(len(self.uploads) + 1)
            self.uploads[name] = {}
            return 200, _xml("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>")
        parts = self.uploads[query["uploadId"]]
        if method == "PUT":
            parts[int(query["partNumber"])] = body
            return 200, b""
        self.objects[key] = b"".join(parts[number] for number in sorted(parts))
        del self.uploads[query["uploadId"]]
        return 200, _xml("CompleteMultipartUploadResult", '<ETag>"whole"</ETag>')

    def _listed(self, prefix: str) -> bytes:
        told = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{_now()}</LastModified>"
            f'<ETag>"x"</ETag><Size>{len(data)}</Size></Contents>'
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return _xml("ListBucketResult", told)

    def _deleted(self, body: bytes) -> bytes:
        keys = re.findall(r"<Key>([^<]+)</Key>", body.decode())
        for key in keys:
            self.objects.pop(key, None)
        told = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return _xml("DeleteResult", told)


def _range(request: BaseHTTPRequestHandler) -> tuple[int, int]:
    """The first byte that is asked for, and the one behind the last."""
    first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
    return int(first), int(last) + 1


def _xml(name: str, inner: str) -> bytes:
    return f"<{name}>{inner}</{name}>".encode()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
