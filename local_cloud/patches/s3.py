"""Check the owner of a bucket if the caller names one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.s3.exceptions import BucketAccessDeniedError
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

_EXPECTED = "x-amz-expected-bucket-owner"


# A call that names the expected owner is refused with 403 AccessDenied if another account owns the
# bucket (S3 User Guide, "Verifying bucket ownership with bucket owner condition"). moto ignores the
# header. A call for a bucket that does not exist fails as without it.
@patch(S3Response, "_bucket_response", "_key_response")
def check_owner(
    original: Callable[..., Any], response: S3Response, request: Any, full_url: str
) -> Any:
    """Answer if the bucket has the expected owner."""
    expected = request.headers.get(_EXPECTED)
    name = response.parse_bucket_name_from_url(request, full_url)
    _, owner = s3_backends.bucket_accounts.get(name, ("", expected))
    if expected and expected != owner:
        raise BucketAccessDeniedError(name)
    return original(response, request, full_url)
