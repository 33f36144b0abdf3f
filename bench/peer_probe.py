"""Runs inside the peers' environment: one peer's client, timed there, told of in JSON.

    python peer_probe.py langfuse
    python peer_probe.py mlflow http://127.0.0.1:5000
    python peer_probe.py mlflow http://127.0.0.1:8000 pm_…

Says `{"ready": true}` once its prompt is in its cache. Then each line `{"do": "get", "times":
1000}` is answered with `{"seconds": …}`; `do` is `get` or `render`. MLflow's client also does
what a server has to answer each time, its own or one that speaks its protocol: `load`,
`load many` (of a prompt of many versions), and `search rare` and `search common` by a tag.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import repeat
from typing import Any

Deed = Callable[[], object]


def langfuse(template: str, values: dict[str, str]) -> dict[str, Deed]:
    """Langfuse's own client, with a prompt it has fetched once and keeps for a day."""
    body = json.dumps(
        {
            "id": "1",
            "name": "reply",
            "version": 1,
            "type": "text",
            "prompt": template,
            "config": {},
            "labels": ["production"],
            "tags": [],
            "createdAt": "2026-01-01T00:00:00Z",
            "updatedAt": "2026-01-01T00:00:00Z",
            "projectId": "1",
            "createdBy": "bench",
        }
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = importlib.import_module("langfuse").Langfuse(
        public_key="pk",
        secret_key="sk",
        base_url=f"http://127.0.0.1:{server.server_port}",
        tracing_enabled=False,
    )
    get, day = client.get_prompt, 86_400
    prompt = get("reply", label="production", cache_ttl_seconds=day)
    server.shutdown()
    return {
        "get": lambda: get("reply", label="production", cache_ttl_seconds=day),
        "render": lambda: prompt.compile(**values),
    }


def mlflow(template: str, values: dict[str, str], url: str, token: str = "") -> dict[str, Deed]:
    """MLflow's own client, with a prompt it has loaded from a server once."""
    if token:
        os.environ["MLFLOW_TRACKING_TOKEN"] = token
    module = importlib.import_module("mlflow")
    module.set_tracking_uri(url)
    genai = importlib.import_module("mlflow.genai")
    version = genai.register_prompt(name="probe", template=template).version
    genai.set_prompt_alias("probe", alias="production", version=version)
    load, day = genai.load_prompt, 86_400
    client = module.MlflowClient()

    def found(key: str, value: str) -> None:
        page = client.search_registered_models(f"tags.{key} = '{value}'", max_results=100)
        if not page or any(one.tags[key] != value for one in page):
            raise SystemExit(f"{url} found {page}")

    prompt = load("prompts:/probe@production", cache_ttl_seconds=day)
    return {
        "get": lambda: load("prompts:/probe@production", cache_ttl_seconds=day),
        "render": lambda: prompt.format(**values),
        "load": lambda: load("prompts:/probe@production", cache_ttl_seconds=0),
        "load many": lambda: load("prompts:/many@production", cache_ttl_seconds=0),
        "search rare": lambda: found("owner", "ana"),
        "search common": lambda: found("stage", "live"),
    }


def main() -> None:
    """Prepare the peer that is asked for, then do what each line says."""
    peer, *rest = sys.argv[1:]
    said = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is not an answer
    given = json.loads(sys.stdin.readline())
    deeds = {"langfuse": langfuse, "mlflow": mlflow}[peer](  # type: ignore[operator]
        given["template"], given["values"], *rest
    )
    expected = given["expected"]
    rendered = deeds["render"]()
    if rendered != expected:
        raise SystemExit(f"{peer} rendered {rendered!r} instead of {expected!r}")
    print(json.dumps({"ready": True}), file=said, flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        deed, times = deeds[wanted["do"]], wanted["times"]
        began = time.perf_counter()
        for _ in repeat(None, times):
            deed()
        spent = time.perf_counter() - began
        print(json.dumps({"seconds": spent}), file=said, flush=True)


if __name__ == "__main__":
    main()
