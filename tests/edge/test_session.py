"""Sessions: a new key for each connection and each day, and nothing believed that does not open."""

import random

import pytest

from edge.session import LIFETIME_FRAMES, LIFETIME_S, Opened, PlainSession, SealedSession
from tests.edge.cloud import TOPICS
from tests.edge.sealing import Secrets
from wire import documents, keys, signature
from wire.documents import Birth, CameraInfo
from wire.envelope import EnvelopeError, SealedEnvelope, read_header
from wire.signature import SignatureError

BOOT = bytes(range(8))
SEM = TOPICS.sem("door")
BIRTH = Birth(
    device=TOPICS.device,
    boot_id=BOOT.hex(),
    boot_wall_ms=1_790_000_000_000,
    wall_error_ms=1,
    software="mirage test",
    bundle="tiny",
    bundle_sha256="0" * 16,
    cameras=(CameraInfo("door", 640, 360, 25.0),),
)


def session_of(secrets: Secrets, seed: int = 0, frames: int = LIFETIME_FRAMES) -> SealedSession:
    entropy = random.Random(seed).randbytes
    session = SealedSession(secrets.keys, TOPICS, BOOT, entropy, lifetime_frames=frames)
    session.connect(0.0)
    return session


def secret_of(session: SealedSession, secrets: Secrets) -> tuple[int, bytes]:
    """Read a birth as the cloud does: its key id, and the secret."""
    document = session.birth(BIRTH)
    signature.verify(document, secrets.device.public_key(), TOPICS.birth)
    birth = documents.decode_birth(document)
    assert birth.wrapped_key is not None
    context = keys.context_of(TOPICS.birth, birth.boot_id, birth.key_id)
    return birth.key_id, keys.unwrap(birth.wrapped_key, secrets.cloud, context)


def from_cloud(session: SealedSession, secrets: Secrets) -> SealedEnvelope:
    key_id, secret = secret_of(session, secrets)
    return SealedEnvelope(keys.down(secret), key_id)


def test_the_cloud_opens_frames_with_the_key_in_the_birth(secrets: Secrets) -> None:
    session = session_of(secrets)
    key_id, secret = secret_of(session, secrets)
    frames = [session.seal(b"packet", SEM) for _ in range(2)]
    assert [(read_header(frame).key_id, read_header(frame).counter) for frame in frames] == [
        (key_id, 0),
        (key_id, 1),
    ]
    up = SealedEnvelope(keys.up(secret), key_id)
    assert [up.unwrap(frame, SEM) for frame in frames] == [b"packet", b"packet"]
    with pytest.raises(EnvelopeError, match="altered"):
        up.unwrap(frames[0], TOPICS.sem("yard"))


def test_the_birth_says_the_same_key_until_there_is_another(secrets: Secrets) -> None:
    session = session_of(secrets)
    first = secret_of(session, secrets)
    assert secret_of(session, secrets) == first
    session.renew(1.0)
    second = secret_of(session, secrets)
    assert second[0] == keys.next_key_id(first[0])
    assert second[1] != first[1]


def test_each_connection_has_a_key_of_its_own_and_counts_from_zero(secrets: Secrets) -> None:
    session = session_of(secrets)
    seen = set[bytes]()
    for _ in range(3):
        session.connect(1.0)
        seen.add(secret_of(session, secrets)[1])
        assert read_header(session.seal(b"", SEM)).counter == 0
    assert len(seen) == 3


def test_boots_begin_with_different_key_ids(secrets: Secrets) -> None:
    ids = {secret_of(session_of(secrets, seed), secrets)[0] for seed in range(20)}
    assert len(ids) > 10
    assert all(1 <= key_id <= 255 for key_id in ids)


def test_a_key_is_old_after_a_day_or_a_million_frames(secrets: Secrets) -> None:
    assert (LIFETIME_S, LIFETIME_FRAMES) == (86_400.0, 1_048_576)
    session = session_of(secrets, frames=3)
    assert not session.is_due(LIFETIME_S - 1)
    assert session.is_due(LIFETIME_S)
    session.renew(LIFETIME_S)
    assert not session.is_due(LIFETIME_S)
    for _ in range(3):
        assert not session.is_due(LIFETIME_S)
        session.seal(b"", SEM)
    assert session.is_due(LIFETIME_S)


def test_an_ack_under_the_key_before_is_opened_and_known_to_be_of_this_connection(secrets: Secrets) -> None:
    session = session_of(secrets)
    before = from_cloud(session, secrets)
    session.renew(1.0)
    opened = session.open(before.wrap(b"ack", TOPICS.ack), TOPICS.ack)
    assert (opened.body, opened.fresh, opened.counter) == (b"ack", True, 0)


def test_what_was_sealed_for_an_earlier_connection_is_not_fresh(secrets: Secrets) -> None:
    session = session_of(secrets)
    before = from_cloud(session, secrets)
    session.connect(1.0)
    opened = session.open(before.wrap(b"ack", TOPICS.ack), TOPICS.ack)
    assert (opened.body, opened.fresh) == (b"ack", False)
    fresh = session.open(from_cloud(session, secrets).wrap(b"ack", TOPICS.ack), TOPICS.ack)
    assert fresh.fresh
    assert fresh.key != opened.key


def test_only_the_last_keys_open_anything(secrets: Secrets) -> None:
    session = session_of(secrets)
    before = from_cloud(session, secrets)
    for _ in range(4):
        session.connect(1.0)
    with pytest.raises(EnvelopeError, match="not one of the last"):
        session.open(before.wrap(b"ack", TOPICS.ack), TOPICS.ack)


def test_nothing_is_opened_that_was_altered_moved_reflected_or_not_sealed(secrets: Secrets) -> None:
    session = session_of(secrets)
    key_id, secret = secret_of(session, secrets)
    frame = SealedEnvelope(keys.down(secret), key_id).wrap(b"command", TOPICS.cmd("ping"))
    upwards = session.seal(b"command", TOPICS.cmd("ping"))
    with pytest.raises(EnvelopeError, match="altered"):
        session.open(frame, TOPICS.cmd("keyframe"))
    for payload in (
        frame[:-1],
        frame[:-1] + bytes((frame[-1] ^ 1,)),
        upwards,
        b'{"boots":{}}',
        b"",
        *(frame[:size] for size in range(len(frame))),
    ):
        with pytest.raises(EnvelopeError):
            session.open(payload, TOPICS.cmd("ping"))


def test_the_birth_of_an_earlier_boot_is_signed_and_has_no_key(secrets: Secrets) -> None:
    document = session_of(secrets).earlier_birth(BIRTH)
    signature.verify(document, secrets.device.public_key(), TOPICS.birth)
    birth = documents.decode_birth(document)
    assert (birth.key_id, birth.wrapped_key, birth.boot_id) == (0, None, BOOT.hex())


def test_a_birth_is_signed_for_its_topic_and_by_this_device_only(secrets: Secrets) -> None:
    document = session_of(secrets).birth(BIRTH)
    with pytest.raises(SignatureError):
        signature.verify(document, secrets.device.public_key(), TOPICS.birth.replace("acme", "other"))
    with pytest.raises(SignatureError):
        signature.verify(document, Secrets().device.public_key(), TOPICS.birth)


def test_a_plain_session_leaves_everything_as_it_is() -> None:
    session = PlainSession()
    assert documents.decode_birth(session.birth(BIRTH)) == BIRTH
    assert session.open(b"{}", TOPICS.ack) == Opened(b"{}")
    assert session.seal(b"packet", SEM) == b"\xa1\x00\x00packet"
    assert session.seal(b"packet", SEM) == b"\xa1\x00\x01packet"
    session.connect(0.0)
    assert session.seal(b"packet", SEM) == b"\xa1\x00\x00packet"
    assert not session.is_due(1e9)
