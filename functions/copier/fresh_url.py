"""Asking CometAPI for the URL of a video whose first one has expired."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from shared.errors import ConfigurationError, CopyInterrupted

if TYPE_CHECKING:
    from shared.comet_api import CometApi


@dataclass(frozen=True)
class FreshUrls:
    """CometAPI at `base_url`, asked with the key that SSM keeps under `key_parameter`; made when first needed."""

    base_url: str
    key_parameter: str

    def of(self, task_id: str) -> str:
        """Return the URL that CometAPI gives now; raises CopyInterrupted where it gives none."""
        from shared.comet_api import Report  # noqa: PLC0415 - see _api

        try:
            answer = self._api.ask(task_id)
        except ConfigurationError as error:
            raise CopyInterrupted("no_api_key", str(error)) from error
        if isinstance(answer, Report) and answer.video_url:
            return answer.video_url
        raise CopyInterrupted(
            "url_expired",
            f"The video URL has expired and CometAPI gives no fresh one at the moment ({type(answer).__name__}).",
        )

    @cached_property
    def _api(self) -> "CometApi":
        # Few copies need it, and every cold start would pay for it.
        from shared.api_key import ssm_api_key  # noqa: PLC0415
        from shared.comet_api import CometApi  # noqa: PLC0415

        return CometApi(self.base_url, ssm_api_key(self.key_parameter), connections=1)
