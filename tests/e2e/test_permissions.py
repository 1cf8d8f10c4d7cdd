"""Each function may do what it does, and nothing else: the deployed roles against all that was asked of AWS."""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra.local.stack import LocalStack
from tests.e2e.proxy import ANNOUNCER, COPIER, FUNCTIONS, INTAKE, POLLER, Call, Proxy
from tests.e2e.trial import Trial

# What Lambda itself needs, never the code: to write the logs, and to read the stream or queue with which it invokes.
LOGS, STREAM, QUEUE = (f"AWSLambda{name}ExecutionRole" for name in ("Basic", "DynamoDB", "SQSQueue"))
ATTACHED = {INTAKE: {LOGS, STREAM}, POLLER: {LOGS, QUEUE}, COPIER: {LOGS, QUEUE}, ANNOUNCER: {LOGS, STREAM}}


@pytest.fixture
def calls(proxy: Proxy, storm: Trial) -> set[Call]:  # noqa: ARG001 - it made them
    return proxy.calls


def granted(stack: LocalStack, function: str) -> set[Call]:
    """Return what the statements of the function's role allow; resources end in * where any end will do."""
    role, iam = role_of(stack, function), stack.aws.iam
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policies: list[Any] = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    statements = [statement for policy in policies for statement in policy["Statement"]]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    return {
        Call(function, action, resource)
        for statement in statements
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def by_lambda(stack: LocalStack, function: str) -> set[Call]:
    """Return what Lambda does in the function's name: tell what it gave up."""
    mappings = stack.aws.functions.list_event_source_mappings(FunctionName=stack.outputs[function])
    places = [mapping.get("DestinationConfig", {}).get("OnFailure") for mapping in mappings["EventSourceMappings"]]
    return {Call(function, "sqs:SendMessage", place["Destination"]) for place in places if place}


def role_of(stack: LocalStack, function: str) -> str:
    return stack.aws.functions.get_function_configuration(FunctionName=stack.outputs[function])["Role"].split("/")[-1]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def covers(grant: Call, call: Call) -> bool:
    return grant.action == call.action and fnmatchcase(call.resource, grant.resource)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_missing(stack_in_trouble: LocalStack, calls: set[Call], function: str) -> None:
    grants = granted(stack_in_trouble, function)
    called = [call for call in calls if call.function == function]
    assert called
    assert [call for call in called if not any(covers(grant, call) for grant in grants)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_unused(stack_in_trouble: LocalStack, calls: set[Call], function: str) -> None:
    called = [call for call in calls if call.function == function]
    unused = {g for g in granted(stack_in_trouble, function) if not any(covers(g, call) for call in called)}
    assert unused == by_lambda(stack_in_trouble, function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lambda_itself_gets_what_it_needs(stack_in_trouble: LocalStack, function: str) -> None:
    attached = stack_in_trouble.aws.iam.list_attached_role_policies(RoleName=role_of(stack_in_trouble, function))
    assert {policy["PolicyName"] for policy in attached["AttachedPolicies"]} == ATTACHED[function]
