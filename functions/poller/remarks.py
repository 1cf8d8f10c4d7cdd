"""What somebody should hear about an answer, beyond what it changes."""

from aws_lambda_powertools import Logger

from shared import endings
from shared.comet_api import Answer, Forbidden, KeyRejected, Report, Throttled, Unclear, UnknownTask

logger = Logger(child=True)

_heard: set[tuple[str, str]] = set()


def remark(task_id: str, answer: Answer) -> None:
    """Log what is remarkable about an answer; each kind once in an environment's life, it may come with every poll."""
    match answer:
        case Report(status=None, word=word):
            _once("unknown status word; its tasks are kept waiting", word, task_id, answer, word=word)
        case Report():
            return
        case KeyRejected():
            logger.error(
                "CometAPI rejects the API key; no task is changed. Store a valid key in the SSM parameter that "
                "CometApiKeyParameter names; no deploy is needed.",
                answer=answer.message,
                task_id=task_id,
                request_id=answer.request_id,
            )
        case UnknownTask():
            _once("CometAPI does not know a task under this key", "", task_id, answer, said=answer.message)
        case Unclear() | Forbidden():
            code = answer.code if isinstance(answer, Unclear) else "forbidden"
            _once("CometAPI refused to report", code, task_id, answer, code=code, said=answer.message)
        case Throttled():
            _once("CometAPI asks for fewer questions (HTTP 429)", "", task_id, answer)
        case _:
            error = endings.silence(answer)
            _once("CometAPI gave no report", error["code"], task_id, answer, reason=error["message"])


def _once(message: str, kind: str, task_id: str, answer: Answer, **extra: object) -> None:
    if (message, kind) not in _heard:
        _heard.add((message, kind))
        logger.warning(message, extra={"task_id": task_id, "request_id": answer.request_id, **extra})
