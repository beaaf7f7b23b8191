"""Define the table of AWS actions: for each role, by step, with the program that calls them.

It is the one source: the printed policies, docs/reference/permissions.md, docs/ci/iam and the
probes of preflight come from it. `statements.py` says on which resources an action is allowed.

Sources for the calls of others: Packer's Amazon plugin, "IAM Task or Instance Role"; the calls of
Terraform's AWS provider for the shipped module were counted on the local cloud.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.permissions.scope import Feature, Role


class Caller(StrEnum):
    """The program that makes a call; a newer Packer calls more than Packer 1.6.6."""

    TOOL = "ami-pipeline"
    PACKER = "Packer"
    NEWER_PACKER = "newer Packer"
    TERRAFORM = "Terraform"
    AWS_CLI = "AWS CLI"


class Proof(StrEnum):
    """What shows that a permission is missing.

    `USE`: the command reads or writes with it before its first change. `GROUP`: preflight makes a
    call on a group that no release has. `DRY_RUN`: preflight uses EC2's DryRun. `BLUE`: the same,
    on the serving release's resources. `ADOPTED`: preflight names a load balancer that does not
    exist in a call on the adopted group. `CHANGE`: only the change itself. `OPTIONAL`: a message,
    and the command continues.
    """

    USE = "its first use"
    GROUP = "a call on r000000"
    DRY_RUN = "DryRun"
    BLUE = "DryRun, once a release serves"
    ADOPTED = "a call on the adopted group"
    CHANGE = "the change itself"
    OPTIONAL = "optional"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Actions that one step of some roles' commands needs, in one statement of their policies.

    `sid` names the statement. `feature` is the part of the configuration that needs them, None for
    any configuration.
    """

    roles: frozenset[Role]
    sid: str
    when: str
    actions: tuple[str, ...]
    by: Caller
    feature: Feature | None
    proof: Proof


def rows_of(roles: Collection[Role], features: Collection[Feature]) -> Iterator[Row]:
    """Yield the rows of these roles that a configuration with these features needs."""
    for row in TABLE:
        if row.roles & {*roles} and (row.feature is None or row.feature in features):
            yield row


_SHARED = """
bake deploy read prune | Read | `images` | TOOL | | USE | ec2:DescribeImages ec2:DescribeInstances
bake deploy read prune | Read | `images` | TOOL | | USE | ec2:DescribeLaunchTemplateVersions
bake deploy read prune | Read | `images` | TOOL | | USE | autoscaling:DescribeAutoScalingGroups
deploy read inspect | Read | `status` | TOOL | CLASSIC | USE | {elb}:DescribeLoadBalancers
deploy read inspect | Read | `status` | TOOL | CLASSIC | USE | {elb}:DescribeInstanceHealth
deploy read inspect | Read | `status` | TOOL | TARGETS | USE | {elb}:DescribeTargetGroups
deploy read inspect | Read | `status` | TOOL | TARGETS | USE | {elb}:DescribeTargetHealth
deploy read inspect | Read | `status` | TOOL | PAIRS | USE | {elb}:DescribeListeners
deploy read inspect | Read | `status` | TOOL | PAIRS | USE | {elb}:DescribeRules
bake deploy read prune inspect | StoreList | the store in S3 | TOOL | S3_STORE | USE | s3:ListBucket
deploy read | StoreList | `state show` | TOOL | S3_STORE | USE | s3:ListBucketVersions
bake deploy read | StoreList | `doctor` | TOOL | S3_STORE | OPTIONAL | s3:GetBucketVersioning
bake deploy read | StoreList | `doctor` | TOOL | S3_STORE | OPTIONAL | s3:GetEncryptionConfiguration
bake deploy read | StoreList | `doctor` | TOOL | S3_STORE | OPTIONAL | s3:GetBucketPublicAccessBlock
deploy read prune inspect | Store | the store in S3 | TOOL | S3_STORE | USE | s3:GetObject
deploy read | Store | `state show` | TOOL | S3_STORE | USE | s3:GetObjectVersion
bake deploy read prune inspect | StoreKey | {key} | TOOL | STORE_KEY | USE | kms:Decrypt
""".replace("{elb}", "elasticloadbalancing").replace("{key}", "the store's KMS key")
_DEPLOY = """
deploy | Read | each observation | TOOL | | GROUP | autoscaling:DescribeScalingActivities
deploy | Commands | hooks on instances | TOOL | COMMANDS | CHANGE | ssm:SendCommand
deploy | CommandDocument | hooks on instances | TOOL | COMMANDS | CHANGE | ssm:SendCommand
deploy | Read | hooks on instances | TOOL | COMMANDS | CHANGE | ssm:GetCommandInvocation
deploy | Read | hooks on instances | TOOL | COMMANDS | CHANGE | ssm:CancelCommand
deploy | Read | hooks on instances | TOOL | COMMANDS | OPTIONAL | ssm:DescribeInstanceInformation
deploy | Read | hooks | TOOL | PROGRAMS | DRY_RUN | ec2:DescribeInstances
deploy | Read | `adopt` | TOOL | | USE | autoscaling:DescribeLaunchConfigurations
deploy | Read | preflight | TOOL | | USE | ec2:DescribeInstanceTypes ec2:DescribeSubnets
deploy | Read | preflight | TOOL | | USE | ec2:DescribeLaunchTemplates
deploy | Read | preflight | TOOL | | USE | autoscaling:DescribeInstanceRefreshes
deploy | Read | preflight | TOOL | | OPTIONAL | autoscaling:DescribeScheduledActions
deploy | Read | preflight | TOOL | | OPTIONAL | autoscaling:DescribePolicies
deploy | Read | preflight | TOOL | | OPTIONAL | autoscaling:DescribeLifecycleHooks
deploy | Read | preflight | TOOL | | OPTIONAL | autoscaling:DescribeNotificationConfigurations
deploy | Read | checks | TOOL | CLASSIC | USE | elasticloadbalancing:DescribeLoadBalancerAttributes
deploy | Read | checks | TOOL | TARGETS | USE | elasticloadbalancing:DescribeTargetGroupAttributes
deploy | Read | preflight | TOOL | TARGETS | USE | elasticloadbalancing:DescribeLoadBalancers
deploy | Read | preflight | TOOL | TARGETS | USE | elasticloadbalancing:DescribeListeners
deploy | Read | preflight | TOOL | TARGETS | USE | elasticloadbalancing:DescribeRules
deploy | Read | quotas | TOOL | | OPTIONAL | autoscaling:DescribeAccountLimits
deploy | Read | quotas | TOOL | | OPTIONAL | servicequotas:GetServiceQuota
deploy | Read | quotas | TOOL | TARGETS | OPTIONAL | elasticloadbalancing:DescribeAccountLimits
deploy | Read | evidence of a failure | TOOL | | OPTIONAL | ec2:GetConsoleOutput
deploy | Read | evidence of a failure | TOOL | | OPTIONAL | ssm:DescribeInstanceInformation
deploy | Commands | evidence of a failure | TOOL | TAGGED | OPTIONAL | ssm:SendCommand
deploy | CommandDocument | evidence of a failure | TOOL | TAGGED | OPTIONAL | ssm:SendCommand
deploy | Read | evidence of a failure | TOOL | TAGGED | OPTIONAL | ssm:GetCommandInvocation
deploy | Read | `alarms` | TOOL | ALARMS | USE | cloudwatch:DescribeAlarms
deploy | Read | `analysis` | TOOL | ANALYSIS | USE | cloudwatch:GetMetricData
deploy | Read | each plan | TERRAFORM | | USE | autoscaling:DescribeAutoScalingGroups
deploy | Read | each plan | TERRAFORM | | USE | ec2:DescribeLaunchTemplates
deploy | Read | each plan | TERRAFORM | | DRY_RUN | ec2:DescribeLaunchTemplateVersions
deploy | Read | each plan | TERRAFORM | POLICIES | GROUP | autoscaling:DescribePolicies
deploy | Read | each plan | TERRAFORM | SCHEDULES | GROUP | autoscaling:DescribeScheduledActions
deploy | Groups | attach | TOOL | | GROUP | autoscaling:AttachTrafficSources
deploy | Groups | drain | TOOL | | GROUP | autoscaling:DetachTrafficSources
deploy | Groups | sizes | TOOL | | GROUP | autoscaling:UpdateAutoScalingGroup
deploy | Weights | shift | TOOL | PAIRS | CHANGE | elasticloadbalancing:ModifyListener
deploy | Weights | shift | TOOL | PAIRS | CHANGE | elasticloadbalancing:ModifyRule
deploy | Read | setup | TOOL | NEW_PAIR | USE | elasticloadbalancing:DescribeTags
deploy | Pair | setup | TOOL | NEW_PAIR | CHANGE | elasticloadbalancing:AddTags
deploy | Pair | setup | TOOL | NEW_PAIR | CHANGE | elasticloadbalancing:CreateTargetGroup
deploy | Pair | setup | TOOL | NEW_PAIR | CHANGE | elasticloadbalancing:ModifyTargetGroupAttributes
deploy | Pair | setup | TOOL | NEW_PAIR | CHANGE | elasticloadbalancing:ModifyListener
deploy | Pair | setup | TOOL | NEW_PAIR | CHANGE | elasticloadbalancing:ModifyRule
deploy | Pair | setup | TOOL | NEW_PAIR | CHANGE | elasticloadbalancing:CreateListener
deploy | Topics | notifications | TOOL | TOPICS | OPTIONAL | sns:Publish
deploy | AdoptedGroups | attach | TOOL | ADOPTED | ADOPTED | autoscaling:AttachTrafficSources
deploy | AdoptedGroups | drain | TOOL | ADOPTED | ADOPTED | autoscaling:DetachTrafficSources
deploy | Groups | launch | TERRAFORM | | GROUP | autoscaling:CreateAutoScalingGroup
deploy | Groups | launch | TERRAFORM | | GROUP | autoscaling:CreateOrUpdateTags
deploy | Groups | launch | TERRAFORM | METRICS | GROUP | autoscaling:EnableMetricsCollection
deploy | Groups | launch | TERRAFORM | HOOKS | GROUP | autoscaling:PutLifecycleHook
deploy | Groups | launch | TERRAFORM | POLICIES | GROUP | autoscaling:PutScalingPolicy
deploy | Groups | launch | TERRAFORM | SCHEDULES | GROUP | autoscaling:PutScheduledUpdateGroupAction
deploy | Groups | retire | TERRAFORM | | GROUP | autoscaling:UpdateAutoScalingGroup
deploy | Groups | retire | TERRAFORM | | GROUP | autoscaling:DeleteAutoScalingGroup
deploy | Groups | retire | TERRAFORM | POLICIES | GROUP | autoscaling:DeletePolicy
deploy | Groups | retire | TERRAFORM | SCHEDULES | GROUP | autoscaling:DeleteScheduledAction
deploy | Instances | launch | TERRAFORM | | DRY_RUN | ec2:RunInstances
deploy | InstancesFrom | launch | TERRAFORM | | DRY_RUN | ec2:RunInstances
deploy | LaunchTemplates | launch | TERRAFORM | | DRY_RUN | ec2:CreateLaunchTemplate
deploy | TagsAtCreation | launch | TERRAFORM | | DRY_RUN | ec2:CreateTags
deploy | OurLaunchTemplates | launch | TERRAFORM | | BLUE | ec2:RunInstances
deploy | OurLaunchTemplates | retire | TERRAFORM | | BLUE | ec2:DeleteLaunchTemplate
deploy | InstanceRole | launch | TERRAFORM | PROFILE | DRY_RUN | iam:PassRole
deploy | HookRoles | launch | TERRAFORM | HOOK_ROLES | CHANGE | iam:PassRole
deploy | Quarantine | quarantine | TOOL | | OPTIONAL | ec2:CreateTags
deploy | Store | the store in S3 | TOOL | S3_STORE | USE | s3:PutObject
deploy | StoreKey | the store's KMS key | TOOL | STORE_KEY | USE | kms:GenerateDataKey
deploy | TerraformState | Terraform's state in S3 | TERRAFORM | S3_STATE | USE | s3:GetObject
deploy | TerraformState | Terraform's state in S3 | TERRAFORM | S3_STATE | CHANGE | s3:PutObject
deploy | TerraformLock | the lock of the state | TOOL | S3_STATE | USE | s3:GetObject s3:PutObject
deploy | TerraformLock | the lock of the state | TOOL | S3_STATE | USE | s3:DeleteObject
deploy | TerraformStateList | Terraform's state in S3 | TERRAFORM | S3_STATE | USE | s3:ListBucket
deploy | TerraformStateKey | the state's KMS key | TERRAFORM | STATE_KEY | USE | kms:Decrypt
deploy | TerraformStateKey | the state's KMS key | TERRAFORM | STATE_KEY | USE | kms:GenerateDataKey
"""
_BAKE = """
bake | Read | cleanup | TOOL | | USE | ec2:DescribeInstances ec2:DescribeKeyPairs
bake | Read | cleanup | TOOL | | USE | ec2:DescribeSecurityGroups ec2:DescribeVolumes
bake | Read | cleanup | TOOL | | USE | ec2:DescribeSnapshots
bake | Read | build | PACKER | | USE | ec2:DescribeRegions ec2:DescribeImages
bake | Read | build | PACKER | | USE | ec2:DescribeSecurityGroups ec2:DescribeInstances
bake | Read | build | PACKER | | USE | ec2:DescribeVolumes
bake | Read | build | NEWER_PACKER | | USE | ec2:DescribeImageAttribute ec2:DescribeInstanceStatus
bake | Read | build | NEWER_PACKER | | USE | ec2:DescribeInstanceTypeOfferings ec2:DescribeSnapshots
bake | Read | build | NEWER_PACKER | | USE | ec2:DescribeSubnets ec2:DescribeTags ec2:DescribeVpcs
bake | Build | build | PACKER | | CHANGE | ec2:CreateKeyPair ec2:CreateSecurityGroup
bake | Build | build | PACKER | | CHANGE | ec2:AuthorizeSecurityGroupIngress
bake | BuildLaunch | build | PACKER | | CHANGE | ec2:RunInstances
bake | Build | build | PACKER | | CHANGE | ec2:CreateImage ec2:ModifyImageAttribute
bake | Build | end of a build | PACKER | | CHANGE | ec2:DeleteKeyPair ec2:DeleteSecurityGroup
bake | BuildInstances | build | PACKER | | CHANGE | ec2:StopInstances ec2:CreateImage
bake | BuildInstances | build | NEWER_PACKER | | CHANGE | ec2:ModifyInstanceAttribute
bake | BuildInstances | end of a build | PACKER | | CHANGE | ec2:TerminateInstances
bake | BuildTags | build | PACKER | | CHANGE | ec2:CreateTags
bake | Build | cleanup | TOOL | | CHANGE | ec2:DeleteKeyPair ec2:DeleteSecurityGroup
bake | BuildInstances | cleanup | TOOL | | CHANGE | ec2:TerminateInstances
bake | BuildVolumes | cleanup | TOOL | | CHANGE | ec2:DeleteVolume
bake | Images | tags, status | TOOL | | CHANGE | ec2:CreateTags
bake | Images | tags of the build | TOOL | | OPTIONAL | ec2:DeleteTags
bake | Images | cleanup of images | TOOL | | CHANGE | ec2:DeregisterImage ec2:DeleteSnapshot
bake | Build | copies | PACKER | COPIES | CHANGE | ec2:CopyImage
bake | Build | sharing | PACKER | SHARED | CHANGE | ec2:ModifySnapshotAttribute
bake | Build | deprecation | PACKER | DEPRECATE | CHANGE | ec2:EnableImageDeprecation
bake | Build | protection | PACKER | PROTECT | CHANGE | ec2:EnableImageDeregistrationProtection
bake | Build | spot | PACKER | SPOT | CHANGE | ec2:CreateFleet ec2:CreateLaunchTemplate
bake | Build | spot | PACKER | SPOT | CHANGE | ec2:DeleteLaunchTemplate
bake | Read | spot | PACKER | SPOT | USE | ec2:DescribeSpotPriceHistory
bake | Build | cleanup | TOOL | SPOT | CHANGE | ec2:DeleteLaunchTemplate
bake | Read | cleanup | TOOL | SPOT | USE | ec2:DescribeLaunchTemplates
bake | TemporaryRole | own role | PACKER | BUILD_ROLE | CHANGE | iam:CreateRole iam:GetRole
bake | TemporaryRole | own role | PACKER | BUILD_ROLE | CHANGE | iam:PutRolePolicy
bake | TemporaryRole | own role | PACKER | BUILD_ROLE | CHANGE | iam:CreateInstanceProfile
bake | TemporaryRole | own role | PACKER | BUILD_ROLE | CHANGE | iam:GetInstanceProfile
bake | TemporaryRole | own role | PACKER | BUILD_ROLE | CHANGE | iam:AddRoleToInstanceProfile
bake | TemporaryRole | own role | PACKER | BUILD_ROLE | CHANGE | iam:PassRole
bake | TemporaryRole | end | PACKER | BUILD_ROLE | CHANGE | iam:RemoveRoleFromInstanceProfile
bake | TemporaryRole | end | PACKER | BUILD_ROLE | CHANGE | iam:DeleteRolePolicy
bake | TemporaryRole | end | PACKER | BUILD_ROLE | CHANGE | iam:DeleteRole
bake | TemporaryRole | end | PACKER | BUILD_ROLE | CHANGE | iam:DeleteInstanceProfile
bake | TemporaryRole | cleanup | TOOL | BUILD_ROLE | CHANGE | iam:ListRolePolicies
bake | TemporaryRole | cleanup | TOOL | BUILD_ROLE | CHANGE | iam:RemoveRoleFromInstanceProfile
bake | TemporaryRole | cleanup | TOOL | BUILD_ROLE | CHANGE | iam:DeleteRolePolicy iam:DeleteRole
bake | TemporaryRole | cleanup | TOOL | BUILD_ROLE | CHANGE | iam:DeleteInstanceProfile
bake | BuildInstances | Windows | PACKER | WINDOWS | CHANGE | ec2:GetPasswordData
bake | BuildRole | instance profile | PACKER | BUILD_PROFILE | CHANGE | iam:PassRole
bake | BuildProfile | instance profile | PACKER | BUILD_PROFILE | USE | iam:GetInstanceProfile
bake | Session | Session Manager | PACKER | SESSION_MANAGER | CHANGE | ssm:StartSession
bake | BuildKey | own KMS key | PACKER | BUILD_KEY | CHANGE | kms:Decrypt kms:DescribeKey
bake | BuildKey | own KMS key | PACKER | BUILD_KEY | CHANGE | kms:GenerateDataKeyWithoutPlaintext
bake | BuildKey | own KMS key | PACKER | BUILD_KEY | CHANGE | kms:ReEncryptFrom kms:ReEncryptTo
bake | BuildKeyGrants | own KMS key | PACKER | BUILD_KEY | CHANGE | kms:CreateGrant
bake | ImageRecords | the store in S3 | TOOL | S3_STORE | USE | s3:GetObject s3:PutObject
bake | ImageRecords | the store in S3 | TOOL | S3_STORE | USE | s3:DeleteObject
bake | StoreKey | the store's KMS key | TOOL | STORE_KEY | USE | kms:GenerateDataKey
"""
_PRUNE = """
prune | Read | `prune` | TOOL | | USE | autoscaling:DescribeLaunchConfigurations
prune | Read | `prune` | TOOL | | USE | ec2:DescribeSnapshots ec2:ListImagesInRecycleBin
prune | Read | `prune` | TOOL | | USE | ec2:DescribeImageAttribute ec2:DescribeSnapshotAttribute
prune | UnusedImages | `prune` | TOOL | | CHANGE | ec2:DeregisterImage ec2:DeleteSnapshot
prune | PrunedRecords | records | TOOL | S3_STORE | CHANGE | s3:DeleteObject
"""
_INSPECT = """
inspect | Read | members | TOOL | | USE | autoscaling:DescribeAutoScalingGroups
read inspect | Read | `events` | TOOL | | USE | autoscaling:DescribeScalingActivities
read inspect | Read | `logs` | TOOL | | OPTIONAL | ec2:GetConsoleOutput
read inspect | Read | `logs` | TOOL | | OPTIONAL | ssm:DescribeInstanceInformation
inspect | Members | `logs` | TOOL | TAGGED | OPTIONAL | ssm:SendCommand
inspect | CommandDocument | `logs` | TOOL | TAGGED | OPTIONAL | ssm:SendCommand
inspect | Read | `logs` | TOOL | TAGGED | OPTIONAL | ssm:GetCommandInvocation
inspect | Members | `shell` | AWS_CLI | TAGGED | CHANGE | ssm:StartSession
inspect | ShellDocument | `shell` | AWS_CLI | TAGGED | CHANGE | ssm:StartSession
inspect | OwnSessions | `shell` | AWS_CLI | TAGGED | CHANGE | ssm:ResumeSession ssm:TerminateSession
"""


def _parsed(text: str) -> Iterator[Row]:
    for line in text.strip().splitlines():
        roles, sid, when, by, feature, proof, actions = (each.strip() for each in line.split("|"))
        yield Row(
            roles=frozenset(Role(each) for each in roles.split()),
            sid=sid,
            when=when,
            actions=tuple(actions.split()),
            by=Caller[by],
            feature=Feature[feature] if feature else None,
            proof=Proof[proof],
        )


TABLE = tuple(
    _parsed(_SHARED + _DEPLOY.lstrip() + _BAKE.lstrip() + _PRUNE.lstrip() + _INSPECT.lstrip())
)
"""Every action of every role."""
