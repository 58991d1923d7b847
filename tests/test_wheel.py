"""The built wheel works in an empty environment: what it declares is enough."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """\
from abreast import Runner
with Runner(progress=False) as runner:
    runner.map(str.upper, ["a", "b"])
print([run.value for run in runner.report.values()])
"""


def call(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "abreast/py.typed" in names
    assert "abreast/__init__.py" in names
    assert {name.split("/")[0] for name in names} == {"abreast", wheel.stem[:13] + ".dist-info"}
    assert not [name for name in names if "__pycache__" in name]


@pytest.mark.needs("packages", "posix")
@pytest.mark.timeout(300)
def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    call(*install, "--no-warn-script-location", wheel, cwd=tmp_path)

    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    assert call(python, "-I", "program.py", cwd=tmp_path) == "['A', 'B']\n"
    assert "0.1.0" in call(home / "bin" / "abreast", "--version", cwd=tmp_path)
    where = call(python, "-I", "-c", "import abreast; print(abreast.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(home)
