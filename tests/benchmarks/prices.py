"""AWS's list prices in us-east-1, in dollars, without any free tier; each with its source and its date."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one of something; `as_of` is when the source, or somebody who quotes it, had this price."""

    dollars: float
    per: str
    source: str
    as_of: str


_PER_MILLION = 1e-6
_LAMBDA = ("aws.amazon.com/lambda/pricing", "2026-05")
_DURABLE = ("aws.amazon.com/lambda/pricing, its worked example", "2026-09-20")
_DYNAMODB = ("aws.amazon.com/dynamodb/pricing/on-demand", "2024-11")
_S3 = ("aws.amazon.com/s3/pricing", "2026-02")
_CLOUDWATCH = ("aws.amazon.com/cloudwatch/pricing", "2026-02")

LAMBDA_SECOND = Price(1.33334e-5, "GB-second, arm64", *_LAMBDA)
LAMBDA_REQUEST = Price(0.20 * _PER_MILLION, "invocation", *_LAMBDA)
DURABLE_OPERATION = Price(8.00 * _PER_MILLION, "durable operation", *_DURABLE)
DURABLE_GIGABYTE = Price(0.25, "GB written by durable functions", *_DURABLE)
TABLE_READ = Price(0.125 * _PER_MILLION, "DynamoDB read request unit", *_DYNAMODB)
TABLE_WRITE = Price(0.625 * _PER_MILLION, "DynamoDB write request unit", *_DYNAMODB)
S3_PUT = Price(5.0 * _PER_MILLION, "S3 PUT, POST or part", *_S3)
S3_GET = Price(0.4 * _PER_MILLION, "S3 GET or HEAD", *_S3)
SCHEDULE = Price(1.00 * _PER_MILLION, "Scheduler invocation", "aws.amazon.com/eventbridge/pricing", "2026-03")
PUBLISH = Price(0.50 * _PER_MILLION, "SNS publish", "aws.amazon.com/sns/pricing", "2026-03")
TRANSITION = Price(25.0 * _PER_MILLION, "state transition", "aws.amazon.com/step-functions/pricing", "2026-03")
QUEUE_REQUEST = Price(0.40 * _PER_MILLION, "SQS request", "aws.amazon.com/sqs/pricing", "2026-03")
LOG_GIGABYTE = Price(0.50, "GB of logs", *_CLOUDWATCH)
METRIC_HOUR = Price(0.30 / 730, "hour of a custom metric", *_CLOUDWATCH)
ALARM_HOUR = Price(0.10 / 730, "hour of an alarm", *_CLOUDWATCH)
DASHBOARD_HOUR = Price(3.00 / 730, "hour of a dashboard", *_CLOUDWATCH)

PRICES = [value for value in globals().copy().values() if isinstance(value, Price)]
