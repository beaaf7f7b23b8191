"""Configuration files for tests: a minimal one, a full one, and hostile values in each place."""

from __future__ import annotations

from tests.core.hostile import HOSTILE, MEBIBYTE, Field

MINIMAL = """\
app = "web"
region = "eu-central-1"
[bake]
template = "packer/app.pkr.hcl"
"""
FULL = """\
app = "web"
region = "eu-central-1"

[bake]
template = "packer/app.pkr.hcl"
directory = "."
inputs = ["app"]
only = ["amazon-ebs.app"]
vars = { port = 8080, db_url = "canary-7c1", zones = ["a", { b = 1.5 }] }
vars_from_env = { token = "WEB_TOKEN" }
sensitive = ["db_url"]
regions = ["us-east-1"]
timeout = "1h30m"
cancel_grace = "90s"
keep = 3
tfvars = "terraform/ami.auto.tfvars.json"
dotenv = "bake.env"
[bake.tags]
Team = "web"
[bake.source]
owner = "012345678901"
name = "al2023-ami-2023.*-x86_64"
[environments.staging.bake.vars]
port = 8081
db_url = "canary-9d2"
[environments.staging.bake.vars_from_env]
key = "WEB_KEY"
[environments.staging.bake.tags]
Stage = "1"
[environments.staging.terraform.inputs]
subnet_ids = ["subnet-2"]
[environments.production]
account = "012345678901"
instance_type = "c7g.large"
min_size = 2
max_size = 6
desired_capacity = 3
load_balancers = ["web-production"]
target_groups = [
  "web",
  "arn:aws:elasticloadbalancing:eu-central-1:012345678901:targetgroup/api/0123456789abcdef",
]
[environments.production.promote]
healthy_checks = 5
observe = "10m"
keep_previous = "2h"
alarms = ["web-production-5xx"]
[environments.production.promote.deadlines]
retire = "1h"
[environments.staging.promote]
soak = "0s"
keep_previous = "next"
hooks = []
[promote]
soak = "1m"
deadline = "20m"
alarms = ["web-5xx", "Späte Antworten"]
[promote.deadlines]
launch = "30m"
retire = "40m"
[[promote.hooks]]
at = "before-traffic"
command = ["./smoke.sh", "--fast", ""]
[[promote.hooks]]
at = "before-traffic"
command = ["bin/migrate"]
timeout = "30s"
[terraform]
module = "modules/release"
[terraform.inputs]
subnet_ids = ["subnet-1"]
alarms = { high = 80, low = 20 }
user_data = '''
set -eu
echo "${HOME}" >/tmp/home
'''
[terraform.backend]
bucket = "states"
key_prefix = "terraform"
region = "eu-west-1"
[state]
url = "s3://bucket/prefix"
"""


def quoted(value: str) -> str:
    plain = (c if c.isascii() and c.isalnum() else f"\\U{ord(c):08X}" for c in value)
    return f'"{"".join(plain)}"'


PLACES: dict[Field, tuple[str, str]] = {
    "app": (MINIMAL.replace('"web"', "%s"), "app"),
    "region": (MINIMAL.replace('"eu-central-1"', "%s"), "region"),
    "environment": (MINIMAL + "[environments.%s]\n", "environments"),
    "tag key": (MINIMAL + '[bake.tags]\n%s = "x"\n', "bake.tags"),
    "tag value": (MINIMAL + "[bake.tags]\nTeam = %s\n", "bake.tags.Team"),
    "path": (MINIMAL.replace('"packer/app.pkr.hcl"', "%s"), "bake.template"),
    "variable name": (MINIMAL + "[bake.vars]\n%s = 1\n", "bake.vars"),
    "variable value": (MINIMAL + "[bake.vars]\nx = %s\n", "bake.vars.x"),
}
IN_A_FILE = tuple(
    hostile
    for hostile in HOSTILE
    if hostile.field in PLACES and hostile.value != MEBIBYTE and "\ud800" not in hostile.value
)
