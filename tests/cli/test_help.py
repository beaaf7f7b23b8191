"""The help of the commands, as a person reads it at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from pipeline.cli.main import cli, run

HELP = {
    "promote": """\
Usage: ami-pipeline promote [OPTIONS]

  Put an image into service and retire the release that serves.

  The default is the newest good image. If the deployment fails before the old
  group is deleted, the old release keeps serving and the new group is
  deleted.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --image IMAGE           Promote this AMI or version.
  --from NAME             Promote the image that serves in environment NAME.
  --plan                  Show the plan and change nothing.
  --yes                   Skip the confirmation prompt (required without a
                          terminal).
  --keep-failed           Keep a failed group, detached, for debugging.
  --redeploy              Replace the instances even if nothing differs.
  --allow-quarantined     Allow an image that a rollback quarantined.
  --allow-unhealthy       Continue even if the serving release is unhealthy or
                          an alarm is firing.
  --change-program        Change from Terraform to OpenTofu, or back.
  --no-wait-retire        End before the old group is deleted: a later command
                          does that.
  --detach NAME           Leave this load balancer for good (repeatable).
  --why TEXT              Record this reason with the deployment.
  --override-freeze       Continue even if the environment is frozen.
  --pause-before PHASE    Pause before this phase (repeatable).
  --wait [DURATION]       Wait while another run holds the lease.
  --no-recover            Fail instead of resuming an interrupted deployment.
  --dotenv FILE           Also write the outputs to this file, for GitLab.
  -h, --help              Show this message and exit.
""",
    "rollback": """\
Usage: ami-pipeline rollback [OPTIONS]

  Put the previous good release back into service.

  This takes seconds while its group is warm; otherwise a new group of its
  image is launched. It ends when traffic is safe. A later command removes the
  replaced group, with --wait this one. The replaced image is quarantined:
  promote and rollback reject it without --allow-quarantined. `rollback drill`
  proves that it would work.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --to TARGET             Roll back to this release (r000123), AMI or version.
  --allow-quarantined     Allow an image that a rollback quarantined.
  --plan                  Show the plan and change nothing.
  --yes                   Skip the confirmation prompt (required without a
                          terminal).
  --wait                  Also wait until the replaced group is deleted.
  --why TEXT              Record this reason with the deployment.
  --detach NAME           Leave this load balancer for good (repeatable).
  --no-recover            Fail instead of resuming an interrupted deployment.
  --dotenv FILE           Also write the outputs to this file, for GitLab.
  -h, --help              Show this message and exit.
""",
    "rebuild": """\
Usage: ami-pipeline rebuild [OPTIONS]

  Bake if an input changed, then promote if another image serves.

  For a nightly job: it asks for no confirmation. It fails if a person rolled
  back to the serving release or promoted another version. With --only-if
  packages, an image whose packages are those of the serving one is not
  promoted. If the packages are unknown, it is.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --version VERSION       Bake this version (default: git describe).
  --only-if [packages]    Promote only an image with a changed package.
  --why TEXT              Record this reason with the deployment.
  --override-freeze       Continue even if the environment is frozen.
  --pause-before PHASE    Pause before this phase (repeatable).
  --no-recover            Fail instead of resuming an interrupted deployment.
  --dotenv FILE           Also write the outputs to this file, for GitLab.
  -h, --help              Show this message and exit.
""",
    "resume": """\
Usage: ami-pipeline resume [OPTIONS]

  Continue a paused deployment.

  It first checks that the groups are as the last phase left them, and rolls
  back if they are not.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --reason TEXT           Record why the pause ends.
  --override-freeze       Continue even if the environment is frozen.
  --dotenv FILE           Also write the outputs to this file, for GitLab.
  -h, --help              Show this message and exit.
""",
    "recover": """\
Usage: ami-pipeline recover [OPTIONS]

  Finish or undo an interrupted deployment.

  It also removes the group that a rollback left for a later command.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --expired               Only end a pause whose time is over.
  -h, --help              Show this message and exit.
""",
    "abort": """\
Usage: ami-pipeline abort [OPTIONS]

  Undo a deployment in flight, or delete groups kept by --keep-failed.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --reason TEXT           Record why the pause ends.
  -h, --help              Show this message and exit.
""",
    "status": """\
Usage: ami-pipeline status [OPTIONS]

  Show the serving release, the deployment in flight, and how to roll back.

  Without an environment, show all of them, one line for each.

Options:
  -e, --environment NAME  Use the environment [environments.NAME] (default:
                          all).
  --watch                 Refresh every 2 seconds (needs -e).
  -h, --help              Show this message and exit.
""",
    "history": """\
Usage: ami-pipeline history [OPTIONS]

  List the deployments of an environment, newest first.

  A damaged record is named, and the exit code is 3.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --limit N               Show N deployments.  [default: 20; 1<=x<=1000]
  -h, --help              Show this message and exit.
""",
    "lock show": """\
Usage: ami-pipeline lock show [OPTIONS]

  Show which run holds the lease, since when, and its command.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  -h, --help              Show this message and exit.
""",
    "lock break": """\
Usage: ami-pipeline lock break [OPTIONS]

  Take the lease away from a run that hangs.

  That run changes nothing more and ends with exit code 6. Finish its
  deployment with recover.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --yes                   Skip the confirmation prompt (required without a
                          terminal).
  -h, --help              Show this message and exit.
""",
    "state restore": """\
Usage: ami-pipeline state restore [OPTIONS]

  Restore an earlier version of an environment's document.

  The difference is shown before the confirmation prompt. Nothing in AWS is
  changed. Run recover or status next.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --version N             Restore version N (default: newest intact).  [x>=1]
  --yes                   Skip the confirmation prompt (required without a
                          terminal).
  -h, --help              Show this message and exit.
""",
    "state rebuild": """\
Usage: ami-pipeline state rebuild [OPTIONS]

  Rebuild a lost document from the tags of the server groups.

  What it would write is shown before the confirmation prompt. Nothing in AWS
  is changed. Terraform imports the groups that its state lacks.

Options:
  -e, --environment NAME  Use the environment [environments.NAME].  [required]
  --yes                   Skip the confirmation prompt (required without a
                          terminal).
  -h, --help              Show this message and exit.
""",
    "permissions": """\
Usage: ami-pipeline permissions [OPTIONS] [bake|deploy|read|prune|inspect]

  Print the least IAM policy with which a role's commands work.

  The policy has the names, accounts, keys and buckets of pipeline.toml.
  Without a role, it is for bake and deploy together, as rebuild needs. Paste
  it into IAM. IAM accepts 6,144 characters in a managed policy; a message
  names the parts of a longer one.

Options:
  -e, --environment NAME  Limit the policy to this environment (default: all).
  --group NAME            Also attach and detach this adopted group.
  --pair                  Also set up a pair of target groups.
  --part N                Print one of several policies that IAM accepts.
                          [x>=1]
  -h, --help              Show this message and exit.
""",
    "doctor": """\
Usage: ami-pipeline doctor [OPTIONS]

  Check the store, the tools and the files, and print a fix for each problem.

Options:
  -e, --environment NAME  Also check a deployment to this environment.
  -h, --help              Show this message and exit.
""",
}


@pytest.mark.parametrize("command", HELP)
def test_the_help_of_a_command_is_this(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*command.split(), "--help"]) == 0
    assert capsys.readouterr().out == HELP[command]


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group, with the words that run it."""
    context = click.Context(group, **cli.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands(cli, "ami-pipeline"))
AVOIDED = ("where ", "what ", "whoever ", "though ")


@pytest.mark.parametrize("path", COMMANDS)
def test_a_summary_is_a_sentence_that_fits_one_line_of_80_columns(path: str) -> None:
    summary = (COMMANDS[path].help or "").split("\n\n")[0]
    assert summary.endswith(".")
    assert summary[0].isupper()
    assert len(summary) <= 76
    assert not any(word in summary.lower() for word in AVOIDED)


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_an_option_is_a_sentence_that_fits_one_line_of_80_columns(path: str) -> None:
    options = (each for each in COMMANDS[path].params if isinstance(each, click.Option))
    for option in options:
        text = getattr(option, "help", None)
        assert text, option
        assert text.endswith(".")
        assert len(text) <= 80
        assert not any(word in text.lower() for word in AVOIDED)


@pytest.mark.parametrize("path", COMMANDS)
def test_no_line_of_a_help_is_wider_than_80_columns_and_no_summary_is_cut(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*path.split()[1:], "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line.endswith("...") for line in lines if "Usage:" not in line)
