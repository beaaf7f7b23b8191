from __future__ import annotations

import socket
import time

from pipeline.adapters.probe.sender import Sender, try_probe
from pipeline.core.masking import Masker
from pipeline.core.probe.settings import Probe
from tests.adapters.probe.server import a_server, wait_for


def test_slow_answers_do_not_lower_the_rate() -> None:
    with a_server() as server:
        server.delay = 0.4
        url = f"http://127.0.0.1:{server.port}/"
        sender = Sender(Probe(url=url, rate=50, timeout=2))
        began = time.monotonic()
        sender.send((url,), "soak")
        wait_for(lambda: len(server.requests) >= 20)
        took = time.monotonic() - began
        sender.stop()
        results = sender.take()
    assert took < 4  # one after another, 20 answers would take 8 seconds
    assert len(results) >= 20
    assert {(each.phase, each.failure) for each in results} == {("soak", "")}
    assert sender.take_unsent() == 0


def test_a_result_names_its_phase_and_masks_secrets() -> None:
    with a_server() as server:
        url = f"http://127.0.0.1:{server.port}/500"
        sender = Sender(Probe(url=url, rate=100), Masker(["boom"]))
        sender.send((url,), "attach")
        wait_for(lambda: len(server.requests) >= 2)
        sender.send((url,), "soak")
        seen = len(server.requests)
        wait_for(lambda: len(server.requests) >= seen + 3)
        sender.stop()
        results = sender.take()
    assert {each.phase for each in results} == {"attach", "soak"}
    assert {(each.failure, each.excerpt) for each in results} == {
        ("HTTP 500, expected 200-299", "***")
    }


def test_members_are_requested_in_turn_and_a_failure_names_its_member() -> None:
    with a_server() as good, a_server() as bad:
        members = (f"http://127.0.0.1:{good.port}/", f"http://127.0.0.1:{bad.port}/500")
        sender = Sender(Probe(url="http://service.example.com/", rate=100))
        sender.send(members, "verify")
        wait_for(lambda: len(good.requests) >= 3 and len(bad.requests) >= 3)
        sender.stop()
        results = sender.take()
    assert abs(len(good.requests) - len(bad.requests)) <= 1
    assert {each.failure for each in results} == {
        "",
        f"127.0.0.1:{bad.port}: HTTP 500, expected 200-299",
    }


def test_without_a_url_it_sends_none_and_stopping_twice_is_harmless() -> None:
    sender = Sender(Probe(url=""))
    sender.send((), "launch")
    sender.stop()
    sender.stop()
    assert (sender.take(), sender.take_unsent()) == ((), 0)


def test_requests_beyond_those_that_may_be_in_flight_are_not_sent_and_stopping_does_not_hang() -> (
    None
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        sender = Sender(Probe(url=url, rate=100, timeout=0.1), most=2)
        sender.send((url,), "soak")
        began = time.monotonic()
        unsent = 0
        while not unsent and time.monotonic() < began + 5:
            unsent += sender.take_unsent()
        sender.stop()
        assert unsent
        assert {each.failure for each in sender.take()} == {"no answer within 0.1s"}


def test_a_trial_ends_with_the_first_failure() -> None:
    with a_server() as server:
        good, bad = (f"http://127.0.0.1:{server.port}{path}" for path in ("/", "/500"))
        assert try_probe(Probe(url=good), Masker()) == ""
        assert len(server.requests) == 5
        assert try_probe(Probe(url=bad), Masker()) == "HTTP 500, expected 200-299"
        assert len(server.requests) == 6
