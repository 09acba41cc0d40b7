"""Stands before the whole app: size of bodies, hosts and origins, routes of Gradio's that stay closed, owners."""

import hashlib
import json
import re
import secrets
import shutil
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from os import environ
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otx_web.settings import Settings

LOCAL_OWNER = "local"
COOKIE = "otx_web_visitor"
OWNER_HEADER = "x-otx-web-owner"
"""Set here for what is behind; what a client sends under this name is thrown away."""
COOKIE_SECONDS = 365 * 24 * 3600
MAX_BODY = 4 << 20  # bytes, of anything but an upload
UPLOAD_PATH = "/gradio_api/upload"
SPARE = 1 << 20  # bytes around the files of an upload
CLOSED = re.compile(r"/+(gradio_api|monitoring|custom_component|login|logout|token|docs|redoc|openapi\.json)\b", re.I)
"""Gradio's own routes. Some run programs, fetch what others name, or hand out files to whoever knows their path."""
OPEN = re.compile(r"/gradio_api/(run/predict|reset|heartbeat/\w+|upload|upload_progress|startup-events|app_id)/?")
"""Those of them that the pages need. Each handler behind them asks by itself whose request it is."""
EVENTS = ("/gradio_api/run/predict",)
SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "content-security-policy": "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
}


class _Request(Protocol):
    @property
    def headers(self) -> Headers: ...


def owner_of(request: _Request | None) -> str:
    """Whose request this is: FastAPI's or Gradio's. Without one, it is this machine's own person."""
    return LOCAL_OWNER if request is None else request.headers.get(OWNER_HEADER, LOCAL_OWNER)


def names_an_address(data: object) -> bool:
    """Whether a file in an event's data is an address: Gradio would fetch it, however large it is."""
    left = [data]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            path = item.get("path")
            if isinstance(path, str) and path.strip().lower().startswith(("http:", "https:")):
                return True
            left += item.values()
        elif isinstance(item, list):
            left += item
    return False


class TooLarge(Exception):
    """The body is larger than this route takes."""


class Guard:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._public = settings.public
        self._max_upload = settings.max_upload_bytes + SPARE
        self._data, self._keep_free = settings.data, settings.free_bytes
        self._names = _names(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            return await refusal(scope, receive, _secured(send, []))
        send = _secured(send, self._name_owner(scope, headers))
        if scope["method"] == "POST" and scope["path"].rstrip("/") in EVENTS:
            return await self._event(scope, receive, send)
        await self._guarded(scope, receive, send)

    # what is refused at once

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if not self._host_allowed(headers.get("host", "")):
            return PlainTextResponse("This host name is not served here; see OTX_WEB_ALLOWED_HOSTS.", 400)
        if CLOSED.match(scope["path"]) and not OPEN.fullmatch(scope["path"]):
            return PlainTextResponse("Not found", 404)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and not self._same_origin(headers):
            return PlainTextResponse("Requests from other sites are refused.", 403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limit(scope["path"]):
            return PlainTextResponse("The upload is too large.", 413)
        if self._is_upload(scope["path"]) and self._free_bytes() - int(length) < self._keep_free:
            return PlainTextResponse("There is not enough disk space left for this upload.", 507)
        return None

    def _free_bytes(self) -> int:
        place = next(folder for folder in (self._data, *self._data.parents) if folder.exists())
        return shutil.disk_usage(place).free

    @staticmethod
    def _is_upload(path: str) -> bool:
        return path.rstrip("/") == UPLOAD_PATH

    def _limit(self, path: str) -> int:
        return self._max_upload if self._is_upload(path) else MAX_BODY

    def _host_allowed(self, host: str) -> bool:
        """A number cannot be rebound to another machine by a name server, so numbers are always fine."""
        name = _host_name(host)
        return _is_address(name) or _listed(name, self._names)

    def _same_origin(self, headers: Headers) -> bool:
        """A browser says from which page a request comes; a script that says nothing carries no one's cookies."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        parts = urlsplit(origin)
        return parts.netloc.lower() == headers.get("host", "").lower() or _listed(parts.hostname or "", self._trusted)

    @property
    def _trusted(self) -> frozenset[str]:
        """Names under which a proxy may serve us; those of this machine are shared by whatever else it serves."""
        return self._names - _own_names()

    # who it is

    def _name_owner(self, scope: Scope, headers: Headers) -> list[tuple[str, str]]:
        """Write the owner into the request; the response headers that make the visitor known next time."""
        request = MutableHeaders(scope=scope)
        if not self._public:
            request[OWNER_HEADER] = LOCAL_OWNER
            return []
        secret = _cookie(headers)
        request[OWNER_HEADER] = hashlib.sha256((secret or (new := secrets.token_urlsafe(32))).encode()).hexdigest()[:32]
        if secret:
            return []
        https = headers.get("x-forwarded-proto", scope["scheme"]).startswith("https")
        # Inside the frame of a Hugging Face page a cookie is a third party's: it must say so, and be partitioned.
        site = "SameSite=None; Secure; Partitioned" if https else "SameSite=Lax"
        return [("set-cookie", f"{COOKIE}={new}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; {site}")]

    # what comes whole

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read an event's data before Gradio does."""
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                return await PlainTextResponse("The request is too large.", 413)(scope, receive, send)
            more = message.get("more_body", False)
        try:
            refused = names_an_address(json.loads(bytes(body) or b"null"))
        except (ValueError, RecursionError):
            refused = True
        if refused:
            return await PlainTextResponse("The request makes no sense.", 400)(scope, receive, send)
        unread = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, again, send)

    # what streams

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the body as it comes: a length is not always said. Beyond the limit, the answer is ours."""
        left = self._limit(scope["path"])
        begun = tripped = False

        async def counted() -> Message:
            nonlocal left, tripped
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                tripped = True
                raise TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            if tripped and not begun:
                return
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except Exception:
            if not tripped:
                raise
        if tripped and not begun:
            await PlainTextResponse("The upload is too large.", 413)(scope, receive, send)


def _secured(send: Send, more: Iterable[tuple[str, str]]) -> Send:
    """Add the headers of safety, and ours."""

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
            for name, value in more:
                headers.append(name, value)
        await send(message)

    return secured


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None and len(found.value) >= 32 else ""


def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset(("localhost", name, f"{name}.local"))


def _names(settings: Settings) -> frozenset[str]:
    """This machine's names, that of the Space, and those the operator allows."""
    space = environ.get("SPACE_HOST", "").lower()
    return _own_names() | {name.lower() for name in (*settings.allowed_hosts, space) if name}


def _listed(name: str, names: Iterable[str]) -> bool:
    """Whether a list has the name, or `*.example.org` for it, or `*`."""
    return any(name == one or one == "*" or (one.startswith("*.") and name.endswith(one[1:])) for one in names)


def _host_name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "").lower() if "@" not in host else ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
