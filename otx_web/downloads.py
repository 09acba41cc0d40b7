"""Routes to the files of jobs and uploads: only those that a report or a check names."""

import mimetypes
import re
from pathlib import Path

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response
from pydantic import ValidationError

from jobs.findings import FILE_NAME as FINDINGS_NAME
from jobs.findings import REQUEST_NAME, CheckRequest, Findings
from jobs.report import Picture, Report
from otx_web import compare, files
from otx_web.guard import owner_of
from otx_web.outcome import MAX_REPORT
from otx_web.services import Services

IMAGES = (".png", ".jpg", ".jpeg", ".webp")
"""Shown in the page; everything else is saved to disk and never shown (HTML and SVG can run scripts)."""
PREVIEW = re.compile("[0-9a-f]{32}")
ALWAYS = ("log.txt", "events.jsonl", "report.json", "spec.json")


def router(services: Services) -> APIRouter:
    """`/files/jobs/<id>/<path>` for whoever has the id; of uploads and rehearsals for who brought them."""
    routes = APIRouter()

    @routes.get("/files/jobs/{job_id}/{name:path}")
    async def of_job(job_id: str, name: str) -> FileResponse:
        return await to_thread.run_sync(_of_job, services, job_id, name)

    @routes.get("/files/uploads/{digest}/{name:path}")
    async def of_upload(digest: str, name: str, request: Request) -> FileResponse:
        return await to_thread.run_sync(_of_upload, services, digest, name, owner_of(request))

    @routes.get("/files/previews/{preview}/{name:path}")
    async def of_preview(preview: str, name: str, request: Request) -> FileResponse:
        return await to_thread.run_sync(_of_preview, services, preview, name, owner_of(request))

    @routes.get("/files/compare.csv")
    async def as_csv(ids: str = "") -> Response:
        """Jobs side by side, as a file for spreadsheets and scripts."""
        jobs = await to_thread.run_sync(services.store.jobs, ids.split(",")[: compare.MOST])
        named = {"content-disposition": 'attachment; filename="otx-web-compare.csv"'}
        return Response(compare.to_csv(jobs), media_type="text/csv; charset=utf-8", headers=named)

    return routes


def _of_job(services: Services, job_id: str, name: str) -> FileResponse:
    job = services.store.job(job_id)
    if job is None:
        raise HTTPException(404)
    if job.files_deleted:
        raise HTTPException(410, "The files of this job have been deleted; its numbers are kept.")
    if name not in ALWAYS and name not in _named(job.report):
        raise HTTPException(404)
    path = files.inside(services.runner.directory(job.id), name)
    if path is None:
        raise HTTPException(404)
    return _response(path, f"{job.name}-{path.name}" if path.suffix == ".zip" else path.name)


def _of_upload(services: Services, digest: str, name: str, owner: str) -> FileResponse:
    upload = services.store.upload(digest, owner)
    pictures = upload.findings.dataset.pictures if upload and upload.findings and upload.findings.dataset else ()
    path = files.inside(services.uploads.check_folder(digest), name)
    named = {file for picture in pictures for file in (picture.file, picture.view.layer)}
    if path is None or name not in named:
        raise HTTPException(404)
    return _response(path, path.name)


def _of_preview(services: Services, preview: str, name: str, owner: str) -> FileResponse:
    """A picture of a rehearsal, for who brought its model and its dataset."""
    folder = services.settings.previews / preview
    if not PREVIEW.fullmatch(preview):
        raise HTTPException(404)
    try:
        asked = CheckRequest.model_validate_json(files.read_plain(folder / REQUEST_NAME, MAX_REPORT))
        found = Findings.model_validate_json(files.read_plain(folder / FINDINGS_NAME, MAX_REPORT))
    except (OSError, ValidationError):
        raise HTTPException(404) from None
    path = files.inside(folder, name)
    sources = (asked.job.model, asked.job.dataset) if asked.job else ()
    owns = sources and all(services.store.upload(source.digest, owner) for source in sources)
    if path is None or not owns or name not in set().union(*map(_files, found.pictures)):
        raise HTTPException(404)
    return _response(path, path.name)


def _named(report: Report | None) -> set[str]:
    """What a job made, as its report says."""
    if report is None:
        return set()
    return {artifact.path for artifact in report.artifacts}.union(*(_files(picture) for picture in report.pictures))


def _files(picture: Picture) -> set[str]:
    """The image and what is laid over it."""
    views = (picture.before_view, picture.after_view, picture.truth_view)
    return {picture.file, *(view.layer for view in views if view.layer)}


def _response(path: Path, name: str) -> FileResponse:
    image = path.suffix.lower() in IMAGES
    kind = mimetypes.types_map.get(path.suffix.lower()) if image or path.suffix in (".zip", ".json") else None
    return FileResponse(
        path,
        media_type=kind or ("text/plain; charset=utf-8" if path.suffix == ".txt" else "application/octet-stream"),
        filename=name,
        content_disposition_type="inline" if image else "attachment",
        headers={"content-security-policy": "sandbox; default-src 'none'", "cache-control": "private, no-cache"},
    )
