"""What Lambda's environment gives the functions before they are imported, AWS's rules, and Hypothesis's patience."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import aws_rules

os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "SeedancePoller"
os.environ["POWERTOOLS_SERVICE_NAME"] = "seedance-poller"

settings.register_profile("patient", deadline=None)  # how fast an example is depends on what else the machine does
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _nothing_that_aws_would_refuse() -> Iterator[None]:
    aws_rules.refused.clear()
    yield
    assert not aws_rules.refused  # whoever made the request may have taken its failure for an outage
