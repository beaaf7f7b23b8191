"""The pictures of the strategies are those of the recorded runs."""

from __future__ import annotations

import json

from tools.traffic_pictures import PICTURES, RECORDINGS, drawn


def test_the_pictures_of_the_strategies_are_those_of_the_recordings() -> None:
    recordings = json.loads(RECORDINGS.read_text())
    assert recordings.keys() >= {"overlap", "flip", "weight", "members", "batches"}
    for name, text in drawn(recordings).items():
        assert (PICTURES / name).read_text() == text, "run: python -m tools.traffic_pictures"
    assert all(each["failed"] == 0 for each in recordings.values())
