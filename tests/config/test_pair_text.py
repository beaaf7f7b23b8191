"""Pairs take the place of target groups in a text, and the rest of it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.config import with_pairs
from pipeline.core.adoption.pair_model import pairs_toml
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'app = "web"\nregion = "us-east-1"\n[bake]\ntemplate = "app.pkr.hcl"\n\n'
LISTENER = (
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
    "listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2"
)
PAIR = {"listener": LISTENER, "target_groups": ["web", "web-2"]}
ADDED = (
    f'\n[[environments.live.pairs]]\nlistener = "{LISTENER}"\ntarget_groups = ["web", "web-2"]\n'
)


def paired(folder: Path, text: str) -> str:
    path = folder / "pipeline.toml"
    path.write_text(HEAD + text)
    pairs: list[dict[str, Any]] = [PAIR]
    new, settings = with_pairs(path, "live", pairs, pairs_toml("live", pairs))
    assert [each.target_groups for each in settings.environment("live").pairs] == [("web", "web-2")]
    assert settings.promote_for("live").strategy == "flip"
    return new.removeprefix(HEAD)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "[environments.live] # ours\ntarget_groups = ['web'] # old\nmax_size = 4\n",
            (
                "[environments.live] # ours\nmax_size = 4\n\n"
                '[environments.live.promote]\nstrategy = "flip"\n'
            ),
        ),
        (
            (
                '[environments.live]\ntarget_groups = [\n  "web", # one\n]\n'
                '\n[environments.live.promote] # slow\nobserve = "5m"\nstrategy = "overlap"\n'
                '\n[environments.other]\ntarget_groups = ["web"]\n'
            ),
            (
                '[environments.live]\n\n[environments.live.promote] # slow\nstrategy = "flip"\n'
                'observe = "5m"\n\n[environments.other]\ntarget_groups = ["web"]\n'
            ),
        ),
        (
            (
                '[environments.live]\ntarget_groups = ["web"]\n[environments.live.promote]\n'
                'strategy = "canary"\nsteps = [\n  { members = 1, for = "5m" },\n]\n'
            ),
            '[environments.live]\n[environments.live.promote]\nstrategy = "flip"\n',
        ),
    ],
)
def test_lines_are_replaced_and_comments_stay(tmp_path: Path, text: str, kept: str) -> None:
    assert paired(tmp_path, text) == kept + ADDED


@pytest.mark.parametrize(
    "text",
    [
        '[environments]\nlive = { target_groups = ["web"], max_size = 4 }\n',
        '[environments.live]\ntarget_groups = ["web"]\npromote = { observe = "5m" }\n',
        '[environments]\nlive.target_groups = ["web"]\nlive.promote.observe = "5m"\n',
    ],
)
def test_a_text_without_lines_of_its_own_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not written as tables of lines"):
        paired(tmp_path, text)


def test_defaults_that_contradict_are_refused(tmp_path: Path) -> None:
    text = '[promote]\nstrategy = "canary"\nsteps = [{ members = 1, for = "5m" }]\n'
    with pytest.raises(ConfigurationError, match="has no effect: the strategy is flip"):
        paired(tmp_path, f'{text}[environments.live]\ntarget_groups = ["web"]\n')
