"""``abreast init``: a folder that works, and nothing that was there is touched."""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

from abreast.interfaces.cli.init_files import files

from .conftest import Abreast


def test_a_new_folder(abreast: Abreast, tmp_path: Path) -> None:
    done = abreast("init", "my jobs", TZ="Europe/Berlin")
    assert (done.code, done.err) == (0, ""), done
    assert done.out.splitlines()[:6] == [
        "wrote  my jobs/abreast.toml",
        "wrote  my jobs/tasks/count_lines.py",
        "wrote  my jobs/tasks/hello.py",
        "wrote  my jobs/.gitignore",
        "",
        "Next:",
    ]
    assert "  cd 'my jobs'\n" in done.out
    assert "  abreast serve " in done.out
    config = tomllib.loads((tmp_path / "my jobs" / "abreast.toml").read_text())
    assert config["scheduler"]["timezone"] == "Europe/Berlin"
    checked = abreast("config", "check", "my jobs", ABREAST_SERVER_LISTEN="127.0.0.1:0")
    assert (checked.code, checked.err) == (0, ""), checked


def test_what_is_commented_out_would_do(tmp_path: Path, abreast: Abreast) -> None:
    lines = files("UTC")["abreast.toml"].splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("# [notify]"))
    plain = [
        line.removeprefix("# ") if (line.startswith(("# [", "# ")) and "=" in line) or "# [" in line
        else line
        for line in lines[start:]
    ]  # fmt: skip
    text = "\n".join([*lines[:start], *plain]).replace("password_file", "# password_file")
    (tmp_path / "abreast.toml").write_text(text)
    (tmp_path / "tasks").mkdir()
    done = abreast("config", "check", ABREAST_SERVER_LISTEN="127.0.0.1:0")
    assert done.code == 0, done
    assert "2 tasks in it" in done.out


def test_the_samples_run(abreast: Abreast, tmp_path: Path) -> None:
    assert abreast("init").code == 0
    done = abreast("run", "tasks/count_lines.py")
    assert done.code == 0, done
    assert "lines in 2 files" in done.out + done.err
    hello = runpy.run_path(str(tmp_path / "tasks" / "hello.py"))
    assert hello["run_task"]({}) == {"greeted": "world"}
    assert hello["run_task"]({"name": "you"}) == {"greeted": "you"}


def test_nothing_is_overwritten(abreast: Abreast, tmp_path: Path) -> None:
    (tmp_path / "abreast.toml").write_text("# mine\n")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "own.py").write_text("# mine\n")
    done = abreast("init")
    assert done.code == 0, done
    assert done.out.splitlines()[:3] == [
        "kept   abreast.toml, which was there",
        "wrote  .gitignore",
        "kept   tasks/, which was there, without samples",
    ]
    assert (tmp_path / "abreast.toml").read_text() == "# mine\n"
    assert [path.name for path in (tmp_path / "tasks").iterdir()] == ["own.py"]


def test_where_no_folder_can_be(abreast: Abreast, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "file/below"):
        done = abreast("init", name)
        assert done.code == 2, done
        assert done.err.startswith("Error: ")
