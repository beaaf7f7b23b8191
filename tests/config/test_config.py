from __future__ import annotations

import json
import os
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from pipeline.cli.config import config
from pipeline.cli.context import Context
from pipeline.config import find, keys, load, schema
from pipeline.core.errors import ConfigurationError
from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.state.deployment import Policy
from tests.config.examples import FULL, IN_A_FILE, MINIMAL, PLACES, quoted
from tests.core.hostile import MEBIBYTE, Field, Hostile

ROOT = Path(__file__).parents[2]
KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-a6ef-1234567890ab"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("pipeline.toml")


def refusal(file: Path, content: str | bytes) -> ConfigurationError:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert caught.value.exit_code == 2
    return caught.value


def test_a_minimal_file_has_sensible_defaults(file: Path) -> None:
    file.write_text(MINIMAL)
    settings = load(file)
    bake = settings.bake
    assert (settings.app, settings.region) == ("web", "eu-central-1")
    assert (bake.directory, bake.inputs, bake.only) == (".", (), ())
    assert (bake.timeout, bake.cancel_grace, bake.keep) == (2700, 120, 5)
    assert (bake.tfvars, bake.dotenv, bake.source) == ("ami.auto.tfvars.json", None, None)
    assert settings.state.url == ".ami-pipeline"
    assert settings.root == Path.cwd()
    assert settings.file == Path.cwd() / "pipeline.toml"


def test_every_key_is_read(file: Path) -> None:
    file.write_text(FULL)
    settings = load(file)
    bake = settings.bake
    assert bake.vars == {"port": 8080, "db_url": "canary-7c1", "zones": ["a", {"b": 1.5}]}
    assert bake.vars_from_env == {"token": "WEB_TOKEN"}
    assert (bake.sensitive, bake.regions) == (("db_url",), ("us-east-1",))
    assert (bake.timeout, bake.cancel_grace, bake.keep) == (5400, 90, 3)
    assert (bake.tfvars, bake.dotenv) == ("terraform/ami.auto.tfvars.json", "bake.env")
    assert bake.source is not None
    assert (bake.source.owner, bake.source.id) == ("012345678901", None)
    assert settings.state.url == "s3://bucket/prefix"


def test_an_environment_overrides_the_bake(file: Path) -> None:
    file.write_text(FULL)
    settings = load(file)
    staging = settings.bake_for("staging")
    assert staging.vars["port"] == 8081
    assert staging.vars["zones"] == ["a", {"b": 1.5}]
    assert staging.vars_from_env == {"token": "WEB_TOKEN", "key": "WEB_KEY"}
    assert staging.tags == {"Team": "web", "Stage": "1"}
    assert settings.bake_for("production") == settings.bake
    assert settings.bake_for(None) is settings.bake


def test_an_environments_inputs_replace_the_common_ones(
    file: Path,
) -> None:
    file.write_text(FULL + "[environments.x.terraform.inputs]\nalarms = { high = 90 }\n")
    settings = load(file)
    alarms = {"high": 80, "low": 20}
    production = settings.terraform_for("production")
    script = 'set -eu\necho "${HOME}" >/tmp/home\n'
    common = {"subnet_ids": ["subnet-1"], "alarms": alarms, "user_data": script}
    assert production.inputs == common
    staging = settings.terraform_for("staging")
    assert staging.inputs == {**common, "subnet_ids": ["subnet-2"]}
    assert settings.terraform_for("x").inputs["alarms"] == {"high": 90}
    assert staging.module == "modules/release"
    backend = staging.backend
    assert backend is not None
    assert (backend.bucket, backend.key_prefix, backend.region) == (
        "states",
        "terraform",
        "eu-west-1",
    )


@pytest.mark.parametrize(
    ("toml", "minimum", "desired", "maximum"),
    [
        ("", 1, 1, 1),
        ("min_size = 2", 2, 2, 2),
        ("max_size = 4", 1, 1, 4),
        ("desired_capacity = 3", 1, 3, 3),
        ("min_size = 0\nmax_size = 2", 0, 1, 2),
        ("min_size = 2\nmax_size = 6\ndesired_capacity = 3", 2, 3, 6),
    ],
)
def test_an_unset_size_follows_from_the_others(
    file: Path, toml: str, minimum: int, desired: int, maximum: int
) -> None:
    file.write_text(f"{MINIMAL}[environments.x]\n{toml}\n")
    size = load(file).environment("x").size
    assert (size.minimum, size.desired, size.maximum) == (minimum, desired, maximum)
    assert size.instance_type == "t3.micro"


def test_a_promotion_has_default_pauses_and_deadlines(file: Path) -> None:
    file.write_text(f"{MINIMAL}[environments.x]\n")
    policy = load(file).promote_for("x").policy
    assert policy == Policy(
        healthy_checks=3,
        soak=30,
        observe=60,
        keep=0,
        deadline=900,
        deadlines={"soak": 930, "observe": 960},
    )


def test_an_environment_overrides_the_waits_for_capacity_and_slow_start(file: Path) -> None:
    file.write_text(
        f'{MINIMAL}[promote]\ncapacity_timeout = "10m"\n[environments.x]\n[environments.y]\n'
        '[environments.y.promote]\ncapacity_timeout = "1m"\nwait_for_slow_start = false\n'
    )
    policies = [load(file).promote_for(name).policy for name in "xy"]
    waits = [(each.patience, each.waits_for_slow_start) for each in policies]
    assert waits == [(600, True), (60, False)]


def test_an_environment_overrides_the_promotion(file: Path) -> None:
    file.write_text(FULL)
    settings = load(file)
    hooks = (
        Hook(at=Point.BEFORE_TRAFFIC, command=("./smoke.sh", "--fast", ""), timeout=300),
        Hook(at=Point.BEFORE_TRAFFIC, command=("bin/migrate",), timeout=30),
    )
    assert settings.promote_for("production").policy == Policy(
        healthy_checks=5,
        soak=60,
        observe=600,
        keep=7200,
        deadline=1200,
        deadlines={"soak": 1260, "observe": 1800, "launch": 1800, "retire": 3600},
        hooks=hooks,
        alarms=("web-production-5xx",),
    )
    staging = settings.promote_for("staging").policy
    assert (staging.patience, staging.waits_for_slow_start) == (300, True)
    assert (staging.soak, staging.keep, staging.hooks) == (0, None, ())
    assert staging.alarms == ("web-5xx", "Späte Antworten")
    assert staging.limit("retire") == 2400
    assert (settings.promote.policy.keep, settings.promote.policy.healthy_checks) == (0, 3)
    with pytest.raises(ConfigurationError, match="write production"):
        settings.promote_for("prodction")


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        (
            '[promote]\nhealthy_checks = 0\nsook = "1s"',
            (
                "pipeline.toml:\n"
                "  line 6, promote.healthy_checks: is out of range: "
                "input should be greater than or equal to 1\n"
                "  line 7, promote.sook: unknown key; write promote.soak\n"
                "next: fix these 2 problems, then run: ami-pipeline config check"
            ),
        ),
        (
            '[environments.x.promote]\nkeep = "1h"',
            (
                "pipeline.toml line 6, environments.x.promote.keep:\n  unknown key\n"
                "next: the known key is bake.keep"
            ),
        ),
        (
            '[promote.deadlines]\nobserv = "1h"',
            (
                "pipeline.toml line 6, promote.deadlines.observ:\n"
                "  'observ' is not a phase: write observe\n"
                "next: fix it, then run: ami-pipeline config check"
            ),
        ),
        (
            '[promote.deadlines]\nx = "1h"',
            (
                "pipeline.toml line 6, promote.deadlines.x:\n"
                "  'x' is not a phase: the phases are launch, verify, attach, step, batch, "
                "soak, shift, drain, observe, retire, reattach, detach, delete\n"
                "next: fix it, then run: ami-pipeline config check"
            ),
        ),
        (
            (
                '[[promote.hooks]]\nat = "before-traffic"\ncommand = ["a"]\n'
                "[[promote.hooks]]\nat = 'after'\ncommand = \"./smoke.sh 'a b'\""
            ),
            (
                "pipeline.toml line 10, promote.hooks[1].command:\n"
                "  is one string, which no shell parses: "
                'write a list, ["./smoke.sh", "a b"]\n'
                "next: fix it, then run: ami-pipeline config check"
            ),
        ),
        (
            '[[environments.x.promote.hooks]]\nat = "before-traffic"\ntimeout = "1s"',
            (
                "pipeline.toml line 5, environments.x.promote.hooks[0].command:\n  is missing\n"
                "next: add to [[environments.x.promote.hooks]]: "
                'command = ["./smoke.sh", "--fast"]'
            ),
        ),
        (
            '[[promote.hooks]]\nat = "before-traffic"\ncommand = ["a"]\ntimout = "1s"',
            (
                "pipeline.toml line 8, promote.hooks[0].timout:\n  unknown key\n"
                "next: write promote.hooks[0].timeout"
            ),
        ),
        (
            '[promote]\nkeep_previous = "forever"',
            (
                "pipeline.toml line 6, promote.keep_previous:\n"
                '  \'forever\' is not a duration: "none", "next" (until the next promote) or a '
                'duration of at most 168h, such as "2h"\n'
                "next: fix it, then run: ami-pipeline config check"
            ),
        ),
        (
            '[promote.deadlines]\nsoak = "5m"\n[environments.x.promote]\nsoak = "5m"',
            (
                "pipeline.toml line 8, environments.x.promote.soak:\n"
                "  deadlines.soak is not longer than soak\n"
                "next: raise deadlines.soak or lower soak"
            ),
        ),
    ],
)
def test_a_mistake_in_a_promotion_is_reported_with_a_remedy(
    file: Path, toml: str, text: str
) -> None:
    assert str(refusal(file, f"{MINIMAL}{toml}\n")) == text


def test_settings_are_frozen_and_do_not_show_secret_values(file: Path) -> None:
    file.write_text(FULL)
    settings = load(file)
    with pytest.raises(ValueError, match="frozen"):
        settings.app = "other"
    assert "canary" not in repr(settings)
    assert "canary" not in json.dumps(settings.public())


def test_an_unknown_environment_is_reported_with_the_nearest_name(file: Path) -> None:
    file.write_text(FULL)
    with pytest.raises(ConfigurationError) as caught:
        load(file).bake_for("prodction")
    assert str(caught.value) == (
        f"environment prodction:\n  is not in {Path.cwd()}/pipeline.toml\nnext: write production"
    )
    with pytest.raises(ConfigurationError) as caught:
        load(file).bake_for("qa")
    known = ", ".join(load(file).environments)
    remedy = f"choose one of: {known}; or add [environments.qa] to the file"
    assert caught.value.remedy == remedy
    with pytest.raises(ConfigurationError) as caught:
        load(file).bake_for("\x1b[31mx")
    assert caught.value.where.isprintable()


def test_one_problem_is_reported_with_its_line_and_the_nearest_key(file: Path) -> None:
    assert str(refusal(file, MINIMAL + 'timeoot = "1m"\n')) == (
        "pipeline.toml line 5, bake.timeoot:\n  unknown key\nnext: write bake.timeout"
    )


def test_all_problems_are_reported_in_the_order_of_their_lines(file: Path) -> None:
    error = refusal(
        file,
        """\
app = "Web"
region = "eu-central-1a"
templte = "x"
[bake]
keep = 0
timeout = 90
sensitive = ["prt"]
[bake.vars]
token = 1
[bake.vars_from_env]
token = "TOKEN"
[bake.source]
owner = 137112412989
[environments.staging]
template = "x"
[state]
ulr = "x"
""",
    )
    assert str(error) == (
        "pipeline.toml:\n"
        "  line 1, app: 'Web' is not allowed: the name of an application has 1 to 32 "
        "characters from a-z 0-9 -, begins with a letter, and has no -- and no - at the end\n"
        "  line 2, region: 'eu-central-1a' is an Availability Zone: write its region, "
        "eu-central-1\n"
        "  line 3, templte: unknown key; remove it; the keys of this table are "
        "extends, app, region, bake, environments, promote, terraform, freeze, policy, state, "
        "notify, notify_check\n"
        '  line 4, bake.template: is missing; add to [bake]: template = "packer/app.pkr.hcl"\n'
        "  line 5, bake.keep: is out of range: input should be greater than or equal to 1\n"
        '  line 6, bake.timeout: \'90\' is not a duration: a duration is written "90s", "45m", '
        '"2h" or "1h30m", more than 0 and at most 24h\n'
        "  line 7, bake.sensitive[0]: vars has no variable 'prt'; fix the name, or remove it; "
        "vars_from_env is always masked\n"
        "  line 9, bake.vars.token: is also in vars_from_env; keep it in one of the two; "
        "a secret belongs in vars_from_env\n"
        '  line 12, bake.source: names no image; add id = "ami-...", or owner and name = "..."\n'
        "  line 13, bake.source.owner: is not a string: put it in double quotes\n"
        "  line 15, environments.staging.template: unknown key; the known key is bake.template\n"
        "  line 17, state.ulr: unknown key; write state.url\n"
        "next: fix these 12 problems, then run: ami-pipeline config check"
    )


def test_a_name_filter_without_an_owner_is_rejected(file: Path) -> None:
    error = refusal(file, MINIMAL + '[bake.source]\nname = "al2023-*"\n')
    assert str(error) == (
        "pipeline.toml line 6, bake.source.name:\n"
        "  has no owner: any AWS account can publish a newer image of such a name "
        "(the whoAMI attack)\n"
        'next: add owner = "amazon" or the 12-digit account id'
    )


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ('[bake.source]\nid = "ami-01234567"\nowner = "self"\nname = "abc"', "bake.source"),
        ('[bake.source]\nowner = "self"', "bake.source"),
        ("[bake.source]", "bake.source"),
        ('[bake.source]\nid = "ami-1"', "bake.source.id"),
        ('[bake.source]\nowner = "12345"\nname = "abc"', "bake.source.owner"),
        ('[bake.source]\nowner = "amazon"\nname = "*"', "bake.source.name"),
        ('regions = ["eu-central-1"]', "bake.regions[0]"),
        ('regions = ["us-east-1", "us-east-1"]', "bake.regions[1]"),
        ('pass_variables = ["size"]', "bake.pass_variables[0]"),
        ('var_files = ["/etc/x"]', "bake.var_files[0]"),
        ("vars = { at = 1979-05-27 }", "bake.vars.at"),
        ("vars = { at = nan }", "bake.vars.at"),
        ('vars_from_env = { token = "A-B" }', "bake.vars_from_env.token"),
        ("keep = true", "bake.keep"),
        ("keep = 5.0", "bake.keep"),
        ("keep = 1001", "bake.keep"),
        ('timeout = "0s"', "bake.timeout"),
        ("timeout = 1e99", "bake.timeout"),
        ('tfvars = "ami.tfvars"', "bake.tfvars"),
        ('tfvars = "../ami.tfvars.json"', "bake.tfvars"),
        ('dotenv = "pipeline.toml"', "bake.dotenv"),
        ('only = ["-a"]', "bake.only[0]"),
        ('inputs = "app"', "bake.inputs"),
        ("tags = { Team = 1 }", "bake.tags.Team"),
        ('tags = "x"', "bake.tags"),
        ("[bake.tags]\n" + "".join(f"t{n} = 'x'\n" for n in range(51)), "bake.tags"),
        ('[environments]\nstaging = "x"', "environments.staging"),
        (
            '[bake.vars]\nk = 1\n[environments.x.bake]\nvars_from_env = { k = "K" }',
            "environments.x.bake.vars_from_env.k",
        ),
        (
            '[bake.vars_from_env]\nk = "K"\n[environments.x.bake.vars]\nk = 1',
            "environments.x.bake.vars.k",
        ),
        ('[state]\nurl = "https://example.org"', "state.url"),
        ("[bake.vars.a.b.c.d.e.f.g.h.i.j]", "bake.vars.a"),
        ('[terraform]\nmodule = "../release"', "terraform.module"),
        ('[terraform]\nmodule = "git::https://example.org/x"', "terraform.module"),
        ("[terraform.inputs]\nreleases = 1", "terraform.inputs.releases"),
        ("[terraform.inputs]\nsource = 'x'", "terraform.inputs.source"),
        ("[terraform.inputs]\nat = 1979-05-27", "terraform.inputs.at"),
        ("[terraform.inputs]\nx = 'a\\u202eb'".replace("'", '"'), "terraform.inputs.x"),
        ("[terraform.inputs]\nx = '::set-env name=A::b'", "terraform.inputs.x"),
        ("[terraform.backend]", "terraform.backend.bucket"),
        ('[terraform.backend]\nbucket = "B"', "terraform.backend.bucket"),
        ('[terraform.backend]\nbucket = "bkt"\nkey_prefix = "/x"', "terraform.backend.key_prefix"),
        ('[terraform.backend]\nbucket = "bkt"\nlock = false', "terraform.backend.lock"),
        (
            '[terraform.backend]\nbucket = "bkt"\nkms_key_id = "my-key"',
            "terraform.backend.kms_key_id",
        ),
        (
            f'[terraform.backend]\nbucket = "bkt"\nkms_key_id = "{KMS_KEY}"\nregion = "eu-west-1"',
            "terraform.backend.kms_key_id",
        ),
        (
            f'[terraform.backend]\nbucket = "bkt"\nkms_key_id = "{KMS_KEY}"\nregion = "cn-north-1"',
            "terraform.backend.kms_key_id",
        ),
        ('[state]\nkms_key_id = "alias/state"', "state.kms_key_id"),
        ('[terraform]\nprovider_version = "newest"', "terraform.provider_version"),
        ('[terraform]\nprovider_version = "${version}"', "terraform.provider_version"),
        ("[environments.x]\naccount = 123456789012", "environments.x.account"),
        ('[environments.x]\naccount = "self"', "environments.x.account"),
        ('[environments.x]\ninstance_type = "t3"', "environments.x.instance_type"),
        ("[environments.x]\nmin_size = -1", "environments.x.min_size"),
        ("[environments.x]\nmin_size = true", "environments.x.min_size"),
        ("[environments.x]\nmax_size = 0", "environments.x.max_size"),
        ("[environments.x]\nmax_size = 1001", "environments.x.max_size"),
        ("[environments.x]\nmin_size = 3\nmax_size = 2", "environments.x.max_size"),
        (
            "[environments.x]\nmin_size = 3\ndesired_capacity = 2\nmax_size = 4",
            "environments.x.desired_capacity",
        ),
        (
            "[environments.x]\ndesired_capacity = 5\nmax_size = 4",
            "environments.x.max_size",
        ),
        ("[environments.x]\nload_balancers = 'web'", "environments.x.load_balancers"),
        ("[environments.x]\nload_balancers = ['-web']", "environments.x.load_balancers[0]"),
        ("[environments.x]\nload_balancers = ['a', 'a']", "environments.x.load_balancers[1]"),
        ("[environments.x]\ntarget_groups = ['arn:aws:s3:::x']", "environments.x.target_groups[0]"),
        ("[environments.x]\ntarget_groups = ['web/1']", "environments.x.target_groups[0]"),
        ("[promote]\nhealthy_checks = 61", "promote.healthy_checks"),
        (
            "[promote]\noverlap = false\n[environments.x]\nload_balancers = ['a']",
            "environments.x.load_balancers",
        ),
        (
            "[environments.x]\ntarget_groups = ['a']\n[environments.x.promote]\noverlap = false",
            "environments.x.promote.overlap",
        ),
        ("[promote]\nsoak = 30", "promote.soak"),
        ("[promote]\npause_before = ['reattach']", "promote.pause_before[0]"),
        ("[promote]\npause_before = ['drian']", "promote.pause_before[0]"),
        ("[promote]\npause_for = '30s'", "promote.pause_for"),
        ("[promote]\napproval = 'me'", "promote.approval"),
        (
            "[promote]\napproval = 'another'\non_pause_timeout = 'resume'",
            "promote.on_pause_timeout",
        ),
        (
            (
                "[promote]\napproval = 'another'\n"
                "[environments.x.promote]\non_pause_timeout = 'resume'"
            ),
            "environments.x.promote.on_pause_timeout",
        ),
        ("[promote]\nsoak = '25h'", "promote.soak"),
        ("[promote]\ndeadline = '0s'", "promote.deadline"),
        ("[promote]\nkeep_previous = '169h'", "promote.keep_previous"),
        ("[promote]\nalarms = ['']", "promote.alarms[0]"),
        ("[promote]\nalarms = ['a\\u202eb']".replace("'", '"'), "promote.alarms[0]"),
        ("[promote]\nhooks = ['a']", "promote.hooks[0]"),
        (
            "[promote]\nhooks = [{ at = 'after', command = [] }]",
            "promote.hooks[0].command",
        ),
        (
            "[promote]\nhooks = [{ at = 'after', command = [''] }]",
            "promote.hooks[0].command",
        ),
        (
            "[promote]\nhooks = [{ at = 'after', command = ['a', 1] }]",
            "promote.hooks[0].command[1]",
        ),
        (
            "[promote]\nhooks = [{ at = 'after', command = ['::error::x'] }]",
            "promote.hooks[0].command[0]",
        ),
        ("[promote.deadlines]\nsoak = '30s'\n[promote]", "promote.deadlines.soak"),
        (
            "[promote]\nsoak = '1m'\n[promote.deadlines]\nsoak = '1m'",
            "promote.deadlines.soak",
        ),
        (
            "[environments.x.terraform]\ninputs = { environment = 'y' }",
            "environments.x.terraform.inputs.environment",
        ),
    ],
)
def test_each_rule_names_its_key_and_line(file: Path, more: str, where: str) -> None:
    error = refusal(file, f"{MINIMAL}{more}\n")
    assert error.where.startswith("pipeline.toml line ")
    assert error.where.endswith(f", {where}")
    assert error.remedy


def test_an_impossible_size_is_reported_with_both_numbers(file: Path) -> None:
    error = refusal(file, f"{MINIMAL}[environments.x]\nmin_size = 3\nmax_size = 2\n")
    assert str(error) == (
        "pipeline.toml line 7, environments.x.max_size:\n  is 2, less than min_size = 3\n"
        "next: raise max_size or lower min_size"
    )


def test_a_backend_without_a_bucket_is_reported_with_a_line_to_paste(file: Path) -> None:
    error = refusal(file, f"{MINIMAL}[terraform.backend]\nregion = 'eu-west-1'\n")
    assert error.remedy == 'add to [terraform.backend]: bucket = "example-terraform-state"'


def test_an_environments_own_secret_may_be_named_sensitive(file: Path) -> None:
    more = 'sensitive = ["key"]\n[environments.staging.bake.vars]\nkey = "canary"\n'
    file.write_text(MINIMAL + more)
    assert "canary" not in json.dumps(load(file).public())


# --- hostile values ---------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    "hostile", IN_A_FILE, ids=lambda each: f"{each.field}-{each.value[:24]!a}-{each.why}"
)
def test_a_hostile_value_in_the_file_is_rejected_and_its_key_named(
    file: Path, hostile: Hostile
) -> None:
    template, where = PLACES[hostile.field]
    content = template.replace("%s", quoted(hostile.value))
    start = time.thread_time()
    error = refusal(file, content)
    assert time.thread_time() - start < 5  # seconds, on a busy machine
    assert f", {where}" in error.where
    assert str(error).replace("\n", "").isprintable()
    assert list(Path().iterdir()) == [file], "nothing was written"


@pytest.mark.parametrize("field", PLACES)
def test_a_mebibyte_in_any_key_is_rejected_by_the_size_of_the_file(
    file: Path, field: Field
) -> None:
    error = refusal(file, PLACES[field][0].replace("%s", quoted(MEBIBYTE)))
    assert error.what == "is larger than 256 KiB"


def test_a_lone_surrogate_is_not_valid_toml(file: Path) -> None:
    assert "not a Unicode scalar" in refusal(file, 'app = "\\ud800"').what


# --- invalid files --------------------------------------------------


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b"\xef\xbb\xbf" + MINIMAL.encode(), "pipeline.toml", "begins with a byte order mark"),
        (MINIMAL.encode("utf-16"), "pipeline.toml", "is UTF-16 or binary, not UTF-8 text"),
        (MINIMAL.encode("utf-16-le"), "pipeline.toml", "is UTF-16 or binary, not UTF-8 text"),
        (b'app = "web"\nx = "\xff"\n', "pipeline.toml", "line 2 is not UTF-8 text"),
        (b"app = 'web'\nregion = \n", "pipeline.toml line 2", "is not TOML: Invalid value"),
        (b"a = 1\na = 2\n", "pipeline.toml line 2", "is not TOML: Cannot overwrite a value"),
        (b"a = {b = 1, b = 2}", "pipeline.toml line 1", "is not TOML: Duplicate inline table key"),
        (b"a = " + b"9" * 5000, "pipeline.toml", "is not TOML: Exceeds the limit"),
        (b"a = " + b"[" * 100_000, "pipeline.toml", "nests deeper than 32 levels"),
        (b"a." * 100_000 + b"a = 1", "pipeline.toml", "nests deeper than 32 levels"),
        (b"a = '''" + b"x" * 2**20 + b"'''", "pipeline.toml", "is larger than 256 KiB"),
        (b"[bake]\n" * 30_000, "pipeline.toml line 2", "is not TOML: Cannot declare ('bake',)"),
    ],
)
def test_an_unreadable_file_is_reported_with_the_reason(
    file: Path, content: bytes, where: str, what: str
) -> None:
    start = time.thread_time()
    error = refusal(file, content)
    assert time.thread_time() - start < 2
    assert error.where == where
    assert error.what.startswith(what)


def test_many_problems_are_shortened_and_found_quickly(file: Path) -> None:
    start = time.thread_time()
    error = refusal(file, MINIMAL + "".join(f"k{number} = 1\n" for number in range(2000)))
    assert time.thread_time() - start < 5
    assert error.what.endswith("\nand 1980 more")


@pytest.mark.parametrize(
    "path", ["missing.toml", "a\0b", "x" * 300], ids=["absent", "NUL", "too long"]
)
def test_a_missing_file_is_a_configuration_error(file: Path, path: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened") as caught:
        load(file.with_name(path))
    assert str(caught.value).replace("\n", "").isprintable()


def test_a_directory_and_a_pipe_are_rejected_without_waiting(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(ConfigurationError, match="is not a regular file"):
        load(file)
    with pytest.raises(ConfigurationError, match="is not a regular file"):
        load(Path())


def test_links_must_stay_inside_the_repository(tmp_path: Path) -> None:
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    service = repository / "services" / "web"
    for folder in (service, repository / ".git", repository / "packer", outside):
        folder.mkdir(parents=True)
    (service / "pipeline.toml").write_text(MINIMAL)
    (service / "packer").symlink_to(repository / "packer")
    (service / "module").symlink_to(outside)
    inside = (service / "pipeline.toml").read_text()
    (service / "pipeline.toml").write_text(f"{inside}[terraform]\nmodule = 'module'\n")
    with pytest.raises(ConfigurationError, match="leaves the repository") as caught:
        load(service / "pipeline.toml")
    assert caught.value.where.endswith("line 6, terraform.module")
    (service / "pipeline.toml").write_text(inside)
    assert load(service / "pipeline.toml").bake.template == "packer/app.pkr.hcl"
    for target in (outside, service / "packer"):  # the second is a link to itself
        (service / "packer").unlink()
        (service / "packer").symlink_to(target)
        with pytest.raises(ConfigurationError, match="leaves the repository") as caught:
            load(service / "pipeline.toml")
        assert caught.value.where.endswith("line 4, bake.template")


# --- finding ---------------------------------------------------------------------------------


def test_the_file_is_found_in_a_folder_above(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pipeline.toml").write_text(MINIMAL)
    assert find(inner) == tmp_path / "pipeline.toml"
    (tmp_path / "a" / "pipeline.toml").write_text(MINIMAL)
    assert find(inner) == tmp_path / "a" / "pipeline.toml"


def test_the_search_ends_at_the_top_of_the_repository(tmp_path: Path) -> None:
    inner = tmp_path / "repository"
    (inner / ".git").mkdir(parents=True)
    (tmp_path / "pipeline.toml").write_text(MINIMAL)
    with pytest.raises(ConfigurationError, match="ami-pipeline init; or add") as caught:
        find(inner)
    assert caught.value.where == str(inner)


def test_a_file_in_a_world_writable_folder_above_is_rejected(tmp_path: Path) -> None:
    inner = tmp_path / "a"
    inner.mkdir()
    (tmp_path / "pipeline.toml").write_text(MINIMAL)
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigurationError, match="every user can write"):
        find(inner)
    assert find(tmp_path) == tmp_path / "pipeline.toml"


# --- schema, command, documentation ----------------------------------------------------------


def test_the_checked_in_schema_is_the_models() -> None:
    checked_in = json.loads((ROOT / "docs/reference/pipeline.schema.json").read_text())
    assert checked_in == schema(), "run: make docs"


def test_the_schema_accepts_valid_files_and_rejects_unknown_keys() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    for text in (MINIMAL, FULL):
        validator.validate(tomllib.loads(text))
    for more in ("x = 1", 'timeout = "soon"', "keep = 0", "[state]\nulr = 'x'"):
        assert not validator.is_valid(tomllib.loads(f"{MINIMAL}{more}"))


def test_the_schema_command_prints_the_schema() -> None:
    result = CliRunner().invoke(config, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == schema()


def write_files(root: Path) -> None:
    """Write each file that FULL names; hooks are executable."""
    for name in ("smoke.sh", "bin/migrate"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch(mode=0o755)
    for name in ("packer/app.pkr.hcl", "app", "modules/release/main.tf"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def test_the_check_command_names_each_file_that_does_not_exist(file: Path) -> None:
    template = 'user_data_template = "deploy/boot.sh.tftpl"'
    file.write_text(
        f"{MINIMAL}inputs = ['app']\nvar_files = ['prod.pkrvars.hcl']\n"
        f"[terraform.inputs]\n{template}\n"
        f"[environments.staging.terraform.inputs]\n{template}\n"
    )
    found = CliRunner().invoke(config, ["check"], obj=Context()).exception
    assert isinstance(found, ConfigurationError)
    here = Path.cwd()
    hint = "create it, or fix the path, which begins in the folder of pipeline.toml"
    assert found.what.splitlines() == [
        f"line 4, bake.template: {here}/packer/app.pkr.hcl does not exist; {hint}",
        f"line 5, bake.inputs[0]: {here}/app does not exist; {hint}",
        f"line 6, bake.var_files[0]: {here}/prod.pkrvars.hcl does not exist; {hint}",
        (
            f"line 8, terraform.inputs.user_data_template: {here}/deploy/boot.sh.tftpl does not "
            f"exist; {hint}"
        ),
        (
            f"line 10, environments.staging.terraform.inputs.user_data_template: "
            f"{here}/deploy/boot.sh.tftpl does not exist; {hint}"
        ),
    ]


def test_the_check_command_names_each_hook_that_cannot_run(file: Path) -> None:
    write_files(file.parent)
    file.write_text(
        f"{MINIMAL}inputs = []\n[promote]\nhooks = [{{ at = 'after', command = ['./smoke.sh'] }}, "
        "{ at = 'after', command = ['sh', '-c', 'true'] },"
        " { at = 'after', command = ['no-such-program'] }]\n"
        "[environments.staging.promote]\n"
        "hooks = [{ at = 'after', command = ['hooks/a.sh', '--fast'] }]\n"
    )
    (file.parent / "smoke.sh").chmod(0o644)
    found = CliRunner().invoke(config, ["check"], obj=Context()).exception
    assert isinstance(found, ConfigurationError)
    here = Path.cwd()
    assert found.what.splitlines() == [
        (
            f"line 7, promote.hooks[0].command[0]: {here}/smoke.sh is not executable; "
            f"chmod +x {here}/smoke.sh"
        ),
        (
            "line 7, promote.hooks[2].command[0]: there is no program no-such-program on PATH; "
            "install it, or write its path"
        ),
        (
            f"line 9, environments.staging.promote.hooks[0].command[0]: there is no file "
            f"{here}/hooks/a.sh; create it, or fix the path, "
            "which begins in the folder of pipeline.toml"
        ),
    ]


def test_an_input_of_another_module_is_no_file(file: Path) -> None:
    write_files(file.parent)
    named = "[terraform]\nmodule = 'modules/release'\n[terraform.inputs]\n"
    file.write_text(f"{MINIMAL}{named}user_data_template = 'x'\n")
    assert CliRunner().invoke(config, ["check"], obj=Context()).exit_code == 0


def test_the_check_command_shows_what_the_file_comes_to(file: Path) -> None:
    file.write_text(FULL)
    write_files(file.parent)
    result = CliRunner().invoke(config, ["check"], obj=Context())
    assert result.exit_code == 0
    assert "canary" not in result.output
    assert result.output.splitlines()[:4] == [
        f"# {Path.cwd()}/pipeline.toml",
        'app = "web"',
        'region = "eu-central-1"',
        'bake.template = "packer/app.pkr.hcl"',
    ]
    assert 'bake.vars.db_url = "<sensitive>"' in result.output
    assert "environments.staging.bake.vars.port = 8081" not in result.output.splitlines()[:4]


def test_the_check_command_prints_one_json_document(file: Path) -> None:
    other = file.with_name("other.toml")
    other.write_text(FULL)
    write_files(file.parent)
    result = CliRunner().invoke(config, ["check"], obj=Context(output="json", config=str(other)))
    document = json.loads(result.output)
    assert document["file"] == str(other.absolute())
    assert document["settings"]["bake"]["timeout"] == 5400
    assert "canary" not in result.output


def test_the_check_command_leaves_errors_to_the_one_who_catches(file: Path) -> None:
    file.write_text("")
    found = CliRunner().invoke(config, ["check"], obj=Context()).exception
    assert isinstance(found, ConfigurationError)


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs/reference/configuration.md").read_text()
    assert [key for key in keys() if f"`{key}`" not in text] == []


def test_the_documentations_example_is_valid(file: Path) -> None:
    text = (ROOT / "docs/reference/configuration.md").read_text()
    file.write_text(text.partition("```toml\n")[2].partition("```")[0])
    assert load(file).bake_for("staging").vars["port"] == 8081


@pytest.mark.parametrize(
    "key",
    [
        KMS_KEY,
        "alias/states",
        "1234abcd-12ab-34cd-a6ef-1234567890ab",
        "mrk-1234567890abcdef1234567890abcdef",
        "arn:aws:kms:eu-central-1:123456789012:alias/team/states",
    ],
)
def test_a_kms_key_is_an_arn_an_id_or_an_alias(file: Path, key: str) -> None:
    backend = f'[terraform.backend]\nbucket = "bkt"\nkms_key_id = "{key}"\n'
    state = f'[state]\nurl = "s3://bkt/web"\nkms_key_id = "{key}"\n'
    file.write_text(MINIMAL + backend + state)
    settings = load(file)
    assert settings.terraform.backend
    assert (settings.terraform.backend.kms_key_id, settings.state.kms_key_id) == (key, key)


def test_a_kms_key_of_another_region_is_reported_with_the_bucket_s_region(file: Path) -> None:
    backend = (
        f'[terraform.backend]\nbucket = "bkt"\nregion = "cn-north-1"\nkms_key_id = "{KMS_KEY}"\n'
    )
    error = refusal(file, MINIMAL + backend)
    assert "is a key of arn:aws:kms:eu-central-1:, but the bucket is in cn-north-1" in error.what
    assert "name a key of arn:aws-cn:kms:cn-north-1:" in str(error)


@pytest.mark.parametrize(
    "version", ["5.100.0", "= 5.100.0", "~> 5.90", ">= 5.0, < 7.0", "!= 6.0.0", "6.0.0-beta1"]
)
def test_a_version_of_the_provider_is_terraforms_constraint(file: Path, version: str) -> None:
    file.write_text(f'{MINIMAL}[terraform]\nprovider_version = "{version}"\n')
    assert load(file).terraform.provider_version == version
