"""The web app: pages and routes behind the guard, the queue and its workers running while it serves."""

import os
import socket
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from jobs import sandbox
from jobs.errors import JobError
from otx_web import downloads, services
from otx_web.guard import Guard
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.ui import shell, theme

CONNECTIONS = 400
"""At once; each open page holds one."""
STOP_SECONDS = 5
"""How long open requests may go on after a stop was asked for."""


def create_app(settings: Settings) -> ASGIApp:
    """Build everything. The runner starts with the server and ends with it."""
    built = services.build(settings)
    # Where Gradio puts what a browser sends: on the disk of the uploads, so that no bytes move, and swept by age.
    os.environ["GRADIO_TEMP_DIR"] = str(settings.temporary / "received")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nobody is told, also not by parts of Gradio we do not set up
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lambda _: _running(built))
    app.include_router(downloads.router(built))

    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        """Whether it serves, whether a job would start at once, and whether its worker is shut in."""
        confined = sandbox.available().confined
        return {"serving": True, "workers_ready": built.workers.ready, "workers_confined": confined}

    pages = shell.build(built).queue(api_open=False)
    pages.state_session_capacity = 500  # half a megabyte each
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SSR mode", UserWarning)  # Gradio says so although it is off
        gr.mount_gradio_app(
            app,
            pages,
            path="",
            max_file_size=settings.max_upload_bytes,
            show_error=False,
            enable_monitoring=False,
            ssr_mode=False,
            **theme.appearance(),
        )
    return Guard(app, settings)


@asynccontextmanager
async def _running(built: Services) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        await group.start(built.workers.serve)
        await group.start(built.runner.serve)
        yield
        group.cancel_scope.cancel()
    built.store.close()


class CannotListen(JobError):
    """The address cannot be served on."""


class _Server(uvicorn.Server):
    """Says where it is once a browser would find it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            lines = (f"OTX Web is at {_address(sockets[0])} (Ctrl-C stops it)", *sandbox.available().notes)
            sys.stderr.writelines(f"{line}\n" for line in lines)
            sys.stderr.flush()


def serve(settings: Settings) -> None:
    """Serve until stopped. Raises `CannotListen`, before anything else is done."""
    with _listen(settings) as listening:
        config = uvicorn.Config(
            create_app(settings),
            timeout_graceful_shutdown=STOP_SECONDS,
            limit_concurrency=CONNECTIONS,
            log_level="warning",
        )
        server = _Server(config)
        with suppress(KeyboardInterrupt):  # raised again by uvicorn after a stop in order
            server.run(sockets=[listening])
        if not server.started:
            sys.exit(1)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=CONNECTIONS)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else "there is no such host"
        raise CannotListen(
            f"Port {settings.port} of {settings.host} cannot be served on: {why.lower()}.",
            hint="If another program has it, or OTX Web runs already: --port takes another one, 0 any free one.",
        ) from error


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{'localhost' if host in ('0.0.0.0', '::') else f'[{host}]' if ':' in host else host}:{port}"
