"""Refusals of Auto Scaling, with its codes and words."""

from __future__ import annotations


class RefusedRequestError(Exception):
    """A refused request; `code` is the API's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> RefusedRequestError:
    """Return a ValidationError."""
    return RefusedRequestError("ValidationError", message)
