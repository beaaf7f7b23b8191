"""Errors as boto3 raises them, for tests of what becomes of them."""

from __future__ import annotations

from botocore.exceptions import ClientError


def client_error(code: str) -> ClientError:
    """Return the error of a call that AWS refused with this code."""
    return ClientError({"Error": {"Code": code, "Message": "said AWS"}}, "DescribeImages")
