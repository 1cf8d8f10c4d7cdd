"""Asking other Lambdas to work: the one module that invokes."""

import json
from typing import TYPE_CHECKING

from shared.task_table import Segment

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class Lambdas:
    """The Copier and further Pollers; all invocations are asynchronous, all errors are botocore's."""

    def __init__(self, client: "LambdaClient", copier: str, poller: str) -> None:
        """Invoke the functions named `copier` and `poller` through `client`."""
        self._client = client
        self._copier = copier
        self._poller = poller

    def copy(self, task_id: str, video_url: str) -> None:
        """Ask the Copier to fetch a finished video."""
        self._invoke(self._copier, {"task_id": task_id, "video_url": video_url})

    def poll(self, share: Segment) -> None:
        """Ask another Poller to take one share of the pending tasks."""
        self._invoke(self._poller, {"segment": share.segment, "segments": share.segments})

    def _invoke(self, function: str, event: dict[str, str | int] | dict[str, str] | dict[str, int]) -> None:
        self._client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
