"""Files are served only when a report or a check names them, and never as something a browser would run."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from jobs.findings import FILE_NAME as FINDINGS_NAME
from jobs.findings import REQUEST_NAME, CheckRequest, DatasetFindings, Findings, SamplePicture
from jobs.report import Artifact, View
from otx_web import downloads, services
from otx_web.guard import LOCAL_OWNER, OWNER_HEADER
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Upload
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


async def test_what_is_laid_over_a_picture_is_shown_when_the_report_names_it(
    house: Services, client: httpx.AsyncClient
) -> None:
    drawn = made.report().pictures[0].model_copy(update={"after_view": View(layer="artifacts/pictures/00-after.png")})
    job = made.job(house, made=made.report(pictures=(drawn,)))
    folder = house.runner.directory(job.id) / "artifacts/pictures"
    folder.mkdir(parents=True)
    for name in ("00-after.png", "00-before.png"):
        (folder / name).write_bytes(b"\x89PNG")
    answer = await client.get(f"/files/jobs/{job.id}/artifacts/pictures/00-after.png")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert (await client.get(f"/files/jobs/{job.id}/artifacts/pictures/00-before.png")).status_code == 404


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


async def test_job_that_is_not_there_has_no_files(house: Services, client: httpx.AsyncClient) -> None:
    job_id = with_files(house)
    for wrong in (job_id[:-1], job_id.upper(), "x", "%2e%2e", "'"):
        assert (await client.get(f"/files/jobs/{wrong}/log.txt")).status_code == 404
    assert house.store.job(job_id) is not None
    house.store.delete_job(job_id)
    assert (await client.get(f"/files/jobs/{job_id}/log.txt")).status_code == 404


@pytest.mark.parametrize("name", ["log.txt", "artifacts/model.zip", "report.json"])
@pytest.mark.parametrize(
    "make",
    [os.mkfifo, lambda path: path.symlink_to("/etc/passwd"), lambda path: path.mkdir()],
    ids=["pipe", "link", "dir"],
)
async def test_what_a_worker_puts_in_place_of_a_file_is_not_followed(
    house: Services, client: httpx.AsyncClient, name: str, make: Callable[[Path], None]
) -> None:
    job_id = with_files(house)
    path = house.runner.directory(job_id) / name
    path.unlink(missing_ok=True)
    make(path)
    assert (await client.get(f"/files/jobs/{job_id}/{name}")).status_code == 404


async def test_folder_that_became_a_link_is_not_followed(house: Services, client: httpx.AsyncClient) -> None:
    job_id, other = with_files(house), with_files(house)
    artifacts = house.runner.directory(job_id) / "artifacts"
    shutil.rmtree(artifacts)
    artifacts.symlink_to(house.runner.directory(other) / "artifacts")
    assert (await client.get(f"/files/jobs/{job_id}/artifacts/model.zip")).status_code == 404


@pytest.mark.parametrize("name", ["x" * 5000, "a%00b", "artifacts/%00", "%ff", "artifacts/model.zip/x"])
async def test_odd_names_are_not_there(house: Services, client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/files/jobs/{with_files(house)}/{name}")).status_code == 404


async def test_report_that_names_files_elsewhere_gets_none(house: Services, client: httpx.AsyncClient) -> None:
    """A worker may write what it likes into its report."""
    secret = house.settings.data / "secret"
    secret.write_text("secret")
    paths = (str(secret), "../../secret", "artifacts/../../../secret")
    artifacts = tuple(Artifact(name="x", path=path, size_bytes=1, sha256="") for path in paths)
    job = made.job(house, made=made.report(artifacts=artifacts))
    for path in paths:
        url = httpx.URL(client.base_url).copy_with(raw_path=f"/files/jobs/{job.id}/{path}".encode())
        assert (await client.get(url)).status_code == 404


# --- pictures of uploads


def checked(house: Services, owner: str, picture: str = "pictures/0.png") -> str:
    """An upload of this owner, with a picture of it that its check made."""
    digest = "ab" * 32
    house.store.add_upload(Upload(digest=digest, owner=owner, kind="dataset", name="a.zip", size_bytes=1))
    found = DatasetFindings(
        format="",
        name="a",
        size_bytes=1,
        labels=(),
        images=1,
        splits=(),
        calibration=1,
        validation=1,
        pictures=(SamplePicture(file=picture, label="cat"),),
    )
    house.store.set_findings(digest, Findings(dataset=found))
    folder = house.uploads.check_folder(digest)
    (folder / "pictures").mkdir(parents=True)
    for name in ("pictures/0.png", "pictures/1.png", "log.txt"):
        (folder / name).write_bytes(b"\x89PNG")
    return digest


async def test_picture_of_ones_own_upload_is_shown(house: Services, client: httpx.AsyncClient) -> None:
    digest = checked(house, LOCAL_OWNER)
    answer = await client.get(f"/files/uploads/{digest}/pictures/0.png")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith("inline")
    assert "sandbox" in answer.headers["content-security-policy"]
    for name in ("pictures/1.png", "log.txt", "../files/a.zip", "%2e%2e/files/a.zip"):
        assert (await client.get(f"/files/uploads/{digest}/{name}")).status_code == 404, name


async def test_picture_of_anothers_upload_is_not_there(house: Services, client: httpx.AsyncClient) -> None:
    digest = checked(house, "someone else")
    assert (await client.get(f"/files/uploads/{digest}/pictures/0.png")).status_code == 404
    mine = {OWNER_HEADER: "someone else"}  # what the guard writes; what a client sends under it never gets here
    assert (await client.get(f"/files/uploads/{digest}/pictures/0.png", headers=mine)).status_code == 200


async def test_check_that_names_a_file_elsewhere_shows_none(house: Services, client: httpx.AsyncClient) -> None:
    (house.settings.data / "secret.png").write_bytes(b"secret")
    digest = checked(house, LOCAL_OWNER, "../../../secret.png")
    url = httpx.URL(client.base_url).copy_with(raw_path=f"/files/uploads/{digest}/../../../secret.png".encode())
    assert (await client.get(url)).status_code == 404


# --- pictures of rehearsals


def rehearsed(house: Services, owner: str) -> str:
    """A rehearsal whose model and dataset this owner has brought."""
    spec = made.spec(house)
    for source, kind in ((spec.model, "model"), (spec.dataset, "dataset")):
        house.store.add_upload(Upload(digest=source.digest, owner=owner, kind=kind, name="a", size_bytes=1))
    folder = house.runner.rehearsal(spec)
    (folder / "pictures").mkdir(parents=True)
    for name in ("00.png", "00-before.png", "00-after.png"):
        (folder / "pictures" / name).write_bytes(b"\x89PNG")
    request = CheckRequest(kind="job", source=spec.model, job=spec)
    shown = made.drawn_on(
        file="pictures/00.png", before_view=View(layer="pictures/00-before.png"), after_view=View(), truth_view=View()
    )
    (folder / REQUEST_NAME).write_text(request.model_dump_json())
    (folder / FINDINGS_NAME).write_text(Findings(pictures=(shown,)).model_dump_json())
    return folder.name


async def test_pictures_of_a_rehearsal_are_for_who_brought_its_files(
    house: Services, client: httpx.AsyncClient
) -> None:
    preview = rehearsed(house, LOCAL_OWNER)
    for name in ("pictures/00.png", "pictures/00-before.png"):
        assert (await client.get(f"/files/previews/{preview}/{name}")).status_code == 200
        other = await client.get(f"/files/previews/{preview}/{name}", headers={OWNER_HEADER: "someone else"})
        assert other.status_code == 404
    for name in ("pictures/00-after.png", "check.json", "findings.json", "%2e%2e/x", ""):
        assert (await client.get(f"/files/previews/{preview}/{name}")).status_code == 404, name


@pytest.mark.parametrize("preview", ["0" * 32, "x", "%2e%2e", "a" * 5000])
async def test_rehearsal_that_is_not_there_has_no_pictures(client: httpx.AsyncClient, preview: str) -> None:
    assert (await client.get(f"/files/previews/{preview}/pictures/00.png")).status_code == 404


async def test_rehearsal_that_left_nonsense_has_no_pictures(house: Services, client: httpx.AsyncClient) -> None:
    preview = rehearsed(house, LOCAL_OWNER)
    (house.settings.previews / preview / FINDINGS_NAME).write_text("[" * 10_000)
    assert (await client.get(f"/files/previews/{preview}/pictures/00.png")).status_code == 404


# --- comparisons


async def test_comparison_as_csv(house: Services, client: httpx.AsyncClient) -> None:
    one, two = made.job(house, name="one"), made.job(house, name="two")
    answer = await client.get("/files/compare.csv", params={"ids": f"{one.id},{two.id},gone"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[1] for line in answer.text.splitlines()] == ["name", "one", "two"]


async def test_comparison_of_nothing_is_an_empty_file(client: httpx.AsyncClient) -> None:
    assert (await client.get("/files/compare.csv")).text.strip() == ""
