"""Write the tables of docs/reference/permissions.md and the policies of docs/ci/iam: `make docs`.

Both come from `pipeline.core.permissions`, the table that `ami-pipeline permissions` prints from.
A test renders them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pipeline.core.permissions.scope import EnvironmentScope, Feature, Role, Scope, role_arn
from pipeline.core.permissions.statements import policy
from pipeline.core.permissions.table import TABLE, Row

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference/permissions.md"
POLICIES = DOCS / "ci/iam"
REGION, ACCOUNT = "eu-central-1", "123456789012"
EXAMPLE = Scope(
    app="web",
    region=REGION,
    account=ACCOUNT,
    features=frozenset(
        {
            Feature.ALARMS,
            Feature.CLASSIC,
            Feature.HOOKS,
            Feature.METRICS,
            Feature.POLICIES,
            Feature.PROFILE,
            Feature.S3_STATE,
            Feature.S3_STORE,
            Feature.SCHEDULES,
            Feature.TAGGED,
            Feature.TARGETS,
            Feature.PROGRAMS,
        }
    ),
    environments=(
        EnvironmentScope(
            name="production",
            account=ACCOUNT,
            roles=(role_arn(REGION, ACCOUNT, "web-production-instances"),),
            state=("example-terraform-state", "web/production.tfstate"),
        ),
    ),
    store=("example-deployments", "web"),
)
"""The configuration of the example policies: that of the files in docs/ci."""
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str) -> str:
    """Return the page with its tables as the code has them."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_table(Role(found[2]))}{found[3]}", page)


def policies() -> dict[Path, str]:
    """Return the text of each example policy, by its file."""
    return {
        POLICIES / f"{role}.json": json.dumps(policy(EXAMPLE, {role}), indent=2) + "\n"
        for role in Role
    }


def _table(role: Role) -> str:
    rows = [row for row in TABLE if role in row.roles]
    lines = [
        "| when | by | only with | actions | a missing one shows at |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(key, alike) for key, alike in groupby(sorted(rows, key=_key), key=_key)]
    return "\n".join([*lines, ""])


def _key(row: Row) -> tuple[int, str, str, str, str]:
    first = next(at for at, each in enumerate(TABLE) if _titles(each) == _titles(row))
    return (first, *_titles(row))


def _titles(row: Row) -> tuple[str, str, str, str]:
    return row.when, row.by.value, row.feature.value if row.feature else "", row.proof.value


def _line(key: tuple[int, str, str, str, str], rows: Iterator[Row]) -> str:
    _, when, by, feature, proof = key
    actions = dict.fromkeys(action for row in rows for action in row.actions)
    named = ", ".join(f"`{action}`" for action in actions)
    return f"| {when} | {by} | {feature} | {named} | {proof} |"


def main() -> None:
    """Write the page and the policies."""
    PAGE.write_text(rendered(PAGE.read_text()))
    for path, text in policies().items():
        path.write_text(text)
    print(PAGE, *policies())


if __name__ == "__main__":
    main()
