"""Wake-ups among processes: heard at once, never waited for, and no harm from the dead."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast.errors import StoreError
from abreast.stores import place
from abreast.stores.bells import Bell, Bells

pytestmark = pytest.mark.needs("posix")

LISTEN = """
import select, sys
from abreast.stores.bells import Bell
bell = Bell(sys.argv[1], "w")
print("there", flush=True)
select.select([bell], [], [])
assert bell.drain()
print("rung", flush=True)
sys.stdin.readline()
"""


def readable(bell: Bell) -> bool:
    return bool(select.select([bell], [], [], 0)[0])


def test_ring_wakes_every_bell_of_the_kind(tmp_path: Path) -> None:
    workers, client = [Bell(str(tmp_path), "w"), Bell(str(tmp_path), "w")], Bell(str(tmp_path), "c")
    bells = Bells(str(tmp_path))
    bells.ring("w")
    assert [readable(bell) for bell in (*workers, client)] == [True, True, False]
    assert workers[0].drain()
    assert not readable(workers[0])
    assert not workers[0].drain()
    bells.ring("w", but=workers[0])
    assert not readable(workers[0])
    for bell in (*workers, client):
        bell.close()
        bell.close()
    assert os.listdir(tmp_path) == []
    assert not bells.anybody("w")
    bells.ring("w")
    bells.close()


def test_another_process_hears_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        bells = Bells(str(tmp_path))
        assert not bells.anybody("w")
        assert process.stdout.readline() == "there\n"
        assert bells.anybody("w")
        bells.ring("w")
        assert process.stdout.readline() == "rung\n"
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert len(os.listdir(tmp_path)) == 1  # it could not tidy up
    bells.ring("w")
    assert os.listdir(tmp_path) == []
    assert not bells.anybody("w")
    bells.close()


def test_nobody_waits_for_a_listener_that_does_not_listen(tmp_path: Path) -> None:
    bell, bells = Bell(str(tmp_path), "w"), Bells(str(tmp_path))
    for _ in range(5000):
        bells.ring("w")
    assert bell.drain()
    assert not bell.drain()
    bells.ring("w")
    assert bell.drain()
    bell.close()
    bells.close()


def test_a_bell_hung_up_right_after_the_last_look_is_found(tmp_path: Path) -> None:
    """Also when the clock of the file system has not moved on in between."""
    bells = Bells(str(tmp_path))
    for _ in range(50):
        assert not bells.anybody("w")
        bell = Bell(str(tmp_path), "w")
        bells.ring("w")
        assert bell.drain()
        bell.close()
    bells.close()


def test_an_unchanged_folder_is_not_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell, bells = Bell(str(tmp_path), "w"), Bells(str(tmp_path))
    os.utime(tmp_path, (1, 1))  # as if the change was long ago
    bells.ring("w")
    monkeypatch.setattr(os, "listdir", lambda _: pytest.fail("listed again"))
    bells.ring("w")
    assert bell.drain()
    bell.close()
    bells.close()


def test_a_fork_leaves_the_bell_to_its_parent(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from abreast.stores.bells import Bell
bell = Bell(sys.argv[1], "w")
pid = os.fork()
if pid == 0:
    bell.close()
    os.write(1, b"%d\\n" % os.getpid())
    signal.pause()
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            assert len(os.listdir(tmp_path)) == 1  # the fork took nothing away
            process.send_signal(signal.SIGKILL)
            process.wait(20)
            bells = Bells(str(tmp_path))
            bells.ring("w")
            assert not bells.anybody("w")  # and does not answer for a dead parent
            bells.close()
        finally:
            os.kill(child, signal.SIGKILL)


def test_no_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        Bell(str(tmp_path / "nowhere"), "w")
    bells = Bells(str(tmp_path / "nowhere"))
    bells.ring("w")
    assert not bells.anybody("w")
    bells.close()


# -- where they hang -------------------------------------------------------------------------


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: the name of a socket must be."""
    with tempfile.TemporaryDirectory(prefix="ab") as folder:
        yield Path(folder).resolve()


def test_all_processes_of_a_store_meet_in_one_folder(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    folder = place.runtime_folder(str(short / "j.db"))
    assert folder == str(short / "j.db.d" / "run")
    assert os.stat(folder).st_mode & 0o777 == 0o700
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    (short / "link.db").symlink_to(short / "j.db")
    assert place.runtime_folder(str(short / "link.db")) == folder


def test_long_names_have_their_sockets_elsewhere(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, deep = short / "r", short / ("x" * 100)
    runtime.mkdir(mode=0o700)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    one, two = (place.runtime_folder(str(deep / name)) for name in ("a.db", "b.db"))
    assert one.startswith(str(runtime / "abreast"))
    assert one != two
    Bell(one, "w").close()


def test_a_folder_that_others_can_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(place.tempfile, "gettempdir", lambda: str(tmp_path))
    theirs = tmp_path / f"abreast-{os.getuid()}"
    theirs.mkdir()
    theirs.chmod(0o777)
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    with pytest.raises(StoreError, match="0700"):
        place.runtime_folder(str(deep / "j.db"))


MOUNTS = """\
22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw
40 22 0:50 / /mnt/my\\040share rw - nfs4 box:/share rw
41 22 0:51 / /mnt/ssh rw - fuse.sshfs me@box:/ rw
42 40 254:2 / /mnt/my\\040share/disk rw - xfs /dev/vdb rw
43 22 0:52 / /mnt/new rw - somethingfs none rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "refused"),
    [
        ("/home/j.db", "ext4", False),
        ("/mnt/my share/j.db", "nfs4", True),
        ("/mnt/my share/disk/j.db", "xfs", False),
        ("/mnt/my shared/j.db", "ext4", False),
        ("/mnt/ssh/a/j.db", "fuse.sshfs", True),
        ("/mnt/new/j.db", "somethingfs", False),
    ],
)
def test_network_file_systems_are_known(path: str, kind: str, refused: bool) -> None:
    found = place.type_below(path, place.mounts(MOUNTS.splitlines()))
    assert found == kind
    assert place.is_network(found) is refused


def test_a_store_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "file_system", lambda _: "nfs4")
    with pytest.raises(StoreError, match="network file system"):
        place.check_file(str(tmp_path / "j.db"))
