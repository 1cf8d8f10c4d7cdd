"""microburst with a seed for its draws and with the length of an answer to HEAD, run by its own Python.

The seed is the first argument, microburst's own follow.
"""

import random
import sys

# It is installed beside, not among, the packages of the project.
from microburst import forward  # type: ignore[import-not-found]
from microburst.cli import main  # type: ignore[import-not-found]

_relay = forward._stream_to_client  # noqa: SLF001 - there is no other place for it


async def _stream_to_client(request, status, headers, mutator, chunks):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - its types are not here
    # microburst drops Content-Length with what is between two hops, but HEAD is all about it.
    if request.method == "HEAD" and "Content-Length" in headers:
        mutator = forward.ResponseFault(set_headers={"Content-Length": headers["Content-Length"]})
    return await _relay(request, status, headers, mutator, chunks)


forward._stream_to_client = _stream_to_client  # noqa: SLF001 - see above
random.seed(int(sys.argv.pop(1)))
sys.exit(main())
