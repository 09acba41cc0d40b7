"""Files are served only when a report or a check names them, and never as something a browser would run."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from otx_web import downloads, services
from otx_web.services import Services
from otx_web.settings import Settings
from tests.otx_web import made

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(tmp_path: Path) -> Services:
    return services.build(Settings(data=tmp_path / "data", public=False))


@pytest.fixture
async def client(house: Services) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(downloads.router(house))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


def with_files(house: Services) -> str:
    job = made.job(house, name="mine")
    directory = house.runner.directory(job.id)
    (directory / "artifacts").mkdir()
    for name in ("model.zip", "report.html", "secret.txt"):
        (directory / "artifacts" / name).write_text(name)
    (directory / "log.txt").write_text("hello")
    return job.id


async def test_named_files_are_saved_and_not_shown(house: Services, client: httpx.AsyncClient) -> None:
    job_id = with_files(house)
    answer = await client.get(f"/files/jobs/{job_id}/artifacts/model.zip")
    assert answer.status_code == 200 and 'filename="mine-model.zip"' in answer.headers["content-disposition"]
    answer = await client.get(f"/files/jobs/{job_id}/artifacts/report.html")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert (await client.get(f"/files/jobs/{job_id}/log.txt")).text == "hello"


@pytest.mark.parametrize(
    "path",
    [
        "artifacts/secret.txt",
        "artifacts/%2e%2e/%2e%2e/otx-web.sqlite3",
        "artifacts",
        "",
        "%2e%2e/%2e%2e/x",
        "/etc/passwd",
    ],
)
async def test_what_no_report_names_is_not_there(house: Services, client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/files/jobs/{with_files(house)}/{path}")).status_code == 404


async def test_deleted_files_are_gone(house: Services, client: httpx.AsyncClient) -> None:
    job_id = with_files(house)
    house.store.mark_files_deleted(job_id)
    assert (await client.get(f"/files/jobs/{job_id}/artifacts/model.zip")).status_code == 410


async def test_comparison_as_csv(house: Services, client: httpx.AsyncClient) -> None:
    one, two = made.job(house, name="one"), made.job(house, name="two")
    answer = await client.get("/files/compare.csv", params={"ids": f"{one.id},{two.id},gone"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[1] for line in answer.text.splitlines()] == ["name", "one", "two"]


async def test_comparison_of_nothing_is_an_empty_file(client: httpx.AsyncClient) -> None:
    assert (await client.get("/files/compare.csv")).text.strip() == ""
