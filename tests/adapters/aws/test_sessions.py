"""The session of a run: its region, and the models that it reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.loaders import Loader

from pipeline.adapters.aws.sessions import new_session


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ("sts", "service-2"),
        ("autoscaling", "service-2"),
        ("elbv2", "endpoint-rule-set-1"),
        ("s3", "paginators-1"),
    ],
)
def test_a_model_is_that_of_botocore(service: str, kind: str) -> None:
    session = new_session()
    found = session.get_component("data_loader").load_service_model(service, kind)
    assert found == Loader().load_service_model(service, kind)
    assert type(found) is dict


def test_models_of_the_users_own_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"metadata": {"apiVersion": "2020-01-01"}, "operations": {}}
    folder = tmp_path / "models/mine/2020-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(own))
    monkeypatch.setenv("MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("AWS_DATA_PATH", "$MODELS")
    models = new_session().get_component("data_loader")
    assert models.load_service_model("mine", "service-2") == own
    assert {"mine", "ec2"} <= set(models.list_available_services("service-2"))


def test_the_region_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert new_session().get_config_variable("region") is None
    assert new_session("eu-central-1").get_config_variable("region") == "eu-central-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert new_session("eu-central-1").get_config_variable("region") == "eu-west-1"
