"""An environment's document: free, and held by a promotion."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pipeline.core.state.deployment import Deployment, Kind, Runner
from pipeline.core.state.environment import Environment, Lease

NOW = datetime(2026, 11, 21, 12, 3, 12, tzinfo=UTC)
OWNER = Runner(user="ann", host="ci-7", pid=4242, run="https://ci.example/runs/17")
HELD = Lease(
    owner=OWNER,
    epoch=7,
    since="2026-11-21T12:00:00Z",
    expires="2026-11-21T12:04:00Z",
    command="ami-pipeline promote -e staging",
)
BEGUN = Deployment(
    id="20261121T120000Z-4f2a",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000002",
    blue="r000001",
    began="2026-11-21T12:00:00Z",
    by=OWNER,
    phase="soak",
)
NOTHING = Environment(app="web", environment="staging", region="eu-central-1", account="")
PROMOTING = replace(NOTHING, epoch=7, lease=HELD, deployment=BEGUN)
