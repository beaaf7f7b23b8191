from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from pipeline.config import Settings, load, schema
from pipeline.core.errors import ConfigurationError
from pipeline.core.masking import Masker
from pipeline.core.notifications.notification import CONFIGURABLE, OF_DEPLOYMENTS, Occasion
from tests.config.examples import MINIMAL

SLACK = 'kind = "slack"\nurl_env = "SLACK_URL"'
HOOK = 'kind = "webhook"\nurl = "https://example.com/x"\nsecret_env = "S"'


def read(folder: Path, *targets: str, more: str = "") -> Settings:
    file = folder / "pipeline.toml"
    (folder / "packer").mkdir(exist_ok=True)
    tables = "".join(f"[[notify]]\n{each}\n" for each in targets)
    text = f"{MINIMAL}[environments.a]\n[environments.b]\n{tables}{more}\n"
    file.write_text(text)
    settings = load(file)
    jsonschema.validate(tomllib.loads(text), schema())
    return settings


def test_a_target_is_told_of_every_event_unless_it_names_some(tmp_path: Path) -> None:
    settings = read(tmp_path, SLACK, 'kind = "github"', f'{HOOK}\nevents = ["paused"]')
    assert [each.occasions for each in settings.notify] == [
        frozenset(CONFIGURABLE),
        frozenset(OF_DEPLOYMENTS),
        frozenset({Occasion.PAUSED}),
    ]
    assert [each.label for each in settings.notify] == ["slack", "github", "webhook"]


def test_an_environment_overrides_what_is_checked(tmp_path: Path) -> None:
    more = "[notify_check]\nrebuild_days = 7\nrollback_days = 30\n"
    settings = read(tmp_path, more=f"{more}[environments.b.notify_check]\nrebuild_days = 0")
    found = [settings.notify_check_for(name) for name in ("a", "b")]
    assert [(each.rebuild_days, each.rollback_days) for each in found] == [(7, 30), (0, 30)]


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ('kind = "mail"', "input should be 'slack', 'webhook', 'sns' or 'github'"),
        ("", 'is missing\nnext: add to [[notify]]: kind = "slack"'),
        ('kind = "slack"', 'needs url_env\nnext: add url_env = "SLACK_WEBHOOK_URL"'),
        (f'{SLACK}\nsecret_env = "S"', 'has no effect with kind = "slack"\nnext: remove it'),
        (f'{SLACK}\nurl = "https://example.com/x"', 'has no effect with kind = "slack"'),
        ('kind = "webhook"\nsecret_env = "S"', 'kind = "webhook" needs url or url_env'),
        ('kind = "webhook"\nurl_env = "U"', 'kind = "webhook" needs secret_env'),
        (f'{HOOK}\nurl_env = "U"', "is given twice, also by url_env\nnext: remove one of the two"),
        ('kind = "sns"', 'kind = "sns" needs topic_arn'),
        ('kind = "sns"\ntopic_arn = "deployments"', "a topic is an ARN such as arn:aws:sns:"),
        (
            'kind = "github"\nrepository = "web"',
            'a repository is OWNER/NAME, such as "example/web"',
        ),
        (
            'kind = "github"\nevents = ["no-rebuild"]',
            "no-rebuild is no event of a deployment, which is what GitHub shows",
        ),
        (
            f'{SLACK}\nenvironments = ["c"]',
            "there is no environment 'c'\nnext: add [environments.c]",
        ),
        (f"{SLACK}\n[[notify]]\n{SLACK}", "another [[notify]] has the name 'slack'"),
        (f'{SLACK}\nlink = "https://ann:pass@example.com/"', "contains a user name, which logs"),
        (f'{SLACK}\nlink = ""', "is empty: write a URL such as https://example.com/hooks"),
        (
            'kind = "slack"\nurl_env = "https://hooks.slack.com/x"',
            "an environment variable has 1 to",
        ),
        (f'{SLACK}\nname = "\\u202e"', "contains the invisible character U+202E"),
        (f'{SLACK}\nevents = ["finished"]', "input should be 'began', 'paused', 'promoted'"),
    ],
)
def test_a_wrong_target_is_an_error(table: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, table)
    assert what in str(caught.value).replace("\n  ", "\n").strip()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("https://h/hooks/a1b2c3d4e5f6", "404: no hook a1b2c3d4e5f6"),
        ("https://h/hooks/a1b2c3d4e5f6", "301 to http://other/hooks/a1b2c3d4e5f6"),
        ("https://h/x?key=a1b2c3d4e5f6&v=1", "404: Cannot POST /x?key=a1b2c3d4e5f6&v=1"),
        ("https://h/x?key=a1b2c3d4e5f6", "no such key: a1b2c3d4e5f6"),
        ("https://me:a1b2c3d4e5f6@h/x", "nonnumeric port: 'a1b2c3d4e5f6@h'"),
        ("https://h/x/a1b2c3d4e5f6\ny", r"control characters. '/x/a1b2c3d4e5f6\ny'"),
        ("https://[h/a1b2c3d4e5f6", "Invalid IPv6 URL: /a1b2c3d4e5f6"),
    ],
)
def test_each_part_of_a_url_that_is_a_secret_is_masked(
    url: str, error: str, tmp_path: Path
) -> None:
    target = read(tmp_path, SLACK).notify[0]
    masked = Masker(target.secrets({"SLACK_URL": url})).text(error)
    assert "a1b2c3d4e5f6" not in masked
    assert "***" in masked
