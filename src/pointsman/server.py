"""The server: a store, the use cases and every surface, as one ASGI application in one process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from pointsman.app import checkpoints, keys, welcoming
from pointsman.app.application import DEFAULT_PROJECT, KEPT, Application
from pointsman.app.applying import Applier
from pointsman.app.deliveries import Courier
from pointsman.app.evaluating import dropping
from pointsman.app.gate import Gate
from pointsman.app.ports import Store
from pointsman.app.tail import Tail
from pointsman.errors import InvalidInput, PointsmanError, Unavailable
from pointsman.evals.trying import Trials
from pointsman.evals.worker import Terms as Terms  # what the command line says of workers
from pointsman.evals.worker import Worker
from pointsman.web.site import Site
from pointsman.wire.hooks.sender import HttpSender
from pointsman.wire.huggingface.api import HuggingFaceApi
from pointsman.wire.huggingface.errors import told as huggingface_error
from pointsman.wire.mlflow.api import MlflowApi
from pointsman.wire.mlflow.errors import told as mlflow_error
from pointsman.wire.mlflow.hooks import FORMS as MLFLOW_FORMS
from pointsman.wire.native.api import NativeApi
from pointsman.wire.native.hot import hot_protocol
from pointsman.wire.native.protocol import tell as problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HOUSEKEEPING = 30.0
"""Seconds between writing down which keys were used and dropping old idempotency answers."""
_GRACE = 5
_YOUNG = 20_000
_TERMS = Terms()
_log = logging.getLogger("pointsman")


class Service:
    """All parts of a server over one store, joined; an ASGI application.

    Making one opens nothing but threads; `close` stops them and closes the store. With
    `evaluations`, it runs those that are asked for; without, workers elsewhere have to.
    """

    def __init__(self, store: Store, evaluations: Terms | None = _TERMS) -> None:
        self.store = store
        self.app = Application(store)
        self.tail = Tail(store)
        self.gate = Gate(self.app, self.tail)
        self.native = NativeApi(self.app, self.tail, self.gate)
        runner, counting = self.native.runner, self.native.metrics.counting
        self.mlflow = MlflowApi(self.app, self.tail, self.gate, runner, counting)
        self.huggingface = HuggingFaceApi(
            self.app, self.gate, runner, self.native.carrier, counting
        )
        self.trials = Trials(self.app)
        self.site = Site(
            self.app,
            self.tail,
            self.gate,
            self.native.runner.off_loop,
            self.native,
            self.trials,
        )
        self.checkpoints = checkpoints.keeper(self.app)
        self.courier = Courier(self.app, self.tail, HttpSender(), MLFLOW_FORMS)
        self.applier = Applier(self.app, self.tail)
        self.worker = None if evaluations is None else Worker(self.app, self.tail, evaluations)
        self.tail.start()
        self.applier.start()
        self.courier.start()
        self.checkpoints.start()
        if self.worker is not None:
            self.worker.start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        path = scope["path"]
        surface: Callable[[Scope, Receive, Send], Awaitable[None]] = self.native
        if self.mlflow.answers(path):
            surface = self.mlflow
        elif self.site.answers(path):
            surface = self.site
        elif self.huggingface.answers(scope.get("raw_path") or path.encode()):
            surface = self.huggingface
        await surface(scope, receive, send)

    def tell(self, url: bytes, error: InvalidInput) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request that can't be read, as its sender knows them."""
        path = url.partition(b"?")[0]
        if self.mlflow.answers(path.decode("latin-1")):
            return mlflow_error(error)
        return huggingface_error(error) if self.huggingface.answers(path) else problem(url, error)

    def bootstrap(self, secret: str | None) -> str | None:
        """Make the first admin key if there is none; its secret, or None."""
        return keys.bootstrap(self.app, secret)

    def welcome(self) -> str:
        """A token that makes whoever comes in with it an admin: good once, and for a day."""
        return welcoming.welcome(self.app).token

    def keep_house(self) -> None:
        """The small writes that need not be made with each request."""
        try:
            self.gate.save_uses()
            project = self.app.project(DEFAULT_PROJECT)
            before = self.app.clock() - KEPT
            self.store.write(project.id, lambda tx: tx.forget_before(before))
            dropping.drop_old(self.app)
        except PointsmanError as error:
            _log.warning("Housekeeping failed and will be tried again: %s", error)
        except Exception:
            _log.exception("Housekeeping failed and will be tried again")

    def close(self) -> None:
        """Stop every thread and close the store."""
        if self.worker is not None:
            self.worker.stop()
        self.trials.close()
        self.checkpoints.stop()
        self.courier.stop()
        self.applier.stop()
        self.native.close()
        self.mlflow.close()
        self.tail.stop()
        self.store.close()


class Workshop:
    """A worker over a store, without a server: it runs evaluations until it is closed."""

    def __init__(self, store: Store, terms: Terms) -> None:
        self._store = store
        self._tail = Tail(store)
        self._worker = Worker(Application(store), self._tail, terms)
        self._tail.start()
        self._worker.start()

    def close(self) -> None:
        """Let go of what is under way, and close the store."""
        self._worker.stop()
        self._tail.stop()
        self._store.close()


class Server:
    """Serves a `Service` over HTTP in this process until told to stop."""

    def __init__(self, service: Service, host: str, port: int) -> None:
        self._service = service
        self._socket = _listen(host, port)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}"

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGINT or SIGTERM; `ready` is called once requests are answered."""
        import uvloop

        collect_less_often()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        service = self._service
        config = uvicorn.Config(
            service,
            http=hot_protocol(service.native.reads, service.tell),
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=4_096,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE,
        )
        server = _Uvicorn(config)

        def stop() -> None:
            server.force_exit = server.should_exit
            server.should_exit = True
            service.native.hub.close()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        serving = loop.create_task(server.serve(sockets=[self._socket]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.002)
        if server.started:
            ready()
        house = loop.create_task(self._keep_house())
        try:
            await serving
        finally:
            house.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await house
            await loop.run_in_executor(None, service.keep_house)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            await self._service.native.runner.off_loop(self._service.keep_house)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: uvicorn would raise them again after its shutdown."""
        yield


def collect_less_often() -> None:
    """Spare what lives as long as the process from the garbage collector, and long walks.

    Walking the graph makes tens of thousands of rows at once, none of which is in a cycle; by
    default the collector looks through all that is young each time 700 more are there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Without it, small answers wait for the client's delayed acknowledgement.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind((host, port))
    except OverflowError as error:
        made.close()
        raise InvalidInput(f"{port} is not a port.", hint="Choose 0 to 65535.") from error
    except OSError as error:
        made.close()
        raise Unavailable(
            f"Can't listen on {host}:{port}: {error.strerror or error}.",
            code="address_unavailable",
            hint="Choose another with --port, or stop what listens there.",
        ) from error
    return made
