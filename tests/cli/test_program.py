"""What holds for every command: help, exit codes, where things are printed, and how errors look."""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from hybrid_llm import Router, __version__
from hybrid_llm.cli import main, output
from tests.cli.conftest import PAIR, Terminal, run

COMMANDS = ["demo", "route", "train", "evaluate", "calibrate", "certify", "export", "score"]
every_command = pytest.mark.parametrize("command", COMMANDS)
PROGRAM = [sys.executable, "-m", "hybrid_llm.cli"]


def process(*arguments, code=None, **options):
    command = [sys.executable, "-c", code] if code else [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def example_in(help_text):
    return shlex.split(help_text.rsplit("Example:", 1)[1])


@every_command
def test_every_command_has_help_with_an_example_and_json(command):
    shown = run(command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert "--json" in shown.out
    assert example_in(shown.out)[:2] == ["hybrid-llm", command]


@every_command
def test_the_options_of_an_example_exist(command):
    shown = run(command, "--help").out
    options = [word for word in example_in(shown) if word.startswith("--")]
    assert all(f"  {option} " in shown for option in options)


@pytest.mark.filterwarnings("ignore:The threshold for quality")
def test_the_example_of_route_sends_the_easy_query_to_small_and_the_hard_one_to_large():
    _, *example = example_in(run("route", "--help").out)
    assert [decision["route"] for decision in run(*example, "--json").json] == ["small", "large"]


@every_command
def test_the_overview_tells_what_a_command_does_without_breaking_off(command):
    line = next(line for line in run().out.splitlines() if line.startswith(f"  {command} "))
    assert line.endswith(".")
    assert not line.endswith("..")


def test_without_a_command_the_help_is_shown():
    assert run() == run("--help")
    assert run().code == 0


def test_version():
    assert run("--version") == type(run())(0, f"hybrid-llm {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message", "command"),
    [
        (["rout", "x"], "No such command 'rout'", "hybrid-llm"),
        (["route"], "Missing argument 'QUERY'", "hybrid-llm route"),
        (["route", "x", "--qualty", "0.9"], "No such option: --qualty", "hybrid-llm route"),
        (["route", "x", "--quality", "high"], "Invalid value for '--quality'", "hybrid-llm route"),
        (["train", "x"], "Missing option '--small'", "hybrid-llm train"),
        (["evaluate", "x", "--small", "a"], "Missing option '--large'", "hybrid-llm evaluate"),
        (["certify", "x", "--small", "a", "--large", "b"], "Missing option '--router'", "hybrid-llm certify"),
        (["demo", "more"], "unexpected extra argument", "hybrid-llm demo"),
        (["export", "model"], "Missing option '--out'", "hybrid-llm export"),
    ],
)
def test_wrong_usage_is_code_2_and_points_to_the_help(arguments, message, command):
    shown = run(*arguments)
    assert (shown.code, shown.out) == (2, "")
    first, second = shown.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second == f"{command} --help shows the options and an example."


def test_an_error_of_ours_is_code_1_and_its_own_message(tmp_path):
    shown = run("route", "x", "--router", tmp_path)
    assert (shown.code, shown.out) == (1, "")
    assert shown.err == (
        f"error: {tmp_path} is no router folder (it has no router.json); make one with: "
        f"hybrid-llm train ... --out {tmp_path}\n"
    )


def test_only_debug_shows_a_traceback(tmp_path):
    assert "Traceback" not in run("route", "x", "--router", tmp_path).err
    shown = run("--debug", "route", "x", "--router", tmp_path)
    assert shown.code == 1
    assert shown.err.startswith("Traceback")
    assert "RouterFolderError" in shown.err


def fail_with(monkeypatch, error):
    def load(path=None):
        raise error

    monkeypatch.setattr(Router, "load", load)


def test_a_bug_is_two_lines_that_ask_for_a_report(monkeypatch):
    fail_with(monkeypatch, KeyError("oops"))
    shown = run("demo")
    assert shown.code == 1
    assert shown.err.splitlines() == [
        "error: KeyError: 'oops'",
        "This is a bug: please report what hybrid-llm --debug shows.",
    ]


def test_a_file_that_the_system_refuses_is_named(monkeypatch):
    fail_with(monkeypatch, OSError(28, "No space left on device", "/data/x"))
    shown = run("demo")
    assert (shown.code, shown.err) == (1, "error: /data/x: No space left on device\n")


def test_ctrl_c_is_code_130_without_a_traceback(monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    shown = run("demo")
    assert (shown.code, shown.out, shown.err) == (130, "", "")


def test_ctrl_c_that_breaks_off_an_import_is_no_bug(monkeypatch):
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    fail_with(monkeypatch, error)
    shown = run("demo")
    assert (shown.code, shown.out, shown.err) == (130, "", "")


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_a_program_that_is_started_without_a_standard_stream_does_without(stream, trained, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello"))
    monkeypatch.setattr(sys, stream, None)
    assert main(["route", "hi", "-", "--router", str(trained), "--threshold", "0.5", "--json"]) == 0


def test_a_warning_is_one_line_on_standard_error(trained):
    shown = run("route", "x", "--router", trained, "--json")
    assert shown.err.startswith("warning: The threshold for quality 0.99 was measured, not certified")
    assert len(shown.err.splitlines()) == 1


def test_a_reader_that_leaves_early_makes_no_traceback():
    with subprocess.Popen(
        [*PROGRAM, "train", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        started.stdout.close()
        errors = started.stderr.read()
    assert errors == ""
    assert started.returncode == 1


def test_help_in_a_fresh_process_loads_nothing_that_it_does_not_need():
    code = (
        "import sys; from hybrid_llm.cli import main; main(['train', '--help']); "
        "heavy = {'numpy', 'onnxruntime', 'tokenizers', 'sklearn', 'rich'} & set(sys.modules); "
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = process(code=code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_exit_code_reaches_the_shell():
    assert process("--version").returncode == 0
    done = process("route", "x", "--quality", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def assert_warned_of_an_unfamiliar_query_alone(stderr: str) -> None:
    assert stderr.startswith("warning: A query is unlike those that this router was trained on")
    assert stderr.count("\n") == 1


@pytest.mark.slow
def test_text_that_the_terminal_cannot_show_is_replaced(trained):
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = process("route", "Grüße \N{PILE OF POO}", "--router", trained, "--threshold", "0.5", env=ascii_only)
    assert done.returncode == 0
    assert_warned_of_an_unfamiliar_query_alone(done.stderr)
    assert "Gr??e ?" in done.stdout


@pytest.mark.slow
def test_bytes_that_are_no_text_are_routed_all_the_same(trained):
    command = [*PROGRAM, "route", b"\xff argument", "-", "--router", str(trained), "--threshold", "0.5", "--json"]
    done = subprocess.run(command, input=b"\xff line\n", capture_output=True, check=False)
    assert done.returncode == 0
    assert_warned_of_an_unfamiliar_query_alone(done.stderr.decode())
    assert [decision["query"][1:] for decision in json.loads(done.stdout)] == [" argument", " line"]


def test_a_bar_shows_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    with redirect_stderr(Terminal()) as terminal, output.progress() as report:
        report("Scoring queries", 128, 240)
    assert "Scoring queries" in terminal.getvalue()
    assert "128/240" in terminal.getvalue()


@pytest.mark.parametrize("command", ["train", "evaluate", "calibrate", "certify"])
def test_the_bar_leaves_standard_output_to_json(command, shipped, table, fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("TERM", "xterm")
    arguments = {
        "train": (table, *PAIR, "--out", tmp_path / "r"),
        "evaluate": (fresh, *PAIR, "--bootstrap", 5),
        "calibrate": (fresh, *PAIR, "--out", tmp_path / "r"),
        "certify": (fresh, *PAIR, "--router", shutil.copytree(shipped, tmp_path / "copy")),
    }[command]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(Terminal()) as terminal:
        assert main([command, *map(str, arguments), "--json"]) == 0
    assert terminal.getvalue()
    assert isinstance(json.loads(out.getvalue()), dict)


def test_no_bar_where_nobody_looks(trained, fresh):
    arguments = ("evaluate", fresh, *PAIR, "--router", trained, "--bootstrap", 5)
    assert run(*arguments).err == ""


def test_a_query_is_shown_as_it_is_and_cannot_steer_the_terminal(capsys):
    output.print_table(("query", "n"), [("[bold]x[/bold] :smile:\x1b[31m\nred", "1")], texts=(0,))
    shown = capsys.readouterr().out
    assert "[bold]x[/bold] :smile: [31m red" in shown
    assert "\x1b" not in shown


def test_a_long_query_is_cut_to_the_line(capsys):
    output.print_table(("query", "score"), [("word " * 100, "0.5")], texts=(0,))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].rstrip().endswith("0.5")


def test_on_a_narrow_terminal_lines_are_longer_and_no_number_is_cut(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    output.print_table(("query", "score", "threshold", "route"), [("word " * 9, "0.785", "0.835", "large")], texts=(0,))
    assert capsys.readouterr().out.split("\n")[1].split()[-3:] == ["0.785", "0.835", "large"]


def test_no_summary_of_a_command_is_cut_short_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    commands = run("--help").out.split("Commands:")[1].split("Example:")[0]
    assert len(commands.strip().splitlines()) >= 15
    assert "..." not in commands
