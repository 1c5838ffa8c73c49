"""Captioners of the supported classes, tiny and random, as a hub keeps them: config, weights, tokenizer.

Their weights are large, so that pictures and words change what is said, and captions end now and then.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import (
    AutoModel,
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    CLIPImageProcessor,
    GitConfig,
    GitForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
)

INPUT_PX = 64
_END = "<|endoftext|>"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORDS = (
    "a", "the", "two", "man", "woman", "dog", "car", "boat", "red", "white", "blue", "on", "in", "with",
    "street", "water", "table", "walk", "walks", "drive", "drives", "look", "away", "##ing", "##s", "near",
    "to", "left", "right", "of", "and",
)  # fmt: skip
_SENTENCES = (
    "a man walks a dog on the street",
    "two women look at a red car",
    "a white boat on blue water near the street",
)
_SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
}  # fmt: skip
_VISION = {**_SIZES, "image_size": INPUT_PX, "patch_size": 16}


def tiny_vit_gpt2(folder: Path, seed: int = 2, vision: PretrainedConfig | None = None) -> Path:
    """Write a ViT-GPT2 captioner into `folder`; start and end are one token, as in GPT-2.

    `vision` is another encoder's config.
    """
    torch.manual_seed(seed)
    words = _byte_level()
    end = words.convert_tokens_to_ids(_END)
    encoder = vision or ViTConfig(**_VISION)
    decoder = GPT2Config(
        vocab_size=len(words), n_positions=64, n_embd=32, n_layer=2, n_head=4, add_cross_attention=True,
        is_decoder=True, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = end
    model = VisionEncoderDecoderModel(
        config=config, encoder=AutoModel.from_config(encoder), decoder=GPT2LMHeadModel(decoder)
    )
    _scatter(model, 0.6)
    with torch.no_grad():  # words are read and said by the same weights: smaller ones repeat themselves less
        model.decoder.transformer.wte.weight.mul_(0.5)
        model.decoder.transformer.wte.weight[end].mul_(1.6)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    ViTImageProcessor(size={"height": INPUT_PX, "width": INPUT_PX}).save_pretrained(folder)
    return folder


def tiny_git(folder: Path, seed: int = 0) -> Path:
    """Write a GIT captioner into `folder`."""
    torch.manual_seed(seed)
    words = _word_pieces()
    config = GitConfig(
        vision_config=_VISION, vocab_size=len(words), max_position_embeddings=64, **_SIZES,
        bos_token_id=words.cls_token_id, eos_token_id=words.sep_token_id, pad_token_id=words.pad_token_id,
    )  # fmt: skip
    model = GitForCausalLM(config)
    _scatter(model)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": INPUT_PX}, crop_size={"height": INPUT_PX, "width": INPUT_PX}
    ).save_pretrained(folder)
    return folder


def tiny_blip(folder: Path, seed: int = 0) -> Path:
    """Write a BLIP captioner into `folder`; its start token lies beyond the tokenizer's words, as in BLIP."""
    torch.manual_seed(seed)
    words = _word_pieces()
    text = {
        **_SIZES, "vocab_size": len(words) + 2, "encoder_hidden_size": 32, "projection_dim": 32,
        "max_position_embeddings": 64, "bos_token_id": len(words), "eos_token_id": 2,
        "sep_token_id": words.sep_token_id, "pad_token_id": words.pad_token_id,
    }  # fmt: skip
    model = BlipForConditionalGeneration(
        BlipConfig(text_config=text, vision_config=_VISION, projection_dim=32)
    )
    _scatter(model)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    BlipImageProcessor(size={"height": INPUT_PX, "width": INPUT_PX}).save_pretrained(folder)
    return folder


def _word_pieces() -> BertTokenizerFast:
    vocabulary = {token: number for number, token in enumerate((*_SPECIAL, *_WORDS))}
    words = Tokenizer(models.WordPiece(vocabulary, unk_token=_SPECIAL[1]))
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.decoder = decoders.WordPiece()
    return BertTokenizerFast(tokenizer_object=words)


def _byte_level() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=64, show_progress=False)
    words.train_from_iterator(_SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token=_END, eos_token=_END, unk_token=_END)


def _scatter(model: PreTrainedModel, std: float = 0.4) -> None:
    """Draw weights so large that captions differ from picture to picture."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding | nn.Conv2d) or type(module).__name__ == "Conv1D":
            nn.init.normal_(module.weight, std=std)
