"""Functions in processes, and commands, as recorded with Concurra 1.1.12."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from abreast.compat.concurra import CommandExecutionError, TaskRunner, core

pytestmark = pytest.mark.needs("posix")

STOPPED = "RuntimeError: Execution terminated before completion"
PYTHON = sys.executable


def parts(result: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(result[name] for name in names)


def run(runner: TaskRunner) -> dict[Any, dict[str, Any]]:
    return runner.run(verify=False)


# --- functions in processes ---


def pid() -> int:
    return os.getpid()


def boom() -> None:
    raise ValueError("boom")


def say(*args: Any) -> list[Any]:
    return list(args)


def lock() -> Any:
    return threading.Lock()


def die(code: int) -> None:
    os._exit(code)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raise_local() -> None:
    class Local(Exception):
        pass

    raise Local("here")


def stubborn(path: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)  # the task sleeps


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_functions_in_processes() -> None:
    runner = TaskRunner(2, use_multiprocessing=True, task_retries=1)
    runner.add_task(pid, label="pid")
    runner.add_task(pid, label="pid again", depends_on=["pid"])
    runner.add_task(boom, label="boom")
    runner.add_task(raise_local, label="local")
    runner.add_task(sys.exit, 4, label="exit")
    runner.add_command(["true"], label="command")
    results = run(runner)
    pids = {results["pid"]["result"], results["pid again"]["result"], os.getpid()}
    assert len(pids) == 3  # a process of its own for each
    assert {result["execution_mode"] for result in results.values()} == {"process", "subprocess"}
    names = ("status", "error", "attempts", "retry_errors")
    assert parts(results["boom"], *names) == (
        "Failed", "ValueError: boom", 2, ["ValueError: boom"] * 2,
    )  # fmt: skip
    assert results["boom"]["trace"].endswith('    raise ValueError("boom")\nValueError: boom\n')
    assert parts(results["local"], *names) == ("Failed", "Local: here", 2, ["Local: here"] * 2)
    assert parts(results["exit"], *names) == ("Failed", "SystemExit: 4", 1, ["SystemExit: 4"])


def test_a_worker_that_dies() -> None:
    runner = TaskRunner(2, use_multiprocessing=True, task_retries=2)
    runner.add_task(die, 3, label="die")
    runner.add_task(killed, label="killed")
    runner.add_task(pid, label="next", depends_on=["die"])
    results = run(runner)
    error = "RuntimeError: Worker exited with code 3 without recording a result"
    assert parts(results["die"], "status", "error", "trace", "attempts", "retry_errors") == (
        "Failed", error, error + "\n", 1, [],
    )  # fmt: skip
    error = "RuntimeError: Worker exited with code -9 without recording a result"
    assert parts(results["killed"], "status", "error") == ("Failed", error)
    assert results["next"]["status"] == "Terminated"


def test_what_cannot_be_pickled_fails_alone() -> None:
    runner = TaskRunner(2, use_multiprocessing=True, task_retries=1)
    runner.add_task(lambda: 1, label="lambda")
    runner.add_task(say, threading.Lock(), label="argument")
    runner.add_task(lock, label="result")
    runner.add_task(say, 1, label="good")
    runner.add_task(say, 1, label="next", depends_on=["lambda"])
    results = run(runner)
    names = ("status", "error", "execution_mode", "warning", "attempts", "retry_errors")
    refused = (None, "Task was not picklable and thread fallback is disabled", 0, [])
    lost = "TypeError: cannot pickle '_thread.lock' object"
    assert parts(results["argument"], *names) == ("Failed", lost, *refused)
    assert parts(results["lambda"], "status", *names[2:]) == ("Failed", *refused)
    assert "pickle" in results["lambda"]["error"]
    error = "TypeError: Could not record task result: cannot pickle '_thread.lock' object"
    assert parts(results["result"], *names) == ("Failed", error, "process", None, 1, [])
    assert results["good"]["result"] == [1]
    assert results["next"]["status"] == "Terminated"


def test_fall_back_to_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    runner = TaskRunner(
        use_multiprocessing=True, fallback_to_thread_on_pickle_error=True, progress_stats=False
    )
    runner.add_task(lambda: seen.append(1), label="lambda")
    runner.add_task(say, label="good")
    results = run(runner)
    assert seen == [1]
    assert parts(results["lambda"], "status", "execution_mode", "warning") == (
        "Successful", "thread_fallback", "Task was not picklable; ran in thread fallback",
    )  # fmt: skip
    assert parts(results["good"], "execution_mode", "warning") == ("process", None)
    assert caplog.messages == ["Task 'lambda' was not picklable; running in thread fallback"]


def test_a_timeout_ends_the_process(tmp_path: Path) -> None:
    runner = TaskRunner(use_multiprocessing=True, timeout=1.0)
    runner.add_task(stubborn, str(tmp_path / "pid"), label="x")
    result = run(runner)["x"]
    assert parts(result, "status", "error", "warning", "execution_mode") == (
        "Terminated", "TimeoutError: Task exceeded timeout of 1.0 seconds", None, "process",
    )  # fmt: skip
    assert not alive(int((tmp_path / "pid").read_text()))


def test_fast_fail_ends_processes_and_commands() -> None:
    runner = TaskRunner(3, use_multiprocessing=True, fast_fail=True)
    runner.add_task(time.sleep, 60, label="process")
    runner.add_command(["sleep", "60"], label="command")
    runner.add_task(boom, label="boom")
    results = run(runner)
    assert parts(results["process"], "status", "error", "warning") == ("Terminated", STOPPED, None)
    assert parts(results["command"], "status", "error", "warning") == ("Terminated", STOPPED, None)
    assert results["boom"]["status"] == "Failed"


# --- commands ---


def test_results_of_commands(tmp_path: Path) -> None:
    runner = TaskRunner(2)
    runner.add_command((PYTHON, "-c", "print('hi')"), label="hi")
    runner.add_shell_command("echo a; echo b >&2", label="shell")
    runner.add_command(["false"], check=False, label="unchecked")
    runner.add_command(
        [PYTHON, "-c", "import os; print(os.getcwd(), os.environ['ZZ'], 'PATH' in os.environ)"],
        cwd=tmp_path,
        env={"ZZ": "1"},
        label="place",
    )
    runner.add_command(["printf", "x\\r\\ny"], label="text")
    runner.add_command(["printf", "x\\r\\ny"], text=False, label="bytes")
    runner.add_command(["true"], capture_output=False, label="free")
    results = run(runner)
    assert {result["status"] for result in results.values()} == {"Successful"}
    assert {result["execution_mode"] for result in results.values()} == {"subprocess"}
    assert results["hi"]["task_name"] == "command"
    assert list(results["hi"]["result"].items()) == [
        ("command", [PYTHON, "-c", "print('hi')"]),
        ("shell", False),
        ("returncode", 0),
        ("stdout", "hi\n"),
        ("stderr", ""),
        ("cwd", None),
    ]
    assert results["shell"]["task_name"] == "shell_command"
    assert results["shell"]["result"] == {
        "command": "echo a; echo b >&2",
        "shell": True,
        "returncode": 0,
        "stdout": "a\n",
        "stderr": "b\n",
        "cwd": None,
    }
    assert results["unchecked"]["result"]["returncode"] == 1
    assert results["place"]["result"]["stdout"] == f"{tmp_path} 1 True\n"
    assert results["place"]["result"]["cwd"] == str(tmp_path)
    assert results["text"]["result"]["stdout"] == "x\ny"
    assert results["bytes"]["result"]["stdout"] == b"x\r\ny"
    assert parts(results["free"]["result"], "stdout", "stderr") == (None, None)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("echo out; exit 7", 7, ": out"),
        ("echo out; echo err >&2; exit 7", 7, ": err"),
        ("exit 7", 7, ""),
        ("kill -9 $$", -9, ""),
        ("printf 'x%.0s' $(seq 500); exit 1", 1, ": " + "x" * 500),
        ("printf 'x%.0s' $(seq 501); exit 1", 1, ": " + "x" * 500 + "..."),
    ],
)
def test_commands_that_fail(line: str, code: int, said: str) -> None:
    runner = TaskRunner(task_retries=1)
    runner.add_shell_command(line)
    result = run(runner)[0]
    text = f"CommandExecutionError: Command exited with return code {code}{said}"
    assert parts(result, "status", "error", "attempts") == ("Failed", text, 2)
    assert result["retry_errors"] == [text, text]
    assert result["result"]["returncode"] == code
    assert result["trace"].endswith(text + "\n")


def test_commands_that_cannot_start() -> None:
    runner = TaskRunner()
    runner.add_command(["/nonexistent/program"], label="program")
    runner.add_command(["true"], cwd="/nonexistent", label="folder")
    results = run(runner)
    text = "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent{}'"
    assert parts(results["program"], "status", "error", "result") == (
        "Failed", text.format("/program"), None,
    )  # fmt: skip
    assert parts(results["folder"], "status", "error") == ("Failed", text.format(""))


def test_commands_among_functions() -> None:
    runner = TaskRunner(2, timeout=1.0)
    runner.add_task(say, label="function")
    runner.add_command(["true"], label="command", depends_on=["function"])
    runner.add_shell_command("sleep 60; echo", label="slow")
    runner.add_command(["true"], label="next", depends_on=["slow"])
    results = run(runner)
    assert parts(results["function"], "status", "execution_mode") == ("Successful", "thread")
    assert parts(results["command"], "status", "execution_mode") == ("Successful", "subprocess")
    assert parts(results["slow"], "status", "error", "result") == (
        "Terminated", "TimeoutError: Task exceeded timeout of 1.0 seconds", None,
    )  # fmt: skip
    assert parts(results["next"], "status", "attempts", "execution_mode") == (
        "Terminated", 0, "subprocess",
    )  # fmt: skip


def test_command_execution_error() -> None:
    given = {"command": ["a"], "returncode": 3, "stdout": " out \n", "stderr": " \n"}
    error = CommandExecutionError(given)
    assert isinstance(error, RuntimeError)
    assert error.result is given
    assert str(error) == "Command exited with return code 3: out"
    silent = CommandExecutionError({"returncode": 1, "stdout": None, "stderr": b""})
    assert str(silent) == "Command exited with return code 1"
    in_bytes = CommandExecutionError({"returncode": 1, "stdout": b"o", "stderr": b"e"})
    assert str(in_bytes) == "Command exited with return code 1: b'e'"


def test_command_task_handler() -> None:
    assert core.CommandTaskHandler(["echo", "hi"]).run()["stdout"] == "hi\n"
    with pytest.raises(CommandExecutionError) as caught:
        core.CommandTaskHandler("exit 3", shell=True).run()
    assert caught.value.result["returncode"] == 3
    with pytest.raises(TypeError, match="add_command requires command to be a list or tuple"):
        core.CommandTaskHandler("ls")


def test_command_task_handler_that_is_terminated() -> None:
    handler = core.CommandTaskHandler(["sleep", "60"])
    handler.terminate()  # nothing yet to end
    failures: list[BaseException] = []

    def work() -> None:
        try:
            handler.run()
        except RuntimeError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        handler.terminate()
        thread.join(0.01)
    assert str(failures[0]) == "Execution terminated before completion"


def test_task_executor_in_a_process() -> None:
    registry: dict[Any, dict[str, Any]] = {}
    core.TaskExecutor(core.TaskHandler(pid), 0, "x", registry, use_multiprocessing=True).run()
    assert registry["x"]["execution_mode"] == "process"
    assert registry["x"]["result"] != os.getpid()
