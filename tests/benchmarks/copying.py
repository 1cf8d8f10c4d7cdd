"""A process that copies under a share, and what it took."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import IO, NamedTuple

from infra.local.aws import without_aws
from infra.local.ministack import ROOT
from tests.benchmarks.certificate import Certificate
from tests.benchmarks.share import group, stretched


class Times(NamedTuple):
    """Seconds of one copy: under the share, held or computed, and of CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class CopyingProcess:
    """One that runs, under the share of so much memory; None for none."""

    process: "subprocess.Popen[str]"
    memory: int | None

    def copy(self, contender: str, url: str, key: str) -> Times:
        """Have a URL copied to a key of the bucket, where nothing is yet."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([contender, url, key]), file=self.process.stdin, flush=True)
        wall, cpu = json.loads(_line(self.process.stdout))
        return Times(stretched(wall, cpu, self.memory) if self.memory else wall, cpu)


@contextmanager
def copying_process(s3_url: str, tls: Certificate, memory: int | None) -> Iterator[CopyingProcess]:
    """Start one; it is put under the share once all is imported."""
    command = [sys.executable, "-m", "tests.benchmarks.copy_process", s3_url, str(tls.trusted)]
    variables = without_aws(dict(os.environ)) | tls.environment()
    with (
        group(memory) if memory else nullcontext() as share,
        subprocess.Popen(
            command, env=variables, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            _line(process.stdout)
            if share:
                share.take(process.pid)
            yield CopyingProcess(process, memory)
        finally:
            process.kill()


def _line(said: IO[str]) -> str:
    line = said.readline()
    if not line:
        raise RuntimeError("the process that copies has ended; its last words are above")
    return line
