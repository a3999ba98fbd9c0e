"""The program: which commands there are, and what becomes of an error.

Exit codes: 0 done, 1 the data or the files do not allow it, 2 wrong usage, 130 interrupted. An error is one or two
lines on standard error; only ``--debug`` shows where in the code it came from.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from hybrid_llm import __version__
from hybrid_llm.cli import (
    audit,
    collect,
    demo,
    doctor,
    explain,
    export,
    grade,
    judge,
    report,
    route,
    run,
    savings,
    score,
    train,
)
from hybrid_llm.cli.output import say
from hybrid_llm.errors import HybridLLMError, HybridLLMWarning

OK: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130

# typer brings its own copy of click in some versions and the package in others; this is its UsageError in both
UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]


@dataclass
class Settings:
    """What the options before the command said."""

    debug: bool = False


app = typer.Typer(
    name="hybrid-llm",
    add_completion=False,
    rich_markup_mode=None,  # plain help: it can be searched, piped and shown in the docs
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
_COMMANDS: Final = (
    (demo.demo, "hybrid-llm demo"),
    (
        route.route,
        'hybrid-llm route "What is the capital of Peru?" "Derive the Black-Scholes equation." --quality 0.95',
    ),
    (explain.explain, 'hybrid-llm explain "Derive the Black-Scholes equation."'),
    (doctor.doctor, "hybrid-llm doctor --small ollama:qwen3:4b --large openai:gpt-4o"),
    (
        run.run,
        "hybrid-llm run prompts.jsonl --small ollama:qwen3:4b --large openai:gpt-4o --grader number --out pair/",
    ),
    (
        collect.collect,
        "hybrid-llm collect prompts.txt --small ollama:qwen3:4b --large openai:gpt-4o --budget 5 --out pair/",
    ),
    (grade.grade, "hybrid-llm grade pair/ --grader judge:openai:gpt-4o --budget 5"),
    (train.train, "hybrid-llm train rows.jsonl --small local --large hosted --out my-router/"),
    (
        judge.evaluate,
        "hybrid-llm evaluate rows.jsonl --router my-router/ --small local --large hosted --split test",
    ),
    (judge.calibrate, "hybrid-llm calibrate rows.jsonl --small local --large hosted --out my-router/"),
    (
        judge.certify,
        "hybrid-llm certify rows.jsonl --router my-router/ --small local --large hosted --split validation",
    ),
    (report.report, "hybrid-llm report rows.jsonl --router my-router/ --out report.html"),
    (score.score, "hybrid-llm score rows.parquet --router my-router/ --out scores/"),
    (savings.savings, "hybrid-llm savings traffic.sqlite"),
    (
        audit.audit,
        "hybrid-llm audit traffic.sqlite --router my-router/ --large openai:gpt-4o --grader judge:openai:gpt-4.1",
    ),
    (export.export, "hybrid-llm export sentence-transformers/all-MiniLM-L6-v2 --out encoder/"),
)
for _command, _example in _COMMANDS:
    app.command(epilog=f"\b\nExample:\n  {_example}")(_command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hybrid-llm {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog="\b\nExample:\n  hybrid-llm demo")
def _before_the_command(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Send easy queries to the small model, hard ones to the large one.

    Each command has --help, with an example, and --json for machines.
    """
    context.ensure_object(Settings).debug = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code.

    Args:
        arguments: What follows ``hybrid-llm``; by default what the process was started with.
    """
    _open_what_is_closed()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a query may hold what the terminal cannot show, or no text at all
            stream.reconfigure(errors="replace")
    settings = Settings()
    try:
        with _warnings_in_one_line():
            return _run(arguments, settings)
    except SystemExit:  # typer, when nobody reads standard output any more
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the user gets a sentence, whatever happened
        if _interrupted(error):
            return INTERRUPTED
        if settings.debug:
            sys.excepthook(type(error), error, error.__traceback__)
        return _explain(error, with_text=not settings.debug)


def _open_what_is_closed() -> None:
    """Give a program that was started without a standard stream, as some services are, one that nobody sees."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.StringIO())


def _interrupted(error: BaseException | None) -> bool:
    """Return whether Ctrl-C is behind an error: an import that it breaks off becomes an ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _run(arguments: Sequence[str] | None, settings: Settings) -> int:
    command = typer.main.get_command(app)
    given = None if arguments is None else list(arguments)
    code: Any = command.main(given, prog_name="hybrid-llm", standalone_mode=False, obj=settings)
    sys.stdout.flush()
    return code if isinstance(code, int) else OK


def _explain(error: Exception, *, with_text: bool) -> int:
    """Say what went wrong in a line or two, and return the exit code."""
    code, text = FAILED, f"error: {error}"
    if isinstance(error, UsageError):
        context: Any = getattr(error, "ctx", None)
        program = context.command_path if context else "hybrid-llm"
        message = getattr(error, "format_message", error.__str__)().removeprefix("Invalid value: ")
        code, text = WRONG_USAGE, f"error: {message}\n{program} --help shows the options and an example."
    elif isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at exit has somewhere to go
        with_text = False
    elif isinstance(error, OSError):
        text = f"error: {error.filename or 'input or output'}: {error.strerror or error}"
    elif not isinstance(error, HybridLLMError):
        text = f"error: {type(error).__name__}: {error}\nThis is a bug: please report what hybrid-llm --debug shows."
    if with_text:
        say(text)
    return code


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Show our warnings as a sentence, without the line of Python that gave them."""
    with warnings.catch_warnings():
        as_usual = warnings.showwarning
        warnings.simplefilter("always", HybridLLMWarning)

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, HybridLLMWarning):
                say(f"warning: {message}")
            else:
                as_usual(message, category, *place, **more)

        warnings.showwarning = show
        yield
