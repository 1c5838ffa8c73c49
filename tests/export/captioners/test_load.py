"""What a captioner is loaded from: folders and hub snapshots, old and new, whole and damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models
from transformers import (
    BertTokenizer,
    GitForCausalLM,
    GPT2Tokenizer,
    PreTrainedTokenizerFast,
    ViTImageProcessor,
)

from edge.vocabulary import Vocabulary
from export.captioners.load import ModelFilesError, UnsupportedModelError, load_captioner
from models.tiny.captioner import END, START, build_captioner
from tests.captioners import INPUT_PX, tiny_blip, tiny_git, tiny_vit_gpt2

COMMIT = "a13141da42abd4a8cbf283601a8104265f537cee"
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_git(tmp_path_factory.mktemp("git"))


@pytest.fixture(scope="module")
def vit_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vit_gpt2(tmp_path_factory.mktemp("vit-gpt2"))


def copied(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "model"))


def changed(path: Path, **fields: object) -> None:
    """Set fields of a JSON file; None takes one away, `a__b` is b within a."""
    document = json.loads(path.read_text())
    for name, value in fields.items():
        *parents, last = name.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
        if value is None:
            del place[last]
    path.write_text(json.dumps(document))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_a_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["git.encoder.layer.1.attention.self.key.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def other_decoder(folder: Path) -> None:
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words.decoder = decoders.BPEDecoder()
    words.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: cut(f / "config.json"), "config.json: "),
        (lambda f: (f / "config.json").write_text("[]"), "config.json: is no JSON object"),
        (lambda f: changed(f / "config.json", architectures=None), "config.json: architectures is None"),
        (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors or "),
        (lambda f: cut(f / "model.safetensors"), "model.safetensors: Error"),
        (
            without_a_tensor,
            "model.safetensors: lacks 1 tensors, among them git.encoder.layer.1.attention.self.key.weight",
        ),
        (lambda f: changed(f / "config.json", hidden_size=48), "model.safetensors: "),
        (lambda f: (f / "preprocessor_config.json").unlink(), "has no preprocessor_config.json"),
        (lambda f: cut(f / "preprocessor_config.json"), "preprocessor_config.json: "),
        (
            lambda f: changed(f / "preprocessor_config.json", image_processor_type="NoSuchProcessor"),
            "preprocessor_config.json: ",
        ),
        (
            lambda f: changed(f / "preprocessor_config.json", image_mean=[0.5]),
            "preprocessor_config.json: image_mean is",
        ),
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json or vocab.txt"),
        (lambda f: cut(f / "tokenizer.json"), "tokenizer.json: "),
        (
            lambda f: changed(f / "tokenizer.json", model__vocab=None),
            "tokenizer.json: model.vocab is missing",
        ),
        (other_decoder, "tokenizer.json: decoder 'BPEDecoder' is none that a device reads: WordPiece"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(
    git: Path, tmp_path: Path, damage: Damage, message: str
) -> None:
    folder = copied(git, tmp_path)
    (folder / "vocab.txt").unlink(missing_ok=True)  # beside tokenizer.json, it would do
    damage(folder)
    with pytest.raises(ModelFilesError) as refused:
        load_captioner(str(folder), None)
    said = str(refused.value)
    assert said.startswith(str(folder))
    assert message in said
    assert "\n" not in said


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match=r"nowhere: no such folder"):
        load_captioner(str(tmp_path / "nowhere"), None)


def test_a_class_that_cannot_be_exported_is_answered_with_those_that_can(git: Path, tmp_path: Path) -> None:
    folder = copied(git, tmp_path)
    changed(folder / "config.json", architectures=["Blip2ForConditionalGeneration"])
    with pytest.raises(UnsupportedModelError) as refused:
        load_captioner(str(folder), None)
    for part in (
        str(folder), "Blip2ForConditionalGeneration", "GitForCausalLM", "BlipForConditionalGeneration",
        "VisionEncoderDecoderModel (vit, deit, mirage-grid with gpt2)",
    ):  # fmt: skip
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"eos_token_id": [3, 4]}, r"eos_token_id is \[3, 4\], expected one token id"),
        ({"vision_config__image_size": [64, 32]}, r"image_size is \[64, 32\], expected one side of a square"),
    ],
)
def test_a_variant_that_cannot_be_decoded_is_refused(
    git: Path, tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    folder = copied(git, tmp_path)
    changed(folder / "config.json", **fields)
    with pytest.raises(UnsupportedModelError, match=message):
        load_captioner(str(folder), None)


def test_a_model_of_videos_is_refused(git: Path, tmp_path: Path) -> None:
    folder = copied(git, tmp_path)
    changed(folder / "config.json", num_image_with_embedding=6)
    with pytest.raises(UnsupportedModelError, match="num_image_with_embedding is 6, a grid is one picture"):
        load_captioner(str(folder), None)


def test_an_encoder_decoder_with_an_unknown_part_is_refused(vit_gpt2: Path, tmp_path: Path) -> None:
    folder = copied(vit_gpt2, tmp_path)
    changed(folder / "config.json", decoder__model_type="bert")
    with pytest.raises(UnsupportedModelError, match="its decoder is 'bert', known are gpt2; supported are"):
        load_captioner(str(folder), None)


def test_weights_kept_by_torch_are_the_same_captioner(git: Path, tmp_path: Path) -> None:
    """As in microsoft/git-base-coco and nlpconnect/vit-gpt2-image-captioning: only pytorch_model.bin."""
    folder = copied(git, tmp_path)
    (folder / "model.safetensors").unlink()
    GitForCausalLM.from_pretrained(git).save_pretrained(folder, safe_serialization=False)
    assert not (folder / "model.safetensors").exists()
    pixels = torch.rand(1, 3, INPUT_PX, INPUT_PX)
    old, new = (load_captioner(str(place), None) for place in (folder, git))
    assert old.greedy(pixels, 12) == new.greedy(pixels, 12)
    cut(folder / "pytorch_model.bin")
    with pytest.raises(ModelFilesError, match=r"pytorch_model\.bin: "):
        load_captioner(str(folder), None)


def test_a_preprocessor_of_the_first_years_is_understood(vit_gpt2: Path, tmp_path: Path) -> None:
    """As in nlpconnect/vit-gpt2-image-captioning: a feature extractor whose size is one number."""
    folder = copied(vit_gpt2, tmp_path)
    old = {
        "do_normalize": True, "do_resize": True, "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.5, 0.5], "resample": 2, "size": 224,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(old))
    captioner = load_captioner(str(folder), None)
    assert captioner.input_px == INPUT_PX  # the encoder's, which takes no other
    assert captioner.mean == (0.5, 0.4, 0.3)
    assert captioner.std == (0.25, 0.5, 0.5)


@pytest.mark.parametrize(
    ("fields", "mean", "std"),
    [
        ({"do_normalize": False}, 0.0, 1.0),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [255.0] * 3}, 0.5, 1.0),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}, 0.5, 0.5),
    ],
)
def test_colours_are_those_of_rgb_from_0_to_1(
    vit_gpt2: Path, tmp_path: Path, fields: dict[str, object], mean: float, std: float
) -> None:
    folder = copied(vit_gpt2, tmp_path)
    changed(folder / "preprocessor_config.json", **fields)
    captioner = load_captioner(str(folder), None)
    assert captioner.mean == pytest.approx((mean,) * 3)
    assert captioner.std == pytest.approx((std,) * 3)


def test_a_list_of_word_pieces_becomes_a_tokenizer_file(git: Path, tmp_path: Path) -> None:
    folder = copied(git, tmp_path)
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    for path in folder.glob("*token*.json"):
        path.unlink()
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    assert (
        read(load_captioner(str(folder), None).tokenizer_json, tmp_path).decode(
            [words["a"], words["boat"], words["##s"], words["[SEP]"]]
        )
        == "a boats"
    )


def test_a_list_of_merges_becomes_a_tokenizer_file(vit_gpt2: Path, tmp_path: Path) -> None:
    folder = copied(vit_gpt2, tmp_path)
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    for path in folder.glob("*token*.json"):
        path.unlink()
    words = model["vocab"] | {"<|endoftext|>": len(model["vocab"])}
    (folder / "vocab.json").write_text(json.dumps(words))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    tokenizer = GPT2Tokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    ids = tokenizer("a red car")["input_ids"]
    assert read(load_captioner(str(folder), None).tokenizer_json, tmp_path).decode(ids) == "a red car"


def read(tokenizer_json: str, folder: Path) -> Vocabulary:
    path = folder / "read.json"
    path.write_text(tokenizer_json, "utf-8")
    return Vocabulary.from_file(path)


def test_a_subfolder_holds_a_model_too(tmp_path: Path) -> None:
    tiny_blip(tmp_path / "captioner")
    assert load_captioner(str(tmp_path), None, "captioner").kind == "blip"


def test_a_hub_model_is_read_at_its_commit(
    git: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    snapshots = tmp_path / "models--microsoft--git-base-coco" / "snapshots"
    shutil.copytree(git, snapshots / COMMIT)
    assert load_captioner("microsoft/git-base-coco", COMMIT).kind == "git"
    changed(snapshots / COMMIT / "config.json", architectures=["GitModel"])
    with pytest.raises(UnsupportedModelError, match=f"^microsoft/git-base-coco at {COMMIT}: class GitModel"):
        load_captioner("microsoft/git-base-coco", COMMIT)
    with pytest.raises(ModelFilesError, match=f"microsoft/git-base-coco at {'0' * 40}: "):
        load_captioner("microsoft/git-base-coco", "0" * 40)
    with pytest.raises(ModelFilesError, match="no hub id at"):
        load_captioner("no hub id", COMMIT)


def test_our_own_captioner_is_loaded_like_others(tmp_path: Path) -> None:
    torch.manual_seed(0)
    words = ["<pad>", "<s>", "</s>", "<unk>", "a", "red", "car"]
    build_captioner(len(words), tags=20, hidden_size=32).save_pretrained(tmp_path)
    vocabulary = models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=words[3])
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(vocabulary)).save_pretrained(tmp_path)
    ViTImageProcessor(
        size={"height": 320, "width": 320}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    ).save_pretrained(tmp_path)
    captioner = load_captioner(str(tmp_path), None)
    assert (captioner.start_token, captioner.end_token, captioner.input_px) == (START, END, 320)
    assert captioner.mean == (0.485, 0.456, 0.406)
    assert len(captioner.greedy(torch.rand(1, 3, 320, 320), 6)) <= 6
