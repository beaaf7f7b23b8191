"""Prove the permissions of a deployment once for each role and configuration."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.adapters.aws.preflight.permission_probes import PermissionProber
from pipeline.adapters.store.records.permission_proofs import PermissionProofs
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.config import EnvironmentSettings, TerraformSettings
from pipeline.core.hooks.hook import Runs
from pipeline.core.permissions.features import features_of_module
from pipeline.core.permissions.probes import Launch, PermissionFacts, digest_of
from pipeline.core.permissions.scope import Feature


@dataclass(frozen=True, kw_only=True)
class PermissionCheck:
    """Makes the probes of a launch, unless the store has a recent proof for this caller."""

    prober: PermissionProber
    proofs: PermissionProofs
    reader: EnvironmentReader

    @classmethod
    def of(cls, reader: EnvironmentReader) -> PermissionCheck:
        """Return the check for an environment; it makes the clients that its threads share."""
        return cls(
            prober=PermissionProber(reader.clients, reader.app.settings.region),
            proofs=PermissionProofs(reader.store, reader.environment),
            reader=reader,
        )

    def __call__(self, launch: Launch) -> PermissionFacts:
        """Return what the probes showed; nothing if all is proven already."""
        reader = self.reader
        arn = reader.clients.caller(reader.app.settings.region)["Arn"]
        digest, now = digest_of(launch, arn), reader.now()
        proofs = self.proofs.read()
        if proofs.counts(digest, now):
            return PermissionFacts()
        found = self.prober.probe(launch)
        if found.all_allowed:
            self.proofs.write(proofs.with_proof(digest, now))
        return found


def launch_of(reader: EnvironmentReader, image_id: str, subnets: tuple[str, ...]) -> Launch:
    """Return the launch of an environment's next release, as the configuration describes it."""
    settings = reader.app.settings
    environment: EnvironmentSettings = settings.environment(reader.environment)
    terraform: TerraformSettings = settings.terraform_for(reader.environment)
    inputs = terraform.inputs
    hooks = {Feature.PROGRAMS} if reader.policy.hooks else set[Feature]()
    if any(hook.run is Runs.INSTANCE for hook in reader.policy.hooks):
        hooks.add(Feature.COMMANDS)
    given = inputs.get("security_group_ids", ())
    groups = given if isinstance(given, (list, tuple)) else ()
    return Launch(
        app=settings.app,
        environment=reader.environment,
        region=settings.region,
        image_id=image_id,
        instance_type=environment.instance_type,
        features=features_of_module(inputs) | hooks,
        subnets=subnets,
        security_groups=tuple(str(each) for each in groups),
        profile=str(inputs.get("instance_profile") or ""),
        key_pair=str(inputs.get("key_name") or ""),
        shipped=terraform.module is None,
    )
