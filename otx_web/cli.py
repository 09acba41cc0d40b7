"""The command line, `otx-web`: for scripts and CI, with the same job directories and the same history as the pages.

Exit codes: 0 succeeded, 1 failed, 2 wrong arguments, 130 stopped by Ctrl-C. Results go to standard output, progress
and complaints to standard error.

What takes long to import is imported where it is needed: a job begins as soon as its workers do, and they import the
engines while this process imports the rest.
"""

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobs.errors import JobError

if TYPE_CHECKING:
    from jobs.findings import Findings
    from otx_web.errand import Errand
    from otx_web.services import Services
    from otx_web.settings import Settings
    from otx_web.store import Job
    from otx_web.terminal import Board
    from otx_web.workers import Workers

Result = TypeVar("Result")

SUCCEEDED, FAILED, WRONG, STOPPED = 0, 1, 2, 130
LIST = 20
"""Jobs in a list unless more are asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and give the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show × shall show ? instead of failing
    given = _parser().parse_args(arguments)
    try:
        code = int(given.run(given))
        sys.stdout.flush()
        return code
    except JobError as error:
        return _refuse(error)
    except KeyboardInterrupt:
        _complain("Stopped.")
        return STOPPED
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCEEDED
    except Exception as error:
        return _confess(error)


def _refuse(error: JobError) -> int:
    """Say what is wrong, and whether it is an argument."""
    from otx_web import terminal
    from otx_web.errand import WrongArgument
    from otx_web.forms import FormError
    from otx_web.runner import NotYours
    from otx_web.samples import NoSample

    if isinstance(error, NotYours):
        _complain(f"There is no job {terminal.plain(error.where)}. `otx-web jobs list` shows those there are.")
    else:
        _complain(terminal.sentences(error))
    return WRONG if isinstance(error, WrongArgument | FormError | NotYours | NoSample) else FAILED


def _confess(error: Exception) -> int:
    """What nobody expected is a bug: a sentence here, the whole of it in a file for whoever mends it."""
    with tempfile.NamedTemporaryFile("w", prefix="otx-web-", suffix=".txt", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    _complain(f"OTX Web itself failed: {type(error).__name__}. Please report it with {file.name}, which says where.")
    return FAILED


def _complain(text: str) -> None:
    sys.stderr.write(f"otx-web: {text}\n")


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _tell_json(value: object) -> None:
    _tell(json.dumps(value, indent=1, ensure_ascii=False))


# --- arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="otx-web", description="Make a vision model smaller and faster.")
    parser.add_argument("--version", action="version", version=f"otx-web {_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, help="folder of uploads, jobs and history (OTX_WEB_DATA)")
    shared = argparse.ArgumentParser(add_help=False, parents=[data])
    shared.add_argument("--json", action="store_true", help="the result alone, as JSON, on standard output")
    _add_serve(commands.add_parser("serve", help="serve the pages", parents=[data]))
    _add_check(commands.add_parser("check", help="look into a model, a dataset, or both", parents=[shared]))
    _add_optimize(commands.add_parser("optimize", help="optimise a model, and measure it", parents=[shared]))
    _add_jobs(commands.add_parser("jobs", help="the history"), shared)
    samples = commands.add_parser("samples", help="where a sample's model and dataset are", parents=[shared])
    samples.add_argument("task", nargs="?", help="without it, of all tasks")
    samples.set_defaults(run=_samples)
    return parser


def _version() -> str:
    try:
        return version("otx-web")
    except PackageNotFoundError:
        return "(not installed)"


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="0.0.0.0 to be reached from other machines (OTX_WEB_HOST)")
    parser.add_argument("--port", type=int, help="7860 unless said otherwise, 0 for any free one (OTX_WEB_PORT)")
    parser.add_argument("--public", action="store_true", default=None, help="for strangers (OTX_WEB_PUBLIC)")
    parser.add_argument("--workers", type=int, help="jobs at once (OTX_WEB_WORKERS)")
    parser.set_defaults(run=_serve)


def _add_check(parser: argparse.ArgumentParser) -> None:
    _add_what(parser, required=False)
    parser.set_defaults(run=_check)


def _add_what(parser: argparse.ArgumentParser, *, required: bool) -> None:
    model = "file or folder; an .xml takes the .bin beside it along"
    parser.add_argument("--model", type=Path, nargs="+", default=[], required=required, help=model, metavar="FILE")
    parser.add_argument("--dataset", type=Path, required=required, help="zip or folder", metavar="FILE")
    parser.add_argument("--task", default="", help="the one the model says it is for, unless given")
    parser.add_argument("--template", default="", help="the one the model's name tells, else generic, unless given")
    methods = "pot_default unless given, pot_accuracy_aware, nncf_qat (NNCF Quantization), nncf_pruning, weights"
    parser.add_argument("--method", default="pot_default", help=methods)
    settings = "of the method, the model or the job, as often as needed: --set preset=mixed --set labels=cat,dog"
    parser.add_argument("--set", action="append", default=[], help=settings, metavar="NAME=VALUE")
    files = "pot_optimization_config.json or compression_config.json, or POT's or NNCF's own JSON"
    parser.add_argument("--config", type=Path, help=files, metavar="FILE")


def _add_optimize(parser: argparse.ArgumentParser) -> None:
    _add_what(parser, required=True)
    accepted = "take operations that a file calls by old names for those that are found, as check shows them"
    parser.add_argument("--accept-scopes", action="store_true", help=accepted)
    parser.add_argument("--name", default="", help="what to call the job")
    parser.add_argument("--out", type=Path, help="folder to copy the model and the report into", metavar="FOLDER")
    parser.set_defaults(run=_optimize)


def _add_jobs(parser: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="the newest first", parents=[shared])
    listing.add_argument("--state", action="append", default=[], help="queued, running, succeeded, failed, cancelled")
    listing.add_argument("--task")
    listing.add_argument("--method")
    listing.add_argument("--text", default="", help="in the name of the job, the model or the dataset")
    listing.add_argument("--limit", type=int, default=LIST)
    listing.set_defaults(run=_list)
    showing = commands.add_parser("show", help="what came of a job", parents=[shared])
    showing.add_argument("id")
    showing.set_defaults(run=_show)
    for name, run, help_text in (
        ("cancel", _cancel, "stop jobs, or take them out of the queue"),
        ("stop", _stop, "end the training of jobs, and go on with the best so far"),
        ("delete", _delete, "forget jobs and their files"),
    ):
        ending = commands.add_parser(name, help=help_text, parents=[shared])
        ending.add_argument("id", nargs="+")
        ending.set_defaults(run=run)


def _settings(given: argparse.Namespace) -> "Settings":
    """The environment, and what was given over it. Raises WrongArgument."""
    from pydantic import ValidationError

    from otx_web.errand import WrongArgument
    from otx_web.settings import Settings

    names = ("data", "host", "port", "public", "workers")
    said = {name: value for name in names if (value := getattr(given, name, None)) is not None}
    try:
        return Settings(**said)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        shown = f"--{name}" if name in said else f"OTX_WEB_{name.upper()}"
        raise WrongArgument(f"{shown}: {first['msg']}.") from error


def _errand(given: argparse.Namespace) -> "Errand":
    """What to check or to optimise. Raises WrongArgument."""
    from otx_web import errand

    return errand.Errand(
        model=errand.model(given.model),
        dataset=errand.there(given.dataset) if given.dataset else None,
        task=errand.task(given.task),
        template=given.template,
        method=given.method,
        given=errand.pairs(given.set),
        config=errand.config(given.config) if given.config else None,
        name=getattr(given, "name", ""),
        accept_scopes=getattr(given, "accept_scopes", False),
    )


# --- commands


def _serve(given: argparse.Namespace) -> int:
    settings = _settings(given)
    from otx_web.app import serve

    serve(settings)
    return SUCCEEDED


def _samples(given: argparse.Namespace) -> int:
    """The graph brings its weights along, so two paths are enough for a script."""
    from otx_web import samples

    found = [samples.paths(task) for task in ([given.task] if given.task else samples.tasks())]
    if given.json:
        rows = [
            {"task": one.task, "title": one.title, "model": str(one.model[0]), "dataset": str(one.dataset)}
            for one in found
        ]
        _tell_json(rows[0] if given.task else rows)
        return SUCCEEDED
    for one in found:
        _tell(f"{one.model[0]}\n{one.dataset}")
    return SUCCEEDED


def _check(given: argparse.Namespace) -> int:
    from otx_web.errand import WrongArgument

    settings, errand = _settings(given), _errand(given)
    if not errand.model and not errand.dataset:
        raise WrongArgument("There is nothing to check.", hint="Give --model, --dataset, or both.")

    async def check(services: "Services", board: "Board") -> "Findings":
        from otx_web import headless

        board.wait("Looking into what was given")
        return await headless.check(services, errand)

    found = _with_workers(settings, check)
    if given.json:
        _tell(found.model_dump_json(indent=1))
    else:
        from otx_web import terminal

        _tell(terminal.findings(found))
    return FAILED if found.blocked else SUCCEEDED


def _optimize(given: argparse.Namespace) -> int:
    from otx_web import errand as errands

    settings, errand = _settings(given), _errand(given)
    out = errands.out(given.out) if given.out else None

    async def optimise(services: "Services", board: "Board") -> "Job":
        from otx_web import headless

        board.wait("Starting")
        job = await headless.optimise(services, errand, board.show, board.say)
        if out is not None:
            headless.copy(services.runner.directory(job.id), job, out)
        return job

    job = _with_workers(settings, optimise)
    return _conclude(settings, job, given.json, out)


def _conclude(settings: "Settings", job: "Job", as_json: bool, out: Path | None) -> int:
    """Tell what came of a job."""
    from otx_web import terminal
    from otx_web.store import State

    if job.state is State.CANCELLED:
        _complain(f"Job {job.id} was cancelled.")
        return STOPPED
    if not as_json:
        _tell(terminal.job(job, out or _files(settings, job)))
    elif job.report is not None:
        _tell(job.report.model_dump_json(indent=1))
    return SUCCEEDED if job.state is State.SUCCEEDED else FAILED


def _with_workers(settings: "Settings", do: Callable[["Services", "Board"], Awaitable[Result]]) -> Result:
    """Do it with workers that can run jobs. No queue is served: other jobs stay where they are.

    The forkserver starts first, and imports the engines while the history and the forms are imported here.
    """
    import anyio
    from anyio import create_task_group, to_thread

    from otx_web.workers import Workers

    async def work() -> Result | Exception:
        workers = Workers(settings)
        done: Result | Exception
        async with create_task_group() as group:
            await group.start(workers.serve)
            try:
                services, board = await to_thread.run_sync(_parts, settings, workers)
                with board:
                    done = await do(services, board)
            except Exception as error:  # out of the group as it is, not in an ExceptionGroup
                done = error
            group.cancel_scope.cancel()
        return done

    done = anyio.run(work)
    if isinstance(done, Exception):
        raise done
    return done


def _parts(settings: "Settings", workers: "Workers") -> tuple["Services", "Board"]:
    from otx_web import headless, services, terminal  # noqa: F401 - headless is the one that takes long

    return services.build(settings, workers), terminal.Board(sys.stderr)


def _list(given: argparse.Namespace) -> int:
    from otx_web import services, terminal
    from otx_web.errand import WrongArgument
    from otx_web.store import Filter, State

    if wrong := [state for state in given.state if state not in list(State)]:
        raise WrongArgument(f"There is no state “{wrong[0]}”. There is {', '.join(State)}.")
    wanted = Filter(
        task=given.task,
        method=given.method,
        states=[State(state) for state in given.state],
        text=given.text,
        limit=max(0, given.limit),
    )
    found = services.build(_settings(given)).store.list_jobs(wanted)
    if given.json:
        _tell_json([one.model_dump(mode="json") for one in found.rows])
        return SUCCEEDED
    if found.rows:
        _tell(terminal.table(found.rows))
    elif not found.total:
        _complain("There are no such jobs.")
    if more := found.total - len(found.rows):
        _complain(f"{more:,} more: --limit {found.total} shows them all.")
    return SUCCEEDED


def _show(given: argparse.Namespace) -> int:
    """A job that is done is told as after `optimize`; another by how far it is."""
    from otx_web import services, terminal
    from otx_web.runner import NotYours

    built = services.build(_settings(given))
    job = built.store.job(given.id)
    if job is None:
        raise NotYours(where=given.id)
    if given.json:
        _tell_json(job.model_dump(mode="json"))
        return SUCCEEDED
    files = None if job.files_deleted else _files(built.settings, job)
    _tell(terminal.job(job, files, None if job.state.done else built.runner.progress(job)))
    return SUCCEEDED


def _files(settings: "Settings", job: "Job") -> Path:
    """Where the model is, else the log that may say why there is none."""
    folder = settings.jobs / job.id
    return folder / "artifacts" if job.report and job.report.artifacts else folder / "log.txt"


def _cancel(given: argparse.Namespace) -> int:
    from otx_web.store import State

    states = _each(given, lambda services: services.runner.cancel)
    if given.json:
        _tell_json(states)
    for job_id, state in states.items():
        if state is not State.CANCELLED:
            _complain(f"Job {job_id} is done already: it {state}.")
    return SUCCEEDED if all(state is State.CANCELLED for state in states.values()) else FAILED


def _stop(given: argparse.Namespace) -> int:
    """What does not train is left alone."""
    _each(given, lambda services: services.runner.stop)
    return SUCCEEDED


def _delete(given: argparse.Namespace) -> int:
    deleted = _each(given, lambda services: services.runner.delete)
    if given.json:
        _tell_json(list(deleted))
    return SUCCEEDED


def _each(
    given: argparse.Namespace, do: Callable[["Services"], Callable[[str], Awaitable[Result]]]
) -> dict[str, Result]:
    """Do it with every job that was named, up to the first that cannot be."""
    import anyio

    from otx_web import services

    async def each() -> dict[str, Result]:
        act = do(services.build(_settings(given)))
        return {job_id: await act(job_id) for job_id in given.id}

    return anyio.run(each)
