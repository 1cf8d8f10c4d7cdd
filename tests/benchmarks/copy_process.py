"""One contender in a process of its own: it says when it is ready, copies one video when told to, and says that, too.

The arguments are its name, the URL of the S3 server, that of the video, and the key.
"""

import sys

import copier.handler  # noqa: F401 - a Lambda has it in memory
from tests.benchmarks.copy_contenders import in_python
from tests.benchmarks.copy_servers import s3_client


def main() -> None:
    """Talk to whoever watches."""
    name, s3_url, url, key = sys.argv[1:]
    copy = in_python(s3_client(s3_url))[name]
    _say("ready")
    copy(url, key)
    _say("done")


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.readline()


if __name__ == "__main__":
    main()
