"""What stands before the app: hosts, origins, sizes, closed routes, and whose request it is."""

import json
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from otx_web import app as whole
from otx_web.guard import COOKIE, LOCAL_OWNER, MAX_BODY, OWNER_HEADER, SECURITY, SPARE, Guard, owner_of
from otx_web.settings import Settings

pytestmark = pytest.mark.anyio


async def _echo(request: Request) -> Response:
    """What the app behind the guard sees."""
    body = await request.body()
    return JSONResponse(
        {"owner": owner_of(request), "bytes": len(body), "headers": request.headers.getlist(OWNER_HEADER)}
    )


def client(
    settings: Settings, app: Any = None, *, host: str = "127.0.0.1:7860", scheme: str = "http", **more: Any
) -> httpx.AsyncClient:
    inner = app or Starlette(
        routes=[Mount("/", app=Starlette(routes=[Route("/{path:path}", _echo, methods=["GET", "POST"])]))]
    )
    transport = httpx.ASGITransport(Guard(inner, settings.model_copy(update=more)))
    return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://{host}")


# --- hosts and origins


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("LOCALHOST:7860", 200),
        ("[::1]:7860", 200),
        ("192.168.1.20", 200),
        ("otx.example.org", 200),
        ("a.lab.example.org", 200),
        ("lab.example.org", 400),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("0x7f.1", 400),
        ("evil@localhost", 400),
        ("", 400),
    ],
)
async def test_hosts(settings: Settings, host: str, status: int) -> None:
    """A name that a stranger's name server points at this machine is not served."""
    async with client(settings, allowed_hosts=("otx.example.org", "*.lab.example.org")) as visitor:
        answer = await visitor.get("/", headers={"host": host})
    assert answer.status_code == status
    assert status == 200 or "OTX_WEB_ALLOWED_HOSTS" in answer.text


async def test_name_of_the_space_is_known(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_HOST", "Me-OTX.hf.space")
    async with client(settings, host="me-otx.hf.space") as visitor:
        assert (await visitor.get("/")).status_code == 200


async def test_any_host_may_be_allowed(settings: Settings) -> None:
    async with client(settings, host="anything.example", allowed_hosts=("*",)) as visitor:
        assert (await visitor.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:7860"}, 200),
        ({"origin": "https://otx.example.org"}, 200),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "http://localhost:7860"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
async def test_origins(settings: Settings, headers: dict[str, str], status: int) -> None:
    """Another page in the same browser cannot post here."""
    async with client(settings, allowed_hosts=("otx.example.org",)) as visitor:
        assert (await visitor.post("/gradio_api/upload", headers=headers)).status_code == status
        assert (await visitor.get("/", headers=headers)).status_code == 200, "reading is the browser's business"


# --- sizes


async def _pieces(count: int, size: int = 1 << 16) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)


@pytest.mark.parametrize("path", ["/form", "/gradio_api/run/predict", "/gradio_api/upload"])
async def test_body_too_large_by_its_own_word(settings: Settings, path: str) -> None:
    async with client(settings, max_upload_bytes=MAX_BODY) as visitor:
        answer = await visitor.post(path, content=bytes(MAX_BODY + SPARE + 1))
    assert answer.status_code == 413 and "too large" in answer.text


@pytest.mark.parametrize("path", ["/form", "/gradio_api/run/predict"])
async def test_body_too_large_without_a_word(settings: Settings, path: str) -> None:
    """Sent in pieces, without a length; what a multipart field without a file name does not limit is limited here."""
    async with client(settings) as visitor:
        answer = await visitor.post(path, content=_pieces(MAX_BODY // (1 << 16) + 1))
    assert answer.status_code == 413 and "too large" in answer.text


async def test_length_that_is_no_number(settings: Settings) -> None:
    async with client(settings) as visitor:
        answer = await visitor.post("/form", content=b"x", headers={"content-length": "-5"})
    assert answer.status_code == 413


async def test_upload_may_be_larger_than_other_bodies(settings: Settings) -> None:
    async with client(settings, max_upload_bytes=2 * MAX_BODY) as visitor:
        answer = await visitor.post("/gradio_api/upload", content=_pieces(MAX_BODY // (1 << 16) + 5))
    assert answer.status_code == 200 and answer.json()["bytes"] > MAX_BODY


async def test_app_that_goes_on_after_too_much_is_not_believed(settings: Settings) -> None:
    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while (await receive()).get("more_body"):
                pass
        except Exception:
            await Response("fine")(scope, receive, send)

    async with client(settings, stubborn) as visitor:
        answer = await visitor.post("/form", content=_pieces(MAX_BODY // (1 << 16) + 1))
    assert answer.status_code == 413


async def test_error_of_the_app_stays_one(settings: Settings) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("bug")

    async with client(settings, broken) as visitor:
        with pytest.raises(RuntimeError, match="bug"):
            await visitor.get("/")


async def test_full_disk_takes_no_uploads(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    async with client(settings, free_bytes=900) as visitor:
        assert (await visitor.post("/gradio_api/upload", content=bytes(50))).status_code == 200
        answer = await visitor.post("/gradio_api/upload", content=bytes(200))
        assert answer.status_code == 507 and "disk space" in answer.text
        assert (await visitor.post("/form", content=bytes(200))).status_code == 200


# --- routes of Gradio's


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/run/predict",
        "/gradio_api/heartbeat/a1b2",
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/jobs",
        "/files/jobs/1/log.txt",
        "/theme.css",
    ],
)
async def test_open_routes(settings: Settings, path: str) -> None:
    async with client(settings) as visitor:
        assert (await visitor.get(path)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/process_recording",
        "/gradio_api/proxy=https://evil.example/",
        "/gradio_api/file=http://evil.example/huge",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=C:/x",
        "/gradio_api/file/tmp/x",
        "/gradio_api/deep_link",
        "/gradio_api/component_server",
        "/gradio_api/custom_component/1/client/a/b",
        "/gradio_api/call/private",
        "/gradio_api/call/v2/private",
        "/gradio_api/run/private",
        "/gradio_api/run/predict/../private",
        "/gradio_api/api/predict",
        "/gradio_api/stream/event",
        "/gradio_api/stream/s/r/1/playlist-file",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/vibe-edit",
        "/gradio_api/undo-vibe-edit/",
        "/gradio_api/runs",
        "/gradio_api/run-history/connect",
        "/gradio_api/dev/reload",
        "/gradio_api/profiling/traces",
        "/gradio_api",
        "//gradio_api/process_recording",
        "/GRADIO_API/process_recording",
        "/monitoring",
        "/monitoring/summary",
        "/openapi.json",
        "/docs",
        "/login",
    ],
)
async def test_closed_routes(settings: Settings, path: str) -> None:
    async with client(settings) as visitor:
        url = httpx.URL(visitor.base_url).copy_with(raw_path=path.encode())
        for method in ("GET", "POST"):
            assert (await visitor.request(method, url)).status_code == 404, method


def data(path: object, **more: object) -> bytes:
    return json.dumps(
        {"data": [[{"path": path, "meta": {"_type": "gradio.FileData"}, **more}]], "fn_index": 1}
    ).encode()


@pytest.mark.parametrize("route", ["/gradio_api/run/predict", "/gradio_api/run/predict/"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (data("/data/tmp/received/abc/model.onnx", url="http://127.0.0.1:7860/gradio_api/file=x"), 200),
        (data("http://evil.example/huge"), 400),
        (data(" HTTPS://evil.example/huge"), 400),
        (data("http://evil.example/huge").replace(b"http", b"\\u0068ttp"), 400),
        (data({"path": "https://evil.example"}), 400),
        (b'{"data": ["http://is.just/text"]}', 200),
        (b"no json", 400),
        (b"[" * 100_000, 400),
        (b"", 200),
    ],
)
async def test_files_by_their_address_are_not_fetched(settings: Settings, route: str, body: bytes, status: int) -> None:
    """Gradio would download them, whatever their size."""
    async with client(settings) as visitor:
        answer = await visitor.post(route, content=body)
    assert answer.status_code == status
    assert status != 200 or answer.json()["bytes"] == len(body), "what is read first arrives whole"


# --- whose request it is


async def test_everyone_is_the_same_person_on_a_machine_of_ones_own(settings: Settings) -> None:
    async with client(settings, public=False) as visitor:
        answer = await visitor.get("/", headers={OWNER_HEADER: "someone else"})
    assert answer.json()["owner"] == LOCAL_OWNER and "set-cookie" not in answer.headers
    assert answer.json()["headers"] == [LOCAL_OWNER]


async def test_visitor_is_known_again_by_a_cookie(settings: Settings) -> None:
    async with client(settings, public=True) as visitor, client(settings, public=True) as other:
        first = await visitor.get("/")
        again = await visitor.get("/", headers=[(OWNER_HEADER, "forged"), (OWNER_HEADER.upper(), "forged twice")])
        stranger = await other.get("/")
    assert "set-cookie" in first.headers and "set-cookie" not in again.headers
    assert first.json()["owner"] == again.json()["owner"] != stranger.json()["owner"]
    assert again.json()["headers"] == [again.json()["owner"]], "what a client says of itself is thrown away"
    secret = visitor.cookies[COOKIE]
    assert len(secret) >= 32 and secret not in first.json()["owner"], "who sees an owner cannot become them"


@pytest.mark.parametrize(
    "cookie",
    ["", "short", f"{COOKIE}=short", f"{COOKIE}=local", "a=b; ;;=", f"{COOKIE}", "\xff\xfe=1", f'{COOKIE}="{"x" * 5}'],
)
async def test_cookie_that_is_none_of_ours_is_replaced(settings: Settings, cookie: str) -> None:
    async with client(settings, public=True) as visitor:
        answer = await visitor.get("/", headers={"cookie": cookie.encode("latin-1")})
    assert answer.status_code == 200 and COOKIE in answer.headers["set-cookie"]
    assert answer.json()["owner"] != LOCAL_OWNER


@pytest.mark.parametrize(
    ("scheme", "headers", "said"),
    [
        ("http", {}, "SameSite=Lax"),
        ("https", {}, "SameSite=None; Secure; Partitioned"),
        ("http", {"x-forwarded-proto": "https"}, "SameSite=None; Secure; Partitioned"),
    ],
)
async def test_cookie_works_inside_the_frame_of_a_space(
    settings: Settings, scheme: str, headers: dict[str, str], said: str
) -> None:
    async with client(settings, scheme=scheme, public=True) as visitor:
        cookie = (await visitor.get("/", headers=headers)).headers["set-cookie"]
    assert said in cookie and "HttpOnly" in cookie and "Path=/" in cookie


def test_handler_without_a_request_is_this_machines_own_person() -> None:
    assert owner_of(None) == LOCAL_OWNER


# --- what every answer says


async def test_safe_headers_are_on_every_answer(settings: Settings) -> None:
    async with client(settings) as visitor:
        for answer in (
            await visitor.get("/"),
            await visitor.get("/docs"),
            await visitor.get("/", headers={"host": "x.y"}),
        ):
            assert {name: answer.headers[name] for name in SECURITY} == SECURITY


async def test_stricter_policy_of_an_answer_is_kept(settings: Settings) -> None:
    async def strict(scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse("x", headers={"content-security-policy": "sandbox"})(scope, receive, send)

    async with client(settings, strict) as visitor:
        assert (await visitor.get("/")).headers["content-security-policy"] == "sandbox"


async def test_sockets_are_closed_and_lifespan_goes_through(settings: Settings) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def send(message: Message) -> None:
        seen.append(message["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    guard = Guard(app, settings)
    await guard({"type": "lifespan"}, receive, send)
    await guard({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert seen == ["lifespan", "websocket.close"]


# --- in front of the real app


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The app as it is served, without workers, and Gradio inside it."""

    async def build() -> Any:  # in a loop, or Gradio makes one that it never closes
        return whole.create_app(Settings(data=tmp_path_factory.mktemp("data"), public=True, free_bytes=0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", "")  # the app sets it
        guard = anyio.run(build)
        yield guard, next(one.app for one in guard._app.routes if isinstance(one, Mount) and one.path == "")


def paths_of(routes: Iterable[Any]) -> set[str]:
    """Of all routes, those of routers inside as well."""
    found: set[str] = set()
    for route in routes:
        inner = getattr(route, "original_router", None)
        found |= {route.path.rstrip("/")} if inner is None else paths_of(inner.routes)
    return found


@pytest.fixture
async def visitor(served: tuple[Any, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served[0]), base_url="http://127.0.0.1") as made:
        yield made


async def test_nothing_of_gradios_is_open_by_accident(served: tuple[Any, Any], visitor: httpx.AsyncClient) -> None:
    """Also after an update of Gradio, which may bring new routes."""
    wanted = {"run/{api_name}", "reset", "heartbeat/{session_hash}", "upload"}
    wanted |= {"upload_progress", "startup-events", "app_id"}
    paths = {path for path in paths_of(served[1].routes) if path.startswith("/gradio_api")}
    assert {f"/gradio_api/{path}" for path in wanted} <= paths, "the pages need these"
    for path in sorted(paths - {f"/gradio_api/{path}" for path in wanted}):
        assert (await visitor.post(path)).status_code == 404 == (await visitor.get(path)).status_code, path


async def test_pages_and_their_handlers_answer(served: tuple[Any, Any], visitor: httpx.AsyncClient) -> None:
    for path in ("/", "/jobs", "/compare", "/library", "/job", "/healthz", "/theme.css"):
        assert (await visitor.get(path)).status_code == 200, path
    blocks = served[1].get_blocks()
    light = next(number for number, fn in blocks.fns.items() if not fn.queue and fn.fn and not fn.inputs)
    answer = await visitor.post(
        "/gradio_api/run/predict", json={"data": [], "fn_index": light, "session_hash": "abc", "trigger_id": 1}
    )
    assert answer.status_code == 200 and "data" in answer.json()


async def test_nothing_waits_in_gradios_queue(served: tuple[Any, Any], visitor: httpx.AsyncClient) -> None:
    """What waits there can be lost when its stream closes; and a full queue would refuse every page."""
    blocks = served[1].get_blocks()
    assert blocks.api_open is False
    assert not [fn.name for fn in blocks.fns.values() if fn.fn and fn.queue]
    for path in ("queue/join", "queue/data", "cancel"):
        assert (await visitor.post(f"/gradio_api/{path}", json={"data": []})).status_code == 404


async def test_upload_cannot_be_read_back(served: tuple[Any, Any], visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/gradio_api/upload", files={"files": ("a.txt", b"secret")})
    (path,) = answer.json()
    assert await anyio.Path(path).read_bytes() == b"secret"
    assert (await visitor.get(f"/gradio_api/file={path}")).status_code == 404
