"""Define the keys of [[notify]] and of [notify_check]."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.config.basis import LIST, Table
from pipeline.core.notifications.notification import CONFIGURABLE, OF_DEPLOYMENTS, Occasion
from pipeline.core.validation import notify_values, values

MOST_TARGETS = 20
MOST_DAYS = 3650
_SECRET_PART = 12
"""Characters of a URL's part from which on it is masked alone; a shorter one may be a word."""

Kind = Literal["slack", "webhook", "sns", "github"]
_Event = Literal[
    "began",
    "paused",
    "promoted",
    "rolled-back",
    "needs-attention",
    "rebuilt",
    "no-rebuild",
    "rollback-unproven",
]
_Variable = Annotated[str, AfterValidator(values.check_env_variable)]
_Url = Annotated[str, AfterValidator(notify_values.check_notify_url)]
_Environment = Annotated[str, AfterValidator(values.check_environment)]


class NotifySettings(Table):
    """A target that is told what happens in the environments."""

    kind: Kind = Field(
        description="The kind of the target: slack, webhook, sns or github.", examples=["slack"]
    )
    name: Annotated[str, AfterValidator(notify_values.check_target_name)] | None = Field(
        default=None, description="Its name in messages; default: its kind."
    )
    environments: Annotated[tuple[_Environment, ...], LIST] = Field(
        default=(), description="The environments that it is told of; default: all."
    )
    events: Annotated[tuple[_Event, ...], LIST] = Field(
        default=(), description="The events that it is told of; default: all."
    )
    link: _Url | None = Field(
        default=None, description="The URL that a message outside of a CI job links to."
    )
    url: _Url | None = Field(default=None, description="The URL of a webhook, if it is no secret.")
    url_env: _Variable | None = Field(
        default=None, description="The environment variable with the URL of Slack or of a webhook."
    )
    secret_env: _Variable | None = Field(
        default=None, description="The environment variable with the secret that signs a webhook."
    )
    topic_arn: Annotated[str, AfterValidator(notify_values.check_topic)] | None = Field(
        default=None, description="The ARN of an SNS topic."
    )
    repository: Annotated[str, AfterValidator(notify_values.check_repository)] | None = Field(
        default=None, description="The repository on GitHub; default: GITHUB_REPOSITORY."
    )
    token_env: _Variable | None = Field(
        default=None,
        description="The environment variable with GitHub's token; default: GITHUB_TOKEN.",
    )
    api_url: _Url | None = Field(
        default=None, description="The URL of GitHub's API; default: GITHUB_API_URL."
    )

    @property
    def label(self) -> str:
        """The name of the target in messages and in the outbox."""
        return self.name or self.kind

    @property
    def occasions(self) -> frozenset[Occasion]:
        """The events that the target is told of; GitHub shows those of deployments only."""
        possible = OF_DEPLOYMENTS if self.kind == "github" else CONFIGURABLE
        return frozenset(map(Occasion, self.events)) or frozenset(possible)

    def secrets(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield the secrets of the target; a part of a URL that is a secret is one alone."""
        tokens = ["GITHUB_TOKEN"] if self.kind == "github" and not self.token_env else []
        for name in (self.secret_env, self.token_env, *tokens):
            yield environ.get(name or "", "").strip()
        if url := environ.get(self.url_env or "", "").strip():
            yield url
            yield from (each for each in _parts(url) if len(each) >= _SECRET_PART)


def _parts(url: str) -> Iterator[str]:
    """Yield what an error or a server may repeat of a URL: urllib names its host or its path.

    `urlsplit` drops line ends, which an error shows.
    """
    authority, slash, rest = url.partition("://")[2].partition("/")
    path, _, query = rest.partition("?")
    user, at, _ = authority.rpartition("@")
    yield from (f"{slash}{rest}", f"{slash}{path}", *path.split("/"))
    yield from (query, *(each.partition("=")[2] for each in query.split("&")))
    if at:
        yield from (user, *user.split(":"))


Targets = Annotated[tuple[NotifySettings, ...], LIST, Field(max_length=MOST_TARGETS)]
_Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]


class EnvironmentNotifyCheckSettings(Table):
    """The settings of one environment that override [notify_check]."""

    rebuild_days: _Days | None = Field(
        default=None, description="Override notify_check.rebuild_days."
    )
    rollback_days: _Days | None = Field(
        default=None, description="Override notify_check.rollback_days."
    )


class NotifyCheckSettings(Table):
    """After how many days `notify check` reports what was not done; 0 for never."""

    rebuild_days: _Days = Field(default=0, description="Days after which a rebuild is overdue.")
    rollback_days: _Days = Field(
        default=0, description="Days after which the proof of the rollback is overdue."
    )

    def with_overrides(self, over: EnvironmentNotifyCheckSettings) -> "NotifyCheckSettings":
        """Return these settings with the overrides of an environment."""
        given = {name: getattr(over, name) for name in type(over).model_fields}
        return self.model_copy(update={k: v for k, v in given.items() if v is not None})
