"""`make demo`: from a template to a service behind a load balancer, each command shown as typed.

Works on a copy of the sample application in a temporary folder and a local cloud
of its own, so that it neither needs nor touches an AWS account, this checkout or
a local cloud that runs already.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tools.demo import baking, serving
from tools.demo.shell import local_cloud, say

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    """Tell the story."""
    with tempfile.TemporaryDirectory(prefix="ami-pipeline-demo-") as name:
        folder = Path(name)
        for part in ("packer", "terraform"):
            ignored = shutil.ignore_patterns(".terraform", "*.tfstate*")
            shutil.copytree(REPOSITORY / part, folder / part, ignore=ignored)
        shutil.copy(REPOSITORY / "pipeline.toml", folder)
        say("a local cloud: AWS on loopback, with instances that are real processes")
        with local_cloud(folder, dict(os.environ)) as env:
            first, second = baking.story(folder, env)
            serving.story(folder, env, first, second)
    say("done: images, instances, load balancer and traffic were real, and nothing is left of them")


if __name__ == "__main__":
    main()
