"""Divide lists into pages, as Auto Scaling's Describe calls do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from local_cloud.scaling.errors import RefusedRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


# MaxRecords and NextToken; an invalid token is refused with InvalidNextToken.
def page(things: Sequence[T], params: dict[str, Any], most: int) -> tuple[list[T], str | None]:
    """Return the requested page of a list, and the token of the next page."""
    token = params.get("NextToken") or "0"
    if not str(token).isdigit():
        raise RefusedRequestError("InvalidNextToken", f"The token '{token}' is invalid.")
    first, count = int(token), min(int(params.get("MaxRecords") or most), most)
    rest = first + count
    return list(things[first:rest]), str(rest) if rest < len(things) else None
