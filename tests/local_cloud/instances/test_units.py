"""Unit files, user data and systemctl, without a cloud."""

from __future__ import annotations

import asyncio
import email.mime.multipart
import email.mime.text
import gzip
import re
import signal
from typing import TYPE_CHECKING

import pytest

from local_cloud.clock import Clock
from local_cloud.instances import network, rootfs, user_data
from local_cloud.instances.console import KEPT, Console
from local_cloud.instances.isolation import Plain
from local_cloud.instances.systemd import systemctl, unit_files, unit_syntax, units
from local_cloud.instances.systemd.journal import Journal
from local_cloud.instances.systemd.service import Service, restarts
from local_cloud.instances.systemd.services import Services

if TYPE_CHECKING:
    from pathlib import Path

APP = r"""
# a comment
[Unit]
Description=An app
[Service]
Type=simple
Environment=A=1 "B=two words"
Environment=C=3
EnvironmentFile=-/etc/app.env
WorkingDirectory=/opt/app
ExecStartPre=-/bin/mkdir -p /run/app
ExecStart=@/usr/bin/app app-name --flag \
  "one word" ${A} $B
Restart=on-failure
RestartSec=1min 5s
[Install]
WantedBy=multi-user.target
"""


def test_a_unit_file_is_read_as_systemd_reads_it() -> None:
    unit = units.parse("app", APP)
    assert unit.ignored == ()
    assert unit.name == "app.service"
    assert unit.description == "An app"
    assert unit.environment == (("A", "1"), ("B", "two words"), ("C", "3"))
    assert unit.environment_files == ("-/etc/app.env",)
    assert unit.start_before == (
        units.Command(words=("/bin/mkdir", "-p", "/run/app"), may_fail=True),
    )
    (start,) = unit.start
    environment = {"A": "1", "B": "two words"}
    expected = ["/usr/bin/app", "--flag", "one word", "1", "two", "words"]
    assert start.expanded(environment) == expected
    assert unit.restart_after == 65
    assert unit.wanted_by == ("multi-user.target",)


def test_an_empty_assignment_clears_what_came_before() -> None:
    unit = units.parse("app", "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n")
    assert [command.words for command in unit.start] == [("/bin/b",)]


def test_an_instance_of_a_template_unit_gets_its_name() -> None:
    unit = units.parse("web@blue", "[Service]\nExecStart=/bin/echo %i %p 100%%\n")
    assert unit.start[0].words == ("/bin/echo", "blue", "web", "100%")
    assert unit_syntax.file_name("web@blue") == "web@.service"


def test_an_environment_file_is_assignments_without_quotes() -> None:
    text = "# no\nA=1\n B = 'two words' \nC=\"x\"\nnothing\n"
    assert unit_syntax.environment_file(text) == [("A", "1"), ("B", "two words"), ("C", "x")]


@pytest.mark.parametrize(
    ("span", "expected"), [("5", 5), ("100ms", 0.1), ("1min 30s", 90), ("2h", 7200)]
)
def test_time_spans(span: str, expected: float) -> None:
    assert unit_syntax.seconds(span) == expected


@pytest.mark.parametrize(
    ("restart", "kind", "state", "expected"),
    [
        ("no", "simple", "failed", False),
        ("always", "simple", "inactive", True),
        ("always", "oneshot", "inactive", False),
        ("on-failure", "simple", "failed", True),
        ("on-failure", "simple", "inactive", False),
        ("on-success", "simple", "inactive", True),
    ],
)
def test_when_a_service_starts_again(restart: str, kind: str, state: str, expected: bool) -> None:
    unit = units.Unit(name="app.service", restart=restart, kind=kind)
    assert restarts(Service(unit=unit, state=state)) is expected


def test_user_data_is_a_script_or_several_gzipped_or_not() -> None:
    script = "#!/bin/sh\ntrue\n"
    several = email.mime.multipart.MIMEMultipart()
    for text, kind in ((script, "x-shellscript"), ("#cloud-config\n", "cloud-config")):
        several.attach(email.mime.text.MIMEText(text, kind))
    assert user_data.parts(script.encode()) == ([script.encode()], [])
    assert user_data.parts(gzip.compress(script.encode())) == ([script.encode()], [])
    scripts, remarks = user_data.parts(several.as_bytes())
    assert scripts == [script.encode()]
    assert len(remarks) == 1
    assert user_data.parts(b"") == ([], [])


def test_the_console_keeps_the_last_64_kilobytes(tmp_path: Path) -> None:
    console = Console(path=tmp_path / "console.log")
    for number in range(5000):
        console.say("line", f"{number:050}")
    assert len(console.read()) == KEPT
    assert console.read().endswith(b"4999\n")
    assert console.path.stat().st_size <= 2 * KEPT


def test_a_link_of_the_instance_never_leads_to_the_host(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/absolute").symlink_to("/etc/passwd")
    (tmp_path / "etc/upwards").symlink_to("../../../../etc/passwd")
    (tmp_path / "etc/loop").symlink_to("loop")
    assert rootfs.inside(tmp_path, "/etc/absolute") == tmp_path / "etc/passwd"
    assert rootfs.inside(tmp_path, "/etc/upwards") == tmp_path / "etc/passwd"
    assert rootfs.inside(tmp_path, "../../etc/hosts") == tmp_path / "etc/hosts"
    assert rootfs.inside(tmp_path, "/etc/loop") == tmp_path / "etc/loop"


def test_speed_divides_every_delay_and_imperceptible_delays_are_skipped() -> None:
    assert Clock(speed=1).scaled(5) == 5
    assert Clock(speed=50).scaled(5) == 0.1
    assert Clock(speed=1000).scaled(5) == 0


def test_addresses_are_not_assigned_twice() -> None:
    claimed = network.claim()
    other = network.claim()
    addresses = {claimed.address() for _ in range(2000)}
    assert len(addresses) == 2000
    assert all(address.startswith(f"127.{claimed.number}.") for address in addresses)
    assert other.number != claimed.number
    claimed.close()
    other.close()


@pytest.mark.parametrize(
    ("output", "prints"),
    [
        ("", False),
        ("StandardOutput=journal", False),
        ("StandardOutput=null", False),
        ("StandardOutput=journal+console", True),
        ("StandardOutput=kmsg+console", True),
        ("StandardOutput=tty", True),
    ],
)
def test_a_service_prints_on_the_console_only_if_its_unit_says_so(
    output: str, prints: bool
) -> None:
    assert units.parse("app", f"[Service]\n{output}\n").prints_on_console is prints


def test_journald_forwards_to_the_console_only_if_its_last_word_says_so() -> None:
    on, off = (f"[Journal]\nForwardToConsole={word}\n" for word in ("yes", "no"))
    assert not unit_syntax.forwards_to_console()
    assert not unit_syntax.forwards_to_console("[Journal]\n#ForwardToConsole=yes\n")
    assert unit_syntax.forwards_to_console(off, on)
    assert not unit_syntax.forwards_to_console(on, off)


def test_the_console_shows_what_was_printed_before_a_lag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console, now = Console(path=tmp_path / "console.log"), [100.0]
    monkeypatch.setattr("local_cloud.instances.console.time.monotonic", lambda: now[0])
    console.say("boot", "first")
    now[0] = 150.0
    console.say("boot", "second")
    assert console.read(200.0) == b""
    assert console.read(20.0) == b"boot: first\n"
    now[0] = 170.0
    assert console.read(20.0) == console.read() == b"boot: first\nboot: second\n"


def services(root: Path) -> Services:
    rootfs.build(root)
    (root / "etc/systemd/system/app.service").write_text(APP)
    return Services(
        root=root,
        enclosure=Plain(root=root, marker="test", instance="i-test"),
        console=Console(path=root.parent / "console.log"),
        clock=Clock(speed=1000),
        environment={},
        systemctl=systemctl.run,
        journal=Journal(host="ip-test"),
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            "enable app",
            0,
            "Created symlink /etc/systemd/system/multi-user.target.wants/app.service",
        ),
        ("enable nothing", 1, "Failed to enable unit: Unit file nothing.service does not exist."),
        ("is-enabled app", 1, "disabled"),
        ("is-active app", 3, "inactive"),
        ("is-active sysinit.target", 0, "active"),
        ("is-active --quiet app", 3, ""),
        ("status nothing", 4, "Unit nothing.service could not be found."),
        ("start nothing", 5, "Unit nothing.service not found."),
        ("daemon-reload", 0, ""),
        ("mask app", 1, "Failed to mask unit: File app.service already exists."),
        ("edit app", 1, "systemctl edit: not supported by the local cloud"),
        ("reload app", 1, "Failed to reload app.service: it is not active"),
        ("start", 1, "systemctl start: no unit given"),
    ],
)
def test_systemctl_answers_with_systemds_exit_codes(
    tmp_path: Path, words: str, code: int, says: str
) -> None:
    answer = asyncio.run(systemctl.run(services(tmp_path / "root"), words.split()))
    assert answer[0] == code
    assert answer[1].startswith(says)


def test_disable_undoes_enable(tmp_path: Path) -> None:
    here = services(tmp_path / "root")
    asyncio.run(systemctl.run(here, ["enable", "app.service"]))
    assert here.enabled() == ["app.service"]
    asyncio.run(systemctl.run(here, ["disable", "app"]))
    assert here.enabled() == []


def test_a_service_whose_stop_was_interrupted_is_started_again(tmp_path: Path) -> None:
    async def interrupt_a_stop_and_start() -> bool:
        here = services(tmp_path / "root")
        unit = here.load("app")
        assert unit
        old = Service(unit=unit, state="active", stopping=True)
        old.task = asyncio.create_task(asyncio.sleep(60))
        here.running[unit.name] = old
        await here.start_all()
        started = here.running[unit.name] is not old
        await here.close()
        return started

    assert asyncio.run(interrupt_a_stop_and_start())


def unit_of(service: str, unit: str = "") -> units.Unit:
    return units.parse("app", f"[Unit]\n{unit}\n[Service]\nExecStart=/bin/app\n{service}\n")


@pytest.mark.parametrize(
    ("service", "named"),
    [
        ("PrivateTmp=yes\nUser=app\nX-Mine=1", ("PrivateTmp",)),
        ("Type=dbus\nBusName=a.b", ("Type=dbus", "BusName")),
        ("StandardOutput=append:/var/log/app", ("StandardOutput=append:/var/log/app",)),
        ("KillMode=process", ("KillMode=process",)),
        ("LimitNOFILE=10\nLimitNOFILE=", ()),
    ],
)
def test_what_a_unit_says_and_the_local_cloud_does_not_do_is_named(
    service: str, named: tuple[str, ...]
) -> None:
    assert unit_of(service).ignored == named
    assert unit_of("", "ConditionPathExists=/x").ignored == ("ConditionPathExists",)


def test_time_and_signals_of_a_stop_are_read() -> None:
    unit = unit_of("TimeoutSec=10\nTimeoutStopSec=infinity\nKillSignal=INT\nPIDFile=app.pid")
    assert (unit.start_within, unit.stop_within) == (10, 86400)
    assert unit.kill_signal == signal.SIGINT
    assert unit.pid_file == "/run/app.pid"


@pytest.mark.parametrize(
    ("service", "code", "clean"),
    [
        ("", 0, True),
        ("", -signal.SIGTERM, True),
        ("Type=oneshot", -signal.SIGTERM, False),
        ("", 143, False),
        ("SuccessExitStatus=143 SIGKILL", 143, True),
        ("SuccessExitStatus=143 SIGKILL", -signal.SIGKILL, True),
    ],
)
def test_a_clean_exit_is_no_failure(service: str, code: int, clean: bool) -> None:
    assert Service(unit=unit_of(service)).is_clean(code) is clean


def test_a_unit_of_a_package_is_found_changed_by_drop_ins_and_masked(tmp_path: Path) -> None:
    here = services(tmp_path / "root")
    vendor = tmp_path / "root/usr/lib/systemd/system"
    vendor.mkdir(parents=True)
    (vendor / "web.service").write_text("[Service]\nExecStart=/bin/web\n[Install]\nAlias=w.service")
    more = tmp_path / "root/etc/systemd/system/web.service.d"
    more.mkdir()
    (more / "more.conf").write_text("[Service]\nUser=www\n")
    unit = here.load("web")
    assert unit
    assert (unit.start[0].words, unit.user) == (("/bin/web",), "www")
    code, text = asyncio.run(systemctl.run(here, ["enable", "web"]))
    source = "/usr/lib/systemd/system/web.service"
    assert (code, text) == (0, f"Created symlink /etc/systemd/system/w.service -> {source}.\n")
    assert asyncio.run(systemctl.run(here, ["mask", "web"])) == (0, "")
    assert here.load("web") is None
    code, text = asyncio.run(systemctl.run(here, ["enable", "web"]))
    assert "web.service is masked" in text
    asyncio.run(systemctl.run(here, ["unmask", "web"]))
    assert here.load("web")


def test_a_preset_decides_whether_a_package_is_enabled(tmp_path: Path) -> None:
    here = services(tmp_path / "root")
    presets = tmp_path / "root/usr/lib/systemd/system-preset"
    presets.mkdir(parents=True)
    asyncio.run(systemctl.run(here, ["--preset-mode=enable-only", "preset", "app.service"]))
    assert here.enabled() == ["app.service"]
    (presets / "99-default.preset").write_text("disable *\n")
    (presets / "50-web.preset").write_text("# ours\nenable web*\n")
    asyncio.run(systemctl.run(here, ["preset", "app.service"]))
    assert here.enabled() == []
    assert unit_files.preset(tmp_path / "root", "web.service") == "enable"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("After=b.service", ["a"]),
        ("After=b.service\nWants=b.service", ["b", "a"]),
        ("Before=b.service\nRequires=b.service", ["a", "b"]),
    ],
)
def test_services_start_in_the_order_of_their_units(
    tmp_path: Path, unit: str, expected: list[str]
) -> None:
    here = services(tmp_path / "root")
    kind = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
    for name, more in (("a", unit), ("b", "")):
        file = tmp_path / f"root/etc/systemd/system/{name}.service"
        file.write_text(f"[Unit]\n{more}\n{kind}")
    asyncio.run(here.start("a"))
    console = here.console.read().decode()
    assert re.findall(r"(\w)\.service: inactive", console) == expected


def test_a_user_of_an_instance_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("app:x:7:8:An app:/srv/app:/bin/sh\n")
    (tmp_path / "etc/group").write_text("app:x:8:\nlogs:x:9:app\nweb:x:10:\n")
    found = rootfs.identity(tmp_path, "app", "web")
    assert found
    assert found.options == ["--userspec=7:10", "--groups=10,9"]
    assert (found.home, rootfs.identity(tmp_path, "7")) == (
        "/srv/app",
        rootfs.identity(tmp_path, "app"),
    )
    assert rootfs.identity(tmp_path, "nothing") is None
    assert rootfs.identity(tmp_path, "app", "nothing") is None
