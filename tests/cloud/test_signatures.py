"""Calls are signed as Standard Webhooks says: its own example, ids that stay, secrets that are good."""

import base64

import pytest

from cloud.signatures import UNSIGNED, SecretError, Signer, Signers, call_id, parse_secret, signature
from tests.told import budget_reached
from wire import events

# The example of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def secret_of(size: int) -> str:
    return f"whsec_{base64.b64encode(bytes(size)).decode()}"


def test_the_example_of_the_specification_comes_out() -> None:
    secret = parse_secret(SECRET)
    told = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert told == SIGNED


def test_a_call_is_named_by_source_and_id_of_its_event() -> None:
    event = b'{"source": "/mirage/v1/acme/north/edge-1/gate", "id": "3f0c-7-alert-3", "time": "%d"}'
    again, other = event % 2, (event % 1).replace(b"gate", b"yard")
    assert call_id(event % 1) == call_id(again)
    assert call_id(other) != call_id(event % 1), "another camera, whose packets have the same numbers"
    assert len(call_id(event % 1)) == 32
    assert call_id(event % 1).isalnum()


def test_there_are_as_many_signatures_as_secrets() -> None:
    event = events.encode(budget_reached("acme"))
    secrets = [parse_secret(secret_of(24)), parse_secret(SECRET)]
    headers = Signer(secrets).headers(event, 1_700_000_000_999)
    name = call_id(event)
    assert headers == {
        "webhook-id": name,
        "webhook-timestamp": "1700000000",
        "webhook-signature": " ".join(signature(each, name, 1_700_000_000, event) for each in secrets),
    }


def test_without_a_secret_a_call_says_nothing_of_signatures() -> None:
    assert UNSIGNED.of("https://hooks.example/").headers(b"{}", 1) == {}


def test_a_receiver_has_its_own_secrets_below_its_url_and_nobody_elses() -> None:
    usual, mine, theirs = Signer([b"usual"]), Signer([b"mine"]), Signer([b"theirs"])
    signers = Signers(usual, {"https://a.example/": mine, "https://a.example/b/": theirs})
    assert signers.of("https://a.example/x") is mine
    assert signers.of("https://a.example/b/x?y=1") is theirs
    assert signers.of("https://a.example.evil.example/b/") is usual


@pytest.mark.parametrize(
    ("receiver", "called"),
    [
        ("https://a.example/%C3%A9/", "https://a.example/%c3%a9/x"),
        ("https://a.example/b:c/", "https://a.example/b%3Ac/x"),
        ("https://A.example/b/", "https://a.example/b/x"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example/", "https://a.example?to=me"),
    ],
)
def test_a_receiver_has_its_own_secrets_however_its_url_is_written(receiver: str, called: str) -> None:
    theirs, mine = Signer([b"theirs"]), Signer([b"mine"])
    signers = Signers(Signer([b"usual"]), {"https://a.example": theirs, receiver: mine})
    assert signers.of(called) is mine


@pytest.mark.parametrize("size", [24, 64])
def test_secrets_have_24_to_64_bytes(size: int) -> None:
    assert parse_secret(f" {secret_of(size)}\n") == bytes(size)
    for wrong in (23, 65):
        with pytest.raises(SecretError, match=f"has {wrong} bytes"):
            parse_secret(secret_of(wrong))


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_?", SECRET[6:], f"{SECRET}\n{SECRET}"])
def test_what_is_no_secret_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(SecretError) as refused:
        parse_secret(text)
    assert SECRET.removeprefix("whsec_") not in str(refused.value)
