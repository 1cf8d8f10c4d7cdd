"""What somebody should hear about an answer, beyond what it changes."""

from typing import Any

from aws_lambda_powertools import Logger

from shared.comet_api import Answer, KeyRejected, Misdirected, Report, Unclear

logger = Logger(child=True)

_words_heard: set[str] = set()


def remark(task_id: str, answer: Answer) -> None:
    """Log what is remarkable about an answer."""
    extra: dict[str, Any] = {"task_id": task_id, "request_id": answer.request_id}
    match answer:
        case Report(status=None, word=word):
            if word not in _words_heard:  # once in a Lambda's life, it comes with every poll
                _words_heard.add(word)
                logger.warning("unknown status word; its tasks are kept waiting", word=word, **extra)
        case KeyRejected():
            logger.error(
                "CometAPI rejects the API key; no task is changed. Store a valid key in the SSM parameter that "
                "CometApiKeyParameter names; no deploy is needed.",
                answer=answer.message,
                **extra,
            )
        case Misdirected():
            logger.error(
                "CometAPI redirects, which is not followed; check CometApiBaseUrl", reason=answer.reason, **extra
            )
        case Unclear():
            logger.warning("CometAPI refused to report", code=answer.code, reason=answer.message, **extra)
