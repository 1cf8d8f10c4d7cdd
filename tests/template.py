"""template.yaml as the tests read it, so that schema, handlers and policies are stated once."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


class _Loader(yaml.CSafeLoader):
    """Reads CloudFormation's short functions as plain mappings."""


def _function(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def load(path: Path) -> dict[str, Any]:
    """Read a template."""
    template: dict[str, Any] = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return template


TEMPLATE = load(ROOT / "template.yaml")
OBSERVABILITY = load(ROOT / "infra/observability.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


def of_type(kind: str, template: dict[str, Any] = TEMPLATE) -> dict[str, Any]:
    """Return the properties of all resources of a type, by their logical names."""
    return {name: r.get("Properties", {}) for name, r in template["Resources"].items() if r["Type"] == kind}


FUNCTIONS = of_type("AWS::Serverless::Function")


def default(parameter: str) -> int:
    """Return a number that the template has as a parameter's default."""
    return int(TEMPLATE["Parameters"][parameter]["Default"])


def table_schema() -> dict[str, Any]:
    """Return the CreateTable parameters of the tasks table, but its name, with all that a parameter can leave out."""
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    properties = RESOURCES["TasksTable"]["Properties"]
    return {name: _with_all(properties[name]) for name in wanted}


def _with_all(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_all(inner) for inner in value]
    return value["If"][1] if isinstance(value, dict) and "If" in value else value
