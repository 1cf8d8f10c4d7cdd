"""What is said of an error: enough to find its cause, and nothing of what it may quote; and of no error nothing."""

import warnings
from runpy import run_path

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics
from botocore.exceptions import ClientError, EndpointConnectionError

from shared import aws
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


def test_an_invocation_that_counted_nothing_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run_path(aws.__file__)  # pytest forgot the filters of what it imported
        EphemeralMetrics().flush_metrics()
