from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from pipeline.adapters.notify.target import SendError
from pipeline.adapters.notify.webhook import Webhook, signature
from tests.adapters.notify.receivers import Asked, Reply, receiving
from tests.core.notifications.examples import an_end

SECRET = "whsec_" + base64.b64encode(b"c4n4ry-secret-of-a-webhook").decode()


def verified(asked: Asked) -> Reply:
    """Answer as a receiver that verifies the signature, by the specification."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    names = ("webhook-id", "webhook-timestamp")
    signed = b".".join([*(asked.headers[name].encode() for name in names), asked.body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = asked.headers["webhook-signature"].removeprefix("v1,")
    return Reply(status=204 if hmac.compare_digest(given, expected) else 401)


def hook(url: str, secret: str = SECRET) -> Webhook:
    return Webhook(url=lambda: url, secret=lambda: secret, clock=lambda: 1_795_275_900.7)


def test_a_receiver_that_verifies_the_signature_takes_the_notification() -> None:
    with receiving(verified) as server:
        hook(server.url)(an_end())
    asked = server.asked[0]
    assert asked.headers["webhook-id"] == "production.20261121T154224Z-4f2a.promoted"
    assert asked.headers["webhook-timestamp"] == "1795275900"
    assert asked.headers["content-type"] == "application/json"
    assert (asked.json()["event"], asked.json()["deployment"]["release"]) == ("promoted", "r000125")


def test_another_secret_is_refused() -> None:
    with receiving(verified) as server, pytest.raises(SendError, match=r"^answered 401 "):
        hook(server.url, "whsec_" + base64.b64encode(b"another").decode())(an_end())


def test_the_signature_is_that_of_the_specifications_example() -> None:
    # github.com/standard-webhooks/standard-webhooks, spec and the tests of its libraries.
    made = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_may_be_any_text_and_a_damaged_one_is_named() -> None:
    plain = signature("a plain secret", "a", "1", b"{}")
    digest = hmac.new(b"a plain secret", b"a.1.{}", hashlib.sha256).digest()
    assert plain == f"v1,{base64.b64encode(digest).decode()}"
    with pytest.raises(SendError, match=r"^the secret begins with whsec_ and is not base64"):
        signature("whsec_%%%", "a", "1", b"{}")
