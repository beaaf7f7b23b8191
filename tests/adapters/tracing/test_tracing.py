"""Traces of a deployment, from its events and calls to what an OTLP collector decodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.tracing.configuration import endpoint_of, problem_of, shown
from pipeline.adapters.tracing.exporter import Tracing
from pipeline.app import Application, Options
from pipeline.app.tracing import start_tracing
from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    Event,
    Message,
    PhaseBegan,
    PhaseEnded,
    RollbackBegan,
    ToolEnded,
)
from pipeline.core.state.deployment import (
    Deployment,
    Kind,
    Outcome,
    PhaseRun,
    Result,
    Runner,
)
from tests.aws.moto_account import made
from tests.collector import Collector, a_collector, attributes

RUN = "https://ci.example/runs/17"
PROMOTING = Deployment(
    id="20261121T120000Z-4f2a",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000002",
    blue="r000001",
    image="ami-2",
    version="1.5.0",
    began="2026-11-21T12:00:00+00:00",
    by=Runner(user="ada", host="ci-7", pid=1, run=RUN),
)
ENDED = Deployment(
    **{
        **{name: getattr(PROMOTING, name) for name in PROMOTING.__slots__},
        "outcome": Outcome(result=Result.ROLLED_BACK, reason="i-1: unhealthy"),
    }
)
TRACE, JOB = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ERROR = 2
"""STATUS_CODE_ERROR of OTLP."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in ("HTTP_PROXY", "http_proxy", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    with a_collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=abc")
        yield found


def events() -> Iterator[Event]:
    yield ToolEnded(tool="terraform", command="init", seconds=1.0, code=0)
    yield DeploymentBegan(deployment=PROMOTING, phases=("launch",))
    yield PhaseBegan(name="launch", limit=60.0)
    yield ToolEnded(tool="terraform", command="apply", seconds=2.5, code=1)


def after() -> Iterator[Event]:
    yield PhaseEnded(run=PhaseRun(name="launch", seconds=3.0, fault="i-1: unhealthy"))
    yield RollbackBegan(reason="i-1: unhealthy", phases=("delete",))
    yield PhaseBegan(name="delete", limit=60.0)
    yield PhaseEnded(run=PhaseRun(name="delete", seconds=3.0))
    yield DeploymentEnded(deployment=ENDED)


def test_a_collector_gets_the_deployment_its_phases_its_calls_and_its_programs(
    collector: Collector,
) -> None:
    tracing = Tracing({"TRACEPARENT": f"00-{TRACE}-{JOB}-01"})
    for event in events():
        tracing.tracer.report(event)
    call = tracing.tracer.call_began("Auto Scaling", "AttachTrafficSources", "us-east-1")
    tracing.tracer.call_ended(call, 400, "Throttling")
    for event in after():
        tracing.tracer.report(event)
    assert tracing.tracer.call_began("EC2", "DescribeImages", "us-east-1") is None
    assert tracing.close() == 0

    assert collector.headers[0]["x-key"] == "abc"
    assert collector.resource["service.name"] == "ami-pipeline"
    spans = collector.spans
    calls = "Auto Scaling.AttachTrafficSources"
    assert {*spans} == {"promote staging", "launch", "delete", "terraform apply", calls}
    root = spans["promote staging"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, JOB)
    assert attributes(root) == {
        "deployment.id": PROMOTING.id,
        "deployment.environment.name": "staging",
        "deployment.status": "rolled back",
        "ami_pipeline.kind": "promote",
        "ami_pipeline.release": "r000002",
        "ami_pipeline.previous": "r000001",
        "ami_pipeline.image": "ami-2",
        "service.version": "1.5.0",
        "user.name": "ada",
        "cicd.pipeline.run.url.full": RUN,
    }
    assert (root.status.code, root.status.message) == (ERROR, "i-1: unhealthy")
    assert [each.name for each in root.events] == ["rollback"]
    launch = spans["launch"]
    assert launch.parent_span_id == spans["delete"].parent_span_id == root.span_id
    assert (launch.status.code, spans["delete"].status.code) == (ERROR, 0)
    apply = spans["terraform apply"]
    assert apply.parent_span_id == spans[calls].parent_span_id == launch.span_id
    assert apply.end_time_unix_nano - apply.start_time_unix_nano == 2_500_000_000
    assert attributes(apply) == {"process.executable.name": "terraform", "process.exit.code": 1}
    assert attributes(spans[calls]) == {
        "rpc.system": "aws-api",
        "rpc.service": "Auto Scaling",
        "rpc.method": "AttachTrafficSources",
        "cloud.region": "us-east-1",
        "http.response.status_code": 400,
        "error.type": "Throttling",
    }


def test_a_deployment_that_an_error_left_is_exported_too(collector: Collector) -> None:
    tracing = Tracing({})
    for event in events():
        tracing.tracer.report(event)
    assert tracing.close() == 0
    assert collector.spans["promote staging"].status.message == "the run left the deployment"


def test_a_collector_that_does_not_answer_is_not_waited_for(collector: Collector) -> None:
    collector.waits.clear()
    tracing = Tracing({})
    for event in (*events(), *after()):
        tracing.tracer.report(event)
    began = time.monotonic()
    assert tracing.close(within=0.1) == 4
    assert time.monotonic() - began < 3


def test_each_request_to_aws_is_told_with_its_answer(aws: Clients, collector: Collector) -> None:
    del aws
    made.cache_clear()  # a client tells those that watched when it was made
    tracing = Tracing({})
    tracing.watch("us-east-1")
    tracing.tracer.report(DeploymentBegan(deployment=PROMOTING, phases=()))
    clients = Clients()
    clients.ec2("us-east-1").describe_key_pairs()
    with pytest.raises(Exception, match="InvalidAMIID"):
        clients.ec2("us-east-1").describe_images(ImageIds=["ami-00000000000000000"])
    made.cache_clear()
    assert tracing.close() == 0
    spans = collector.spans
    assert attributes(spans["EC2.DescribeKeyPairs"])["http.response.status_code"] == 200
    assert attributes(spans["EC2.DescribeImages"])["error.type"] == "InvalidAMIID.NotFound"


GRPC = "OTEL_EXPORTER_OTLP_PROTOCOL"
ONLY_HTTP = (
    "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and ami-pipeline speaks http/protobuf only; set it to "
    "http/protobuf, and the endpoint to that port (4318) of the collector"
)


@pytest.mark.parametrize(
    ("environ", "endpoint", "problem"),
    [
        ({}, "", ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318", ""),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:4318/v1/traces",
            },
            "http://t:4318/v1/traces",
            "",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, "", ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, "", ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", GRPC: "http/protobuf"}, "http://c", ""),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", GRPC: "grpc"},
            "http://c",
            (ONLY_HTTP),
        ),
    ],
)
def test_the_variables_of_opentelemetry_are_obeyed(
    environ: dict[str, str], endpoint: str, problem: str
) -> None:
    assert (endpoint_of(environ), problem_of(environ)) == (endpoint, problem)


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("https://me:sword@c:4318/v1?key=fish#x", "https://c:4318/v1"),
        ("https://key@[::1]:4318", "https://[::1]:4318"),
        ("https://c:sword", "the endpoint"),
    ],
)
def test_a_message_shows_no_secret_of_an_endpoint(endpoint: str, text: str) -> None:
    assert shown(endpoint) == text


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages of a run that starts tracing with the variables of the test."""
    (tmp_path / "pipeline.toml").write_text(
        'app = "web"\nregion = "eu-central-1"\n[bake]\ntemplate = "x.pkr.hcl"\n'
        "[environments.staging]\n"
    )
    (tmp_path / "x.pkr.hcl").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    return []


def run(messages: list[str]) -> None:
    def report(event: Event) -> None:
        if isinstance(event, Message):
            messages.append(event.text)

    app = Application.start(Options(), report)
    start_tracing(app)
    for event in (*events(), *after()):
        app.report(event)
    app.finish()


def test_a_missing_extra_or_a_refused_trace_is_a_message(
    told: list[str], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.status = 403
    secret = collector.url.replace("://", "://me:sword@") + "/v1/traces?key=fish"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", secret)
    run(told)
    what = f"4 spans were not exported: {collector.url}/v1/traces did not take them in time"
    assert told == [f"{what}; check the collector"]
    monkeypatch.setattr("pipeline.adapters.tracing.configuration.find_spec", lambda _: None)
    run(told)
    assert told[1:] == [
        (
            "traces are not exported: OpenTelemetry is not installed; "
            "install it: pip install 'ami-pipeline[otel]'"
        )
    ]
