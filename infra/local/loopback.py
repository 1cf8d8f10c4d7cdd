"""Speaking to servers on this machine."""

import socket

import urllib3

# No proxy, no retry, and no wait longer than a healthy server needs on a machine that does much else.
HTTP = urllib3.PoolManager(timeout=60.0, retries=False)


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
