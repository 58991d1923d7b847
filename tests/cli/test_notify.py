"""`abreast notify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Abreast
from tests.notices.servers import MailServer, WebServer, serving

CONFIG = """
[notify]
on_failure = ["ops", "chat"]
on_recovery = ["ops"]

[notify.channels.ops]
type = "mail"
to = ["ops@example.com"]
host = "127.0.0.1"
port = {mail}
user = "anna"
password = "geheim"

[notify.channels.chat]
type = "webhook"
url = "{hook}"
secret = "of three only"

[notify.channels.pager]
type = "command"
command = "cat > {file}"

[tasks.nightly]
command = "true"
notify = {{ on_failure = ["chat"], on_success = ["pager"] }}
"""


def configure(folder: Path, mail: MailServer, hook: WebServer) -> None:
    text = CONFIG.format(mail=mail.port, hook=hook.url, file=folder / "paged")
    (folder / "abreast.toml").write_text(text)


def test_every_channel_is_tried(abreast: Abreast, tmp_path: Path) -> None:
    with serving(MailServer(accounts={"anna": "geheim"})) as mail, serving(WebServer()) as hook:
        configure(tmp_path, mail, hook)
        done = abreast("notify", "test", no_proxy="*")
        assert (done.code, done.err) == (0, "")
        assert [line.split(":")[0] for line in done.out.splitlines()] == [
            "channel 'ops'", "channel 'chat'", "channel 'pager'",
        ]  # fmt: skip
        assert "test of the channel 'ops'" in mail.next_letter().message["Subject"]
        assert json.loads(hook.next_post().body)["channel"] == "chat"
        assert json.loads((tmp_path / "paged").read_text())["event"] == "test"


def test_one_that_fails_does_not_keep_others_from_being_tried(
    abreast: Abreast,
    tmp_path: Path,
) -> None:
    with serving(MailServer(accounts={"anna": "other"})) as mail, serving(WebServer(500)) as hook:
        configure(tmp_path, mail, hook)
        done = abreast("notify", "test", no_proxy="*")
    assert done.code == 1
    assert done.out == "channel 'pager': the command ended with exit code 0\n"
    assert "535" in done.err
    assert "500 Internal Server Error" in done.err
    assert "geheim" not in done.err
    assert "very-secret" not in done.err


def test_one_channel(abreast: Abreast, tmp_path: Path) -> None:
    with serving(MailServer()) as mail, serving(WebServer()) as hook:
        configure(tmp_path, mail, hook)
        (tmp_path / "elsewhere").mkdir()
        done = abreast("notify", "test", "pager", "--config", str(tmp_path / "abreast.toml"),
                       "--dir", "elsewhere")  # fmt: skip
        assert done.code == 0, done
        assert mail.letters.empty()
        done = abreast("notify", "test", "pagr")
    assert done.code == 2
    assert "no channel 'pagr'; did you mean 'pager'?" in done.err


def test_without_channels(abreast: Abreast) -> None:
    assert abreast("notify", "test").code == 2
    done = abreast("notify", "list")
    assert done.code == 0
    assert "[notify.channels.NAME]" in done.err


@pytest.fixture
def configured(tmp_path: Path) -> None:
    with serving(MailServer()) as mail, serving(WebServer()) as hook:
        configure(tmp_path, mail, hook)


def test_the_list_says_who_hears_of_what(abreast: Abreast, configured: None) -> None:
    done = abreast("notify", "list")
    assert done.code == 0, done
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["CHANNEL", "KIND", "HEARS", "OF", "TO"]
    assert rows[1] == ["ops", "mail", "failure,", "recovery", "ops@example.com"]
    assert "success of nightly" in done.out
    for secret in ("geheim", "of three only", "very-secret"):
        assert secret not in done.out + done.err


def test_the_list_as_a_document(abreast: Abreast, configured: None) -> None:
    found = json.loads(abreast("notify", "list", "--json").out)
    by = {channel["name"]: channel for channel in found["channels"]}
    assert found["late_after"] == 300.0
    assert by["ops"]["hears_of"] == ["failure", "recovery"]
    assert by["chat"]["hears_of"] == ["failure"]
    assert by["pager"]["hears_of"] == ["success of nightly"]
    assert by["ops"]["kind"] == "mail"
    assert "password" not in json.dumps(found)
