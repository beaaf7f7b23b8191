from __future__ import annotations

import pytest

from pipeline.core import errors
from pipeline.core.errors import PipelineError

CLASSES = PipelineError.__subclasses__()
DOCUMENTED = {
    "InternalError": 1,
    "ConfigurationError": 2,
    "RefusedError": 3,
    "FailedError": 4,
    "NeedsAttentionError": 5,
    "LeaseHeldError": 6,
    "InterruptedRunError": 130,
}


def test_every_error_has_its_documented_exit_code() -> None:
    own = [cls for cls in CLASSES if cls.__module__ == errors.__name__]
    assert {cls.__name__: cls.exit_code for cls in own} == DOCUMENTED


def test_the_exit_codes_are_unique_and_not_zero() -> None:
    codes = list(DOCUMENTED.values())
    assert len(set(codes)) == len(codes)
    assert 0 not in codes


@pytest.mark.parametrize("name", DOCUMENTED)
def test_an_error_shows_its_three_parts(name: str) -> None:
    error = getattr(errors, name)("packer build", "\nfirst line\nsecond line\n", "read the log")
    assert str(error) == "packer build:\n  first line\n  second line\nnext: read the log"
    assert (error.where, error.remedy) == ("packer build", "read the log")
