"""Adapt the CI files of the documentation to a service.

The documentation's files are the only copy: they are complete and use example values, which are
replaced here.
"""

from __future__ import annotations

import re

from pipeline.core.starter.answers import Answers, Ci

EXAMPLE_ACCOUNT = "123456789012"
PATHS = {
    Ci.GITHUB: {
        "plan.yml": ".github/workflows/plan.yml",
        "github-actions.yml": ".github/workflows/deploy.yml",
        "nightly.yml": ".github/workflows/nightly.yml",
        "rollback.yml": ".github/workflows/rollback.yml",
    },
    Ci.GITLAB: {"gitlab-ci.yml": ".gitlab-ci.yml"},
    Ci.NONE: {},
}
"""Where each file of `docs/ci` belongs in a repository."""
_INIT = re.compile(r"( +- (?:run: )?packer init )packer/init(.*\n)")
_SECRET = re.compile(r"\n +env:\n +WEB_TOKEN: .*")


def adapted(text: str, answers: Answers) -> str:
    """Return a CI file with the service's names in place of the example's.

    The sample's secret is removed. Without an account the example's account stays, for the
    reader to replace.
    """
    text = _SECRET.sub("", text)
    text = _INIT.sub(_plugins(answers.build.template), text)
    text = text.replace("eu-central-1", answers.region)
    text = re.sub(r"\bproduction\b", answers.environment, text)
    text = re.sub(r"\bweb([-/])", rf"{answers.app}\1", text)
    return text.replace(EXAMPLE_ACCOUNT, answers.account or EXAMPLE_ACCOUNT)


def _plugins(template: str) -> str:
    """Return what replaces `packer init`: a JSON template has no plugins to name."""
    if template.endswith(".json") and not template.endswith(".pkr.json"):
        return ""
    return rf"\g<1>{template}\g<2>" if template else r"\g<0>"
