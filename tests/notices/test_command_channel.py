"""Notices to a command."""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path
from typing import Any

import pytest

from abreast.interfaces.notices.channels import Undelivered, deliver, masked
from abreast.interfaces.notices.texts import Message
from abreast.interfaces.settings_notify import Program

pytestmark = pytest.mark.needs("posix")
RUN = {"id": 12, "state": "failed", "reason": "timeout"}
MESSAGE = Message("12-1763", "failure", "nightly", "nightly failed", "It failed.\nBadly.\n",
                  {"schema": 1, "run": RUN, "url": None, "said": "Grüße"})  # fmt: skip


def channel(command: Any, **more: Any) -> Program:
    return Program("pager", command, **{"timeout": 30.0, **more})


def test_the_document_is_its_input(tmp_path: Path) -> None:
    file = tmp_path / "heard"
    said = deliver(channel(f"cat > {file}; echo done"), MESSAGE)
    assert json.loads(file.read_bytes()) == MESSAGE.document
    assert said == "channel 'pager': the command ended with exit code 0: done"


def test_the_environment_says_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "env"
    code = (
        "import json, os; json.dump({k: v for k, v in os.environ.items() if "
        f"k.startswith('ABREAST_NOTICE') or k == 'MORE'}}, open({str(file)!r}, 'w'))"
    )
    deliver(channel((sys.executable, "-c", code), env={"MORE": "yes"}), MESSAGE)
    assert json.loads(file.read_text()) == {
        "ABREAST_NOTICE_EVENT": "failure", "ABREAST_NOTICE_TASK": "nightly",
        "ABREAST_NOTICE_SUBJECT": "nightly failed", "ABREAST_NOTICE_TEXT": MESSAGE.text,
        "ABREAST_NOTICE_ID": "12-1763", "ABREAST_NOTICE_RUN": "12",
        "ABREAST_NOTICE_STATE": "failed", "ABREAST_NOTICE_REASON": "timeout", "MORE": "yes",
    }  # fmt: skip


def test_what_a_task_is_called_is_no_part_of_the_line() -> None:
    evil = MESSAGE._replace(task="$(exit 3); exit 4")
    deliver(channel('test "$ABREAST_NOTICE_TASK" = "\\$(exit 3); exit 4"'), evil)


def test_a_command_that_fails() -> None:
    with pytest.raises(Undelivered, match="exit code 3: no luck") as caught:
        deliver(channel("echo no luck >&2; exit 3"), MESSAGE)
    assert caught.value.again


def test_a_command_that_does_not_read() -> None:
    big = MESSAGE._replace(document={"said": "x" * 1_000_000})
    assert "exit code 0" in deliver(channel("exit 0"), big)


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(Undelivered, match="cannot be started: No such file") as caught:
        deliver(channel(("/not/there",)), MESSAGE)
    assert not caught.value.again


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    line = f"exec 3> {fifo}; echo begun; sleep 1000 & sleep 1000"
    with pytest.raises(Undelivered, match=r"did not end within 0\.5 s: begun") as caught:
        deliver(channel(line, timeout=0.5), MESSAGE)
    assert caught.value.again
    poll = select.poll()
    poll.register(reader, select.POLLHUP)
    assert poll.poll(30_000), "somebody still holds the other end"
    os.close(reader)


def test_what_is_shown() -> None:
    assert masked(channel(("page", "-q", "ops"), env={"KEY": "secret"})) == {
        "name": "pager", "kind": "command", "to": "page -q ops", "timeout": 30.0,
    }  # fmt: skip
