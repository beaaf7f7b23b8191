from __future__ import annotations

from math import inf
from pathlib import Path

import jsonschema
import pytest

from pipeline.config import load, schema
from pipeline.core.errors import ConfigurationError
from pipeline.core.probe.settings import Probe, Tolerance
from tests.config.examples import MINIMAL

URL = "https://www.example.com/orders?limit=1"
ENVIRONMENTS = '[environments.a]\ntarget_groups = ["a"]\n[environments.b]\ntarget_groups = ["b"]\n'


def write(folder: Path, toml: str) -> Path:
    file = folder / "pipeline.toml"
    file.write_text(f"{MINIMAL}{ENVIRONMENTS}{toml}\n")
    return file


def test_without_a_url_there_is_no_probe(tmp_path: Path) -> None:
    settings = load(write(tmp_path, "[promote.probe]\nrate = 20"))
    assert settings.promote_for("a").policy.probe is None


def test_a_probe_needs_a_url_only(tmp_path: Path) -> None:
    settings = load(write(tmp_path, f'[environments.a.promote.probe]\nurl = "{URL}"'))
    assert settings.promote_for("a").policy.probe == Probe(
        url=URL,
        rate=10,
        expect=((200, 299),),
        tolerance=Tolerance(failures=0, window=inf),
        timeout=5,
    )
    assert settings.promote_for("b").policy.probe is None


def test_an_environment_overrides_the_probe_key_by_key(tmp_path: Path) -> None:
    toml = (
        f'[promote.probe]\nurl = "{URL}"\nrate = 0.5\nexpect = 200\ncontains = "ok"\n'
        'max_failures = 3\ntimeout = "2s"\nmethod = "HEAD"\nverify_tls = false\n'
        'headers = { Host = "www.example.com" }\n'
        '[environments.b.promote.probe]\nurl = "http://b.example.com/"\nrate = 50\n'
        'expect = "200-299, 404"\nmax_failures = "0.5%"\nheaders = { X-Probe = "1" }\n'
    )
    settings = load(write(tmp_path, toml))
    common = settings.promote_for("a").policy.probe
    assert common == Probe(
        url=URL,
        rate=0.5,
        expect=((200, 200),),
        contains="ok",
        tolerance=Tolerance(failures=3),
        timeout=2,
        method="HEAD",
        headers=(("Host", "www.example.com"),),
        verify_tls=False,
    )
    probe = settings.promote_for("b").policy.probe
    assert probe is not None
    assert (probe.url, probe.rate, probe.contains) == ("http://b.example.com/", 50, "ok")
    assert probe.expect == ((200, 299), (404, 404))
    assert probe.tolerance == Tolerance(failures=15, window=60)  # 0.5 % of 3,000 a minute
    assert probe.headers == (("X-Probe", "1"),)


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ('url = "www.example.com"', "is not an http or https URL: write a URL such as"),
        ('url = "https://u:p@example.com/"', "contains a user name, which logs would show"),
        ('url = "https://example.com:70000/"', "has a fragment or an impossible port"),
        ('url = "https://example.com/#a"', "has a fragment or an impossible port"),
        ('url = "https://example.com/\u00e4"', "is not ASCII without spaces"),
        ("rate = 0", "is out of range: input should be greater than or equal to 0.1"),
        ("rate = 101", "is out of range: input should be less than or equal to 100"),
        ('rate = "10"', "is not a number: write it without quotes"),
        ('expect = "2xx"', "write status codes from 100 to 599"),
        ('expect = "299-200"', "write status codes from 100 to 599"),
        ("expect = 600", "write status codes from 100 to 599"),
        ("expect = true", "write status codes from 100 to 599"),
        ("max_failures = -1", "write a whole number of 0 or more, or a share"),
        ('max_failures = "100%"', "write a whole number of 0 or more, or a share"),
        ("max_failures = true", "write a whole number of 0 or more, or a share"),
        ('timeout = "2m"', "is longer than 60s: lower it"),
        ('method = "POST"', "'POST' is not allowed: write GET or HEAD"),
        ('headers = { Authorization = "Bearer x" }', "Authorization is a secret"),
        ('headers = { Connection = "x" }', "the probe sets Connection itself"),
        ('headers = { "a b" = "x" }', "a header has a name such as X-Probe"),
        ('headers = { A = "x\\ny" }', "contains the invisible character U+000A"),
    ],
)
def test_a_mistake_is_reported(tmp_path: Path, toml: str, text: str) -> None:
    for table in ("promote", "environments.a.promote"):
        with pytest.raises(ConfigurationError) as caught:
            load(write(tmp_path, f"[{table}.probe]\n{toml}"))
        assert text in str(caught.value)


def test_a_probe_without_a_load_balancer_is_refused(tmp_path: Path) -> None:
    toml = f'[promote.probe]\nurl = "{URL}"\n[environments.worker]\n[environments.b.promote.probe]'
    toml += '\nurl = "http://b.example.com/"'
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, toml))
    assert str(caught.value).removeprefix(f"{tmp_path}/") == (
        "pipeline.toml line 10, promote.probe.url:\n"
        "  the probe sends requests through a load balancer, and [environments.worker] has none\n"
        'next: set url = "" in [environments.worker.promote.probe]'
    )
    settings = load(write(tmp_path, f'{toml}\n[environments.worker.promote.probe]\nurl = ""'))
    assert settings.promote_for("worker").policy.probe is None


def test_one_url_for_two_environments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, f'[promote.probe]\nurl = "{URL}"'))
    assert str(caught.value).removeprefix(f"{tmp_path}/") == (
        "pipeline.toml line 10, promote.probe.url:\n"
        "  the probes of a and b request the same URL, so one of them would watch the other's "
        "release\n"
        "next: set url in [environments.b.promote.probe]"
    )


def test_a_test_url_needs_a_test_listener(tmp_path: Path) -> None:
    toml = f'[environments.a.promote.probe]\nurl = "{URL}"\ntest_url = "http://a.example.com:81/"'
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, toml))
    assert str(caught.value).removeprefix(f"{tmp_path}/") == (
        "pipeline.toml line 11, environments.a.promote.probe.test_url:\n"
        "  no pair of [environments.a] has a test_listener that would answer\n"
        "next: add test_listener to [[environments.a.pairs]], or remove test_url"
    )


def test_the_url_of_a_member_names_its_address(tmp_path: Path) -> None:
    toml = f'[environments.a.promote.probe]\nurl = "{URL}"\nmember_url = "http://10.0.0.7:8080/"'
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, toml))
    assert "does not contain {address}, the private address of a member" in str(caught.value)
    good = toml.replace("10.0.0.7", "{address}")
    probe = load(write(tmp_path, good)).promote_for("a").policy.probe
    assert probe is not None
    assert probe.urls_of(["10.0.0.7"]) == ("http://10.0.0.7:8080/",)


def test_the_schema_accepts_both_forms_of_a_limit() -> None:
    for limit in (0, "1%"):
        document = {
            "app": "web",
            "region": "eu-central-1",
            "bake": {"template": "a.pkr.hcl"},
            "promote": {"probe": {"url": URL, "max_failures": limit, "expect": 200}},
        }
        jsonschema.validate(document, schema())
