"""Profiles: every axis of every input has sizes that the graphs really meet."""

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

from edge.captioner import Captioner
from edge.profile import InputShapes, Measures, ProfileError, Range, Sizes, including
from edge.runtime import Runtime
from tests.edge.bundles import DECODER, ENCODER, INPUT_PX, TOKENS, write_running_bundle
from tests.edge.graphs import PICTURE_PX, SIZE, SPOTS, Kind
from wire.bundle import Bundle

LIMIT = 24  # max_tokens of `tests.bundles`


def planned(folder: Path, kind: Kind, name: str, *texts: str) -> dict[str, tuple[tuple[int, ...], ...]]:
    bundle = Bundle.load(write_running_bundle(folder, kind, golden=False), "edge")
    runtime = Runtime()
    measures = Measures(Sizes.of(bundle.manifest, texts), bundle.manifest, Captioner(bundle, runtime).seen)
    return {each.name: each.shapes() for each in measures.inputs(name, runtime.open(bundle.path(name)))}


def test_pictures_have_the_size_that_the_manifest_says(tmp_path: Path) -> None:
    grid = (1, 3, PICTURE_PX, PICTURE_PX)
    assert planned(tmp_path, "cache", ENCODER) == {"pixel_values": (grid,) * 3}
    square = (1, 3, INPUT_PX, INPUT_PX)
    assert planned(tmp_path, "cache", TOKENS) == {"image": (square,) * 3}


def test_a_cache_grows_from_nothing_to_all_but_the_last_token(tmp_path: Path) -> None:
    assert planned(tmp_path, "cache", DECODER) == {
        "input_ids": ((1, 1), (1, 1), (1, 1)),
        "encoder_hidden_states": ((1, SPOTS, SIZE),) * 3,
        "past_key_values.0.decoder.key": ((1, 2, 0, 4), (1, 2, 11, 4), (1, 2, LIMIT - 1, 4)),
    }


def test_a_merged_graph_is_never_given_an_empty_cache(tmp_path: Path) -> None:
    found = planned(tmp_path, "merged, cross-attention cached", DECODER)
    assert found["past_key_values.0.decoder.key"][0] == (1, 2, 1, 4)
    assert found["past_key_values.0.encoder.key"] == ((1, 2, SPOTS, 4),) * 3
    assert found["use_cache_branch"] == ((1,),) * 3


def test_a_cache_that_begins_with_the_picture_is_longer_by_it(tmp_path: Path) -> None:
    found = planned(tmp_path, "image prefix", DECODER)
    assert found["past_key_values.0.key"] == tuple((1, 2, SPOTS + said, 4) for said in (0, 11, LIMIT - 1))
    assert found["position_ids"] == ((1, 1),) * 3


def test_cross_attention_is_as_long_as_the_encoder_gives_it(tmp_path: Path) -> None:
    found = planned(tmp_path, "image cross-attention", DECODER)
    assert found["past_key_values.0.encoder.key"] == ((1, 2, SPOTS, 4),) * 3
    assert found["past_key_values.0.key"][0] == (1, 2, 0, 4)


def test_without_a_cache_all_tokens_are_fed(tmp_path: Path) -> None:
    assert planned(tmp_path, "no cache", DECODER)["input_ids"] == ((1, 1), (1, 12), (1, LIMIT))


def test_a_user_may_ask_for_more(tmp_path: Path) -> None:
    found = planned(tmp_path, "cache", DECODER, "batch=1:2:4", "tokens=1:3:30")
    assert found["input_ids"] == ((1, 1), (2, 1), (4, 1))
    assert found["past_key_values.0.decoder.key"] == ((1, 2, 0, 4), (2, 2, 2, 4), (4, 2, 29, 4))


@pytest.mark.parametrize(
    "text", ["batch", "batch=1", "batch=1:2", "batch=4:2:1", "words=1:2:3", "batch=a:b:c"]
)
def test_what_is_no_profile_is_refused_by_its_text(tmp_path: Path, text: str) -> None:
    manifest = Bundle.load(write_running_bundle(tmp_path, golden=False), "edge").manifest
    with pytest.raises(ProfileError, match=f"profile '{text}'"):
        Sizes.of(manifest, [text])


@pytest.mark.parametrize("text", ["tokens=1:2:3", f"tokens=1:2:{LIMIT - 1}", f"tokens=2:3:{LIMIT}"])
def test_a_profile_that_some_caption_does_not_fit_is_refused(tmp_path: Path, text: str) -> None:
    manifest = Bundle.load(write_running_bundle(tmp_path, golden=False), "edge").manifest
    with pytest.raises(ProfileError, match=rf"'{text}': captions have 1 to {LIMIT} .*captioner\.max_tokens"):
        Sizes.of(manifest, [text])
    assert Sizes.of(manifest, [f"tokens=0:2:{LIMIT}"]).tokens == Range(1, 2, LIMIT)


def test_what_must_pass_too_widens_a_plan() -> None:
    plan = (InputShapes("x", (Range(1, 1, 1), Range(2, 3, 4))), InputShapes("y", (Range(1, 2, 3),)))
    assert including(plan, {"x": (2, 1)}) == (
        InputShapes("x", (Range(1, 1, 2), Range(1, 3, 4))), plan[1],
    )  # fmt: skip
