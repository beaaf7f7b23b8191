"""Print the least policy for a role: read from the configuration what its commands touch.

AWS is called only for what the configuration leaves open: the account, and the role of an instance
profile. Without an answer the policy is still valid, and a message says what to check.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.adapters.aws.client import Clients, account_of
from pipeline.adapters.aws.instance_profiles import roles_of_profile
from pipeline.app.application import Application
from pipeline.config.promote.traffic import rules_of
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError, PipelineError
from pipeline.core.events import Message
from pipeline.core.permissions.features import features_of_module, hook_roles
from pipeline.core.permissions.scope import (
    ANY,
    EnvironmentScope,
    Feature,
    Role,
    Scope,
    role_arn,
)
from pipeline.core.permissions.statements import LONGEST, length, parts, policy
from pipeline.core.permissions.template import features_of, values_of

TEMPLATES = ("*.pkr.hcl", "*.pkr.json", "*.json")


def permissions(
    app: Application,
    roles: Collection[Role],
    environment: str = "",
    group: str = "",
    *,
    pair: bool = False,
    part: int = 0,
) -> dict[str, Any]:
    """Return the policy document of these roles, for one environment or for all.

    `group` is the adopted group of the environment, empty without one. `pair` adds what
    `adopt --pair` needs. `part` is the number of one of the policies that IAM accepts, 0 for all
    as one. Raises ConfigurationError for a part that there is not.
    """
    reader = ScopeReader(app, environment, group, pair=pair)
    document = policy(reader.scope(roles), roles)
    fitting = parts(document)
    role = next(iter(roles)) if len(roles) == 1 else ""
    each = [
        commands.permissions(role, environment, group, pair=pair, part=number)
        for number in range(1, len(fitting) + 1)
    ]
    if part > len(fitting):
        what = f"the policy has {len(fitting)} part{'s' if len(fitting) > 1 else ''}"
        raise ConfigurationError(f"permissions --part {part}", what, each[-1])
    if part:
        return fitting[part - 1]
    if len(fitting) > 1:
        what = f"the policy has {length(document):,} characters, and a managed policy {LONGEST:,}"
        remedy = f"attach these {len(fitting)} to the role: {' and '.join(each)}"
        app.report(Message(text=f"{what}; {remedy}"))
    return document


class ScopeReader:
    """Reads the scope of a policy from the configuration of one environment, or of all."""

    def __init__(
        self, app: Application, environment: str = "", group: str = "", *, pair: bool = False
    ) -> None:
        self._app = app
        self._adopted = (group,) if group else ()
        self._pair = pair
        self._settings = app.settings
        self._clients = Clients()
        if environment:
            app.settings.environment(environment)
        self._names = (environment,) if environment else tuple(app.settings.environments)

    def scope(self, roles: Collection[Role]) -> Scope:
        """Return what a policy of these roles is for."""
        bucket, deploys = self._store(), bool({Role.DEPLOY} & {*roles})
        inspects = bool({Role.INSPECT} & {*roles})
        environments = tuple(
            self._environment(name, deploys=deploys, inspects=inspects) for name in self._names
        )
        bakes = bool({Role.BAKE} & {*roles})
        template = self._template_features if bakes else frozenset()
        features = {*self._features(environments), *template}
        store_key = self._settings.state.kms_key_id if bucket[0] else None
        return Scope(
            app=self._settings.app,
            region=self._settings.region,
            account=self._account_of_bake() if bakes else ANY,
            features=frozenset(
                features
                | ({Feature.S3_STORE} if bucket[0] else set())
                | ({Feature.STORE_KEY} if store_key else set())
            ),
            environments=environments,
            regions=tuple(self._settings.bake.regions),
            store=bucket,
            store_keys=(store_key,) if store_key else (),
            build_roles=tuple(self._build_roles()) if Feature.BUILD_PROFILE in features else (),
            build_keys=self._template_values("kms_key_id") or ("",),
        )

    # --- deploy -----------------------------------------------------------------------------------

    def _environment(self, name: str, *, deploys: bool, inspects: bool) -> EnvironmentScope:
        wanted = self._settings.terraform_for(name)
        inputs, account = wanted.inputs, self._account(name) if deploys or inspects else ANY
        profile = inputs.get("instance_profile") if deploys else None
        state = self._app.state_bucket(wanted, name)
        return EnvironmentScope(
            name=name,
            account=account,
            tagged=wanted.module is None,
            adopted=self._adopted,
            rules=tuple(rules_of(self._settings.environment(name).pairs)) if deploys else (),
            topics=tuple(self._topics(name)) if deploys else (),
            security_groups=_texts(inputs.get("security_group_ids"), "sg-"),
            key_pair=str(inputs.get("key_name") or ""),
            roles=tuple(self._roles(str(profile), account)) if profile else (),
            hook_roles=hook_roles(inputs),
            state=(state.name, state.key) if state else ("", ""),
            state_region=state.region if state else "",
            keys=(state.kms_key,) if state and state.kms_key else (),
        )

    def _topics(self, environment: str) -> Iterator[str]:
        for each in self._settings.notify:
            if each.topic_arn and environment in (each.environments or (environment,)):
                yield each.topic_arn

    def _features(self, environments: Sequence[EnvironmentScope]) -> Iterator[Feature]:
        for each in environments:
            settings = self._settings.environment(each.name)
            yield from features_of_module(self._settings.terraform_for(each.name).inputs)
            found: Mapping[Feature, object] = {
                Feature.ADOPTED: each.adopted,
                Feature.TAGGED: each.tagged,
                Feature.ALARMS: self._settings.promote_for(each.name).alarms,
                Feature.PROGRAMS: self._settings.promote_for(each.name).hooks,
                Feature.COMMANDS: any(
                    hook.run == "instance" for hook in self._settings.promote_for(each.name).hooks
                ),
                Feature.ANALYSIS: self._settings.promote_for(each.name).analysis.enabled,
                Feature.CLASSIC: settings.load_balancers,
                Feature.TARGETS: settings.target_groups or settings.pairs,
                Feature.PAIRS: settings.pairs,
                Feature.NEW_PAIR: self._pair,
                Feature.TOPICS: each.topics,
                Feature.S3_STATE: each.state[0],
                Feature.STATE_KEY: each.keys,
            }
            yield from (feature for feature, value in found.items() if value)

    # --- bake -------------------------------------------------------------------------------------

    @cached_property
    def _template(self) -> str:
        """The text of the Packer template; empty if it does not exist yet."""
        path = self._app.inside(self._settings.bake.template)
        return "\n".join(each.read_text(errors="replace") for each in _files(path))

    @property
    def _template_features(self) -> frozenset[Feature]:
        copies = {Feature.COPIES} if self._settings.bake.regions else frozenset[Feature]()
        return features_of(self._template) | copies

    def _template_values(self, name: str) -> tuple[str, ...]:
        """Return the values of an argument of the template, with the variables of each bake."""
        given = [self._settings.bake_for(name or None).vars for name in ("", *self._names)]
        found = (value for one in given for value in values_of(self._template, name, one))
        return tuple(dict.fromkeys(found))

    def _build_roles(self) -> Iterator[str]:
        account = self._account_of_bake()
        for profile in self._template_values("iam_instance_profile"):
            if profile:
                yield from self._roles(profile, account)
            else:
                self._tell(
                    "the template's iam_instance_profile is not known from the configuration",
                    "replace role/* in the statement BuildRole with its role",
                )
                yield role_arn(self._settings.region, account, ANY)

    # --- accounts, roles, buckets -----------------------------------------------------------------

    def _account(self, environment: str) -> str:
        return self._settings.environment(environment).account or self._caller

    def _account_of_bake(self) -> str:
        known = [self._settings.environment(each).account for each in self._names]
        return next((each for each in known if each), None) or self._caller

    @cached_property
    def _caller(self) -> str:
        try:
            return account_of(self._clients, self._settings.region)
        except PipelineError as error:
            what = f"the account is unknown ({error.what}), so the policy is for any account"
            self._tell(what, "set account in [environments.NAME]")
            return ANY

    def _roles(self, profile: str, account: str) -> Iterator[str]:
        """Yield the roles of an instance profile, which is named by name or by ARN."""
        name = profile.rpartition("/")[2]
        try:
            yield from roles_of_profile(self._clients, self._settings.region, name)
        except PipelineError as error:
            what = f"the role of instance profile {name} could not be read ({error.what})"
            self._tell(what, "check that its role has the same name, as the policy says")
            yield role_arn(self._settings.region, account, name)

    def _store(self) -> tuple[str, str]:
        url = self._settings.state.url
        if not url.startswith("s3://"):
            return "", ""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return bucket, prefix.strip("/")

    def _tell(self, what: str, remedy: str) -> None:
        self._app.report(Message(text=f"{what}; {remedy}"))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for kind in TEMPLATES for file in sorted(path.glob(kind)))


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _texts(value: object, start: str) -> tuple[str, ...]:
    return tuple(
        each for each in _listed(value) if isinstance(each, str) and each.startswith(start)
    )
