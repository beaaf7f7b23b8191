"""An environment with a serving release and an earlier one that stays warm."""

from __future__ import annotations

from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import Release, Size

SIZE = Size(instance_type="t3.micro", minimum=0, maximum=4, desired=2)
STAGING = Environment(
    app="web",
    environment="staging",
    account="123456789012",
    region="us-east-1",
    next=3,
    serving="r000002",
    releases={
        f"r{number:06}": ReleaseRecord(
            release=Release(number=number, ami_id=f"ami-{number}", size=SIZE, facts={}), made=True
        )
        for number in (1, 2)
    },
)
