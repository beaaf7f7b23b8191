"""Pages of a list, as Auto Scaling's Describe calls give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from local_cloud.scaling.errors import RefusedRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


# MaxRecords and NextToken; a token that was not given out is refused with InvalidNextToken.
def page(things: Sequence[T], params: dict[str, Any], most: int) -> tuple[list[T], str | None]:
    """Return what a call asks for of a list, and the token of the rest."""
    told = params.get("NextToken") or "0"
    if not str(told).isdigit():
        raise RefusedRequestError("InvalidNextToken", f"The token '{told}' is invalid.")
    first, count = int(told), min(int(params.get("MaxRecords") or most), most)
    rest = first + count
    return list(things[first:rest]), str(rest) if rest < len(things) else None
