"""Turn refusals of the state machine into errors of the Auto Scaling API."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from moto.autoscaling.exceptions import AutoscalingClientError

from local_cloud.patches.patching import patch
from local_cloud.scaling.errors import RefusedRequestError

Function = TypeVar("Function", bound=Callable[..., Any])


def answers(owner: type, *names: str) -> Callable[[Function], Function]:
    """Register a patch (see `patch`) whose refusals become errors of the API."""

    def register(function: Function) -> Function:
        patch(owner, *names)(with_api_errors(function))
        return function

    return register


def with_api_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises API errors in place of refusals."""

    @functools.wraps(function)
    def translated(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except RefusedRequestError as refusal:
            raise AutoscalingClientError(refusal.code, refusal.message) from refusal

    return translated
