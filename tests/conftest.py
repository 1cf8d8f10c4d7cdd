"""What Lambda's environment gives the functions before they are imported."""

import os

os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "SeedancePoller"
os.environ["POWERTOOLS_SERVICE_NAME"] = "seedance-poller"
