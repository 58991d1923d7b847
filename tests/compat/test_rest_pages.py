"""The shell blocks of the pages about jobs and batches run as printed, with another address."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from .rest_service import PASSWORD, ROOT, USER, Service

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
missing = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service")) as found:
        yield found


def blocks(page: str) -> list[str]:
    found = BLOCK.findall((ROOT / "docs" / page).read_text())
    return [block.replace("-u anna:secret", f"-u '{USER}:{PASSWORD}'") for block in found]


@pytest.mark.skipif(bool(missing), reason=f"needs the programs {', '.join(missing)}")
def test_jobs_table(service: Service) -> None:
    found = blocks("coming-from-jobs-table.md")
    assert len(found) == 4
    done = service.shell("\n".join(found))
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "Job created successfully. Poll /api/jobs/" in said
    assert "Batch job created successfully. Poll /api/jobs/" in said
    assert '"video_id":"abc123"' in said
    assert '{"detail":"Cannot cancel job with status: completed"}' in said
    assert '"Job deleted"' in said
    assert "Cleaned up jobs older than 7 days" in said


@pytest.mark.skipif(bool(missing), reason=f"needs the programs {', '.join(missing)}")
def test_batches(service: Service) -> None:
    found = blocks("batches-over-http.md")
    assert len(found) == 4
    done = service.shell("\n".join(found))
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"state": "pending"' in done.stdout or '"state": "running"' in done.stdout
    assert '"total": 12' in done.stdout
    assert re.search(r'"values": \{\s+"video": "abc",\s+"prompt": "Summary"', done.stdout)
    assert '"best": "model-a: Summary of abc"' in done.stdout
    assert done.stdout.rstrip().endswith(
        '[{"video":"abc","prompt":"Summary","result":"model-a: Summary of abc"},'
        '{"video":"def","prompt":"Summary","result":"model-a: Summary of def"}]'
    )
