"""The web app: pages and routes behind the guard, the queue and its workers running while it serves."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

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
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lambda _: _running(built))
    app.include_router(downloads.router(built))

    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        """Whether it serves, and whether a job would start at once."""
        return {"serving": True, "workers_ready": built.workers.ready}

    pages = shell.build(built).queue(api_open=False)
    pages.state_session_capacity = 500  # half a megabyte each
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


def serve(settings: Settings) -> None:
    """Serve until stopped."""
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=CONNECTIONS,
        log_level="warning",
    )
