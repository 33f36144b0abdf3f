"""What the node tells Prometheus about itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from pointsman.app.application import Application
from pointsman.wire.native.hot import Reads
from pointsman.wire.native.watch import Hub

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counters of this node, in a registry of their own."""

    media_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, app: Application, reads: Reads, hub: Hub) -> None:
        self._reads = reads
        self._hub = hub
        self._app = app
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pointsman_requests_total",
            "Requests answered, but for reads from memory.",
            ["method", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "pointsman_request_seconds",
            "Seconds to answer a request, but for reads from memory.",
            ["method"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(self)

    def text(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self._registry)

    def counting(self, scope: MutableMapping[str, Any], send: Send) -> Send:
        """A `send` that counts the answer and the time it took."""
        started = time.perf_counter()

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._requests.labels(method, str(message["status"])).inc()
                self._seconds.labels(method).observe(time.perf_counter() - started)
            await send(message)

        return counted

    def collect(self) -> Iterator[Metric]:
        """Figures that are kept elsewhere. Called by the Prometheus library."""
        reads = CounterMetricFamily(
            "pointsman_reads_total", "Reads by selector that were answered."
        )
        reads.add_metric([], self._reads.served)
        yield reads
        for name, text, value in (
            ("pointsman_watchers", "Open streams of events.", self._hub.count),
            ("pointsman_ready_answers", "Answers kept in memory.", len(self._reads.table)),
        ):
            yield GaugeMetricFamily(name, text, value)


_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
