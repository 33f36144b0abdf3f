"""A pretend model on this machine: it looks for words and understands nothing.

It speaks enough of OpenAI's API for the registry to take it for a provider. Three kinds of
prompts are known to it: to summarise (as many sentences as the prompt says, and the one that
asks for something if the prompt says so), to sort into topics, and to answer a customer. The
same prompt always gets the same answer.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ASKING = re.compile(r"\?|^(Please|Can|Could|I want|I would like to)\b")
TOPICS = {
    "refund": ("refund", "money back"),
    "delivery": ("deliver", "parcel", "tracking", "shipped"),
    "account": ("account", "password", "sign in", "signed in", "e-mail"),
}
"""Topic → the words that it is known by; whichever comes last decides."""
REPLIES = {
    "refund": "I am sorry. You have your money back within five days.",
    "delivery": "Thank you for asking. Your parcel is on its way.",
    "account": "We look after that. You get a link for a new password.",
    "other": "What a nice message. A colleague will write to you.",
}


def answer(prompt: str) -> str:
    """What the model says."""
    task, _, text = prompt.partition("\n\n")
    if task.startswith("Summarise"):
        return summarised(task, text)
    if task.startswith("Sort"):
        return sorted_into(text)
    topic = re.search(r"topic: (\w+)", prompt)
    return REPLIES[topic[1] if topic else "other"]


def summarised(task: str, text: str) -> str:
    """Some of the sentences, in their order."""
    sentences = re.split(r"(?<=[.?!])\s+", text.strip())
    count = 1 if "one sentence" in task else 2
    kept = sentences[:count]
    if "what they ask for" in task:
        asking = next((one for one in sentences if ASKING.search(one)), sentences[-1])
        kept = [*[one for one in kept if one != asking][: count - 1], asking]
    return " ".join(kept)


def sorted_into(text: str) -> str:
    """The topic whose word comes last in the text."""
    places = {topic: max(text.rfind(word) for word in words) for topic, words in TOPICS.items()}
    topic = max(places, key=lambda one: places[one])
    return topic if places[topic] >= 0 else "other"


@contextmanager
def serving() -> Iterator[str]:
    """The pretend model on a free port of this machine; its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = str(asked["messages"][-1]["content"])
        body = json.dumps(completion(asked["model"], prompt, answer(prompt))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def completion(model: str, prompt: str, said: str) -> dict[str, Any]:
    """An answer in the shape of OpenAI's API; a word counts as a token."""
    asked, made = len(prompt.split()), len(said.split())
    usage = {"prompt_tokens": asked, "completion_tokens": made, "total_tokens": asked + made}
    message = {"role": "assistant", "content": said}
    return {
        "id": "pretended",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
