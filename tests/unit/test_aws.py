"""What is said of an error: enough to find its cause, and nothing of what it may quote."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.aws import cause_of
from shared.errors import ConfigurationError, CopyInterrupted


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "https://secret"}}, "Call"), "AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://secret"), "EndpointConnectionError"),
        (ConfigurationError("TASKS_TABLE is not set."), "TASKS_TABLE is not set."),
        (CopyInterrupted("truncated", "The host broke off."), "The host broke off."),
        (ValueError("https://secret"), "ValueError"),
    ],
    ids=["AWS's code", "no answer", "our own sentence", "a copy's", "another"],
)
def test_an_error_is_told_without_what_it_quotes(error: Exception, said: str) -> None:
    assert cause_of(error) == said


def test_a_copys_error_has_a_code_for_programs_and_a_text_for_people() -> None:
    error = CopyInterrupted("truncated", "The host broke off.")
    assert (error.code, error.message, str(error)) == ("truncated", "The host broke off.", "The host broke off.")
