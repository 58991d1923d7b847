"""``abreast exec``: a command over arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PROGRAM, environment, started

pytestmark = pytest.mark.needs("posix")


def lines(done: Any) -> list[str]:
    assert done.code == 0, done
    return sorted(done.out.splitlines())


def test_arguments_after_the_sign(abreast: Any) -> None:
    assert lines(abreast("exec", "--", "echo", "<{}>", ":::", "a", "b c")) == ["<a>", "<b c>"]


def test_the_argument_is_appended(abreast: Any) -> None:
    assert lines(abreast("exec", "-j1", "echo", "-n", "x", ":::", "a")) == ["x a"]


def test_standard_input(abreast: Any) -> None:
    done = abreast("exec", "--", "echo", stdin="one\n\ntwo words\r\nlast without newline")
    assert lines(done) == ["last without newline", "one", "two words"]


def test_combinations(abreast: Any) -> None:
    done = abreast("exec", "--", "echo", "{1}-{2}", ":::", "a", "b", ":::", "1", "2")
    assert lines(done) == ["a-1", "a-2", "b-1", "b-2"]
    done = abreast("exec", "--", "printf", "%s;%s\\n", ":::", "a", ":::", "1")
    assert lines(done) == ["a;1"]


def test_shell(abreast: Any) -> None:
    done = abreast("exec", "--shell", "--", "echo {} | tr a-z A-Z", ":::", "it's", "$HOME")
    assert lines(done) == ["$HOME", "IT'S"]


def test_without_a_shell_nothing_is_interpreted(abreast: Any) -> None:
    assert lines(abreast("exec", "--", "echo", "{} | cat", ":::", "$HOME;ls")) == ["$HOME;ls | cat"]


def test_output_is_passed_on_byte_by_byte(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "exec", "-j1", "--", "printf", "\\377\\000\\n%s", ":::", b"\xfe"],
        cwd=tmp_path, env=environment(), capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout == b"\xff\x00\n\xfe"


def test_output_and_errors_stay_apart_and_failures_come_last(abreast: Any) -> None:
    script = "echo out {}; echo err {} >&2; exit {}"
    done = abreast("exec", "-j1", "--shell", "--", script, ":::", "3", "0")
    assert done.code == 1, done
    assert done.out == "out 0\nout 3\n"
    assert "✕ 3: failed(error), exit code 3\nerr 3\n" in done.err


def test_stream(abreast: Any) -> None:
    done = abreast("exec", "--output=stream", "--shell", "--", "echo {}; exit {}", ":::", "0", "17")
    assert done.code == 1, done
    assert sorted(line.split() for line in done.out.splitlines()) == [
        ["0", "│", "0"],
        ["17", "│", "17"],
    ]
    assert "✕ 17: failed(error)" in done.err


def test_timeout_and_its_exit_code(abreast: Any) -> None:
    done = abreast("exec", "--timeout", "300ms", "--shell", "--", "echo {}; sleep {}", ":::", "100")
    assert done.code == 5, done
    assert "failed(timeout)" in done.err
    assert "100\n" in done.err, "what it had written is no result, but can be read"
    assert done.out == ""


def test_fail_fast_stops_reading(tmp_path: Path) -> None:
    """Standard input stays open: only fail-fast can end this."""
    with started(
        "exec",
        "--fail-fast",
        "--progress=none",
        "--",
        "false",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as program:
        assert program.stdin is not None
        program.stdin.write(b"one\n")
        program.stdin.flush()
        assert program.wait(timeout=30) == 1


def test_lines_run_as_they_arrive(tmp_path: Path) -> None:
    """The second line is written only after the first one has been answered."""
    with started(
        "exec",
        "--progress=none",
        "--",
        "echo",
        "got {}",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for word in (b"one", b"two"):
            program.stdin.write(word + b"\n")
            program.stdin.flush()
            assert program.stdout.readline() == b"got " + word + b"\n"
        program.stdin.close()
        assert program.wait(timeout=30) == 0


def test_many_lines(abreast: Any) -> None:
    count = 3000
    done = abreast("exec", "-j4", "--progress=none", "--", "true", stdin="x\n" * count)
    assert done.code == 0, done
    assert (done.out, done.err) == ("", "")


def test_concurrency(abreast: Any) -> None:
    """Two commands that each wait for the other end only when they run side by side."""
    script = "mkfifo p{} 2>/dev/null; read x < p$(( 1 - {} )) & echo y > p{}; wait"
    setup = abreast("exec", "-j1", "--", "mkfifo", ":::", "p0", "p1")
    assert setup.code == 0
    done = abreast("exec", "-j2", "--timeout=20", "--shell", "--", script, ":::", "0", "1")
    assert done.code == 0, done


def test_a_program_that_does_not_exist(abreast: Any) -> None:
    done = abreast("exec", "--", "no-such-program", ":::", "a")
    assert done.code == 1, done
    assert "no program of this name" in done.err
    assert "Traceback" not in done.err


def test_dry_run(abreast: Any) -> None:
    done = abreast("exec", "--dry-run", "--", "gzip", "-k", ":::", "a b.csv", "c.csv")
    assert done.code == 0
    assert done.out == "gzip -k 'a b.csv'\ngzip -k c.csv\n"
    done = abreast("exec", "--dry-run", "--json", "--", "x", stdin="1\n2\n")
    assert '"x 2"' in done.out


@pytest.mark.parametrize(
    ("sign", "expected"),
    [
        ("{}", "dir/data.tar.gz"),
        ("{.}", "dir/data.tar"),
        ("{/}", "data.tar.gz"),
        ("{//}", "dir"),
        ("{/.}", "data.tar"),
        ("{1/}.bak", "data.tar.gz.bak"),
        ("{#}:{}", "1:dir/data.tar.gz"),
        ("{#}", "1 dir/data.tar.gz"),
        ("{x} {}", "'{x} dir/data.tar.gz'"),
    ],
)
def test_parts_of_the_argument(abreast: Any, sign: str, expected: str) -> None:
    done = abreast("exec", "--dry-run", "--", "echo", sign, ":::", "dir/data.tar.gz")
    assert done.out == f"echo {expected}\n"


def test_nothing_on_standard_input(abreast: Any) -> None:
    done = abreast("exec", "--", "echo", stdin="")
    assert done.code == 0, done
    assert "nothing was run" in done.err


def test_the_same_argument_twice(abreast: Any) -> None:
    assert lines(abreast("exec", "--", "echo", ":::", "a", "a", "")) == ["", "a", "a"]


def test_html(abreast: Any, tmp_path: Path) -> None:
    done = abreast("exec", "--html", "r.html", "--trace", "t.json", "--", "true", ":::", "a")
    assert done.code == 0, done
    assert "<html" in (tmp_path / "r.html").read_text()
    assert (tmp_path / "t.json").exists()
