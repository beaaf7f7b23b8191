"""Every call of AWS goes through `retry`: no other module may call a client.

One test reads the source; the fixture `_calls_of_aws` watches the calls of all tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from botocore import xform_name
from botocore.session import get_session

from pipeline.adapters.aws.client import Clients
from tests.aws.guard import PIPELINE, RETRY, UnguardedCallError

SERVICES = (
    "autoscaling", "cloudwatch", "ec2", "elb", "elbv2", "iam", "s3", "service-quotas", "sts",
)  # fmt: skip
UNSAFE = {"get_paginator", "get_waiter", "_make_api_call", "upload_file", "download_file"}
"""Methods of a client that make calls of their own."""
MODULES = sorted(path for path in PIPELINE.rglob("*.py") if path != RETRY)


@pytest.fixture(scope="module")
def operations() -> frozenset[str]:
    """The names of the methods that call AWS."""
    session = get_session()
    models = [session.get_service_model(service) for service in SERVICES]
    return frozenset(xform_name(name) for model in models for name in model.operation_names)


def direct_calls(text: str, operations: frozenset[str]) -> Iterator[str]:
    """Yield each call of a client's method, and each use of a paginator or a waiter."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in operations:
                yield f"line {node.lineno}: {name}"
            case ast.Attribute(attr=name) if name in UNSAFE:
                yield f"line {node.lineno}: {name}"
            case ast.Subscript(slice=ast.Constant(value="Body")):
                yield f"line {node.lineno}: a body is read outside of `download`"
            case _:
                pass


def test_no_module_calls_a_client_itself(operations: frozenset[str]) -> None:
    found = {path.name: list(direct_calls(path.read_text(), operations)) for path in MODULES}
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "text",
    [
        "client.describe_instances(InstanceIds=[])",
        "for page in client.get_paginator('describe_images').paginate(): pass",
        "client.get_waiter('image_available')",
        'response["Body"].read()',
    ],
)
def test_a_direct_call_is_found(operations: frozenset[str], text: str) -> None:
    assert len(list(direct_calls(text, operations))) >= 1


def test_a_call_by_another_name_is_noticed_when_a_test_makes_it(aws: Clients) -> None:
    module = PIPELINE / "adapters" / "aws" / "made_up.py"
    code = compile("describe = client.describe_images\ndescribe(Owners=['self'])", module, "exec")
    with pytest.raises(UnguardedCallError, match=r"made_up\.py.*DescribeImages"):
        exec(code, {"client": aws.ec2("us-east-1")})  # noqa: S102  a module that does not exist
