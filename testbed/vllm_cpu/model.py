"""Folders of models for the real vLLM: one that it serves, and those that it cannot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKENIZER = Path(__file__).parents[2] / "operator" / "autotuner" / "benchmark" / "clients" / "tokenizer"
_HIDDEN, _INNER, _LAYERS, _WORDS = 64, 128, 2, 256
_CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": _HIDDEN,
    "intermediate_size": _INNER,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": _WORDS,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": None,
    "torch_dtype": "float32",
}
_CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_model(folder: Path) -> None:
    """Write a Llama of two layers with the project's byte tokenizer and no weights: `--load-format dummy` makes them.

    It has no end of text, so that answers have the length that is asked for.
    """
    folder.mkdir(parents=True)
    _write(folder / "config.json", _CONFIG)
    shutil.copy(TOKENIZER / "tokenizer.json", folder)
    tokenizer = json.loads((TOKENIZER / "tokenizer_config.json").read_text())
    _write(folder / "tokenizer_config.json", {**tokenizer, "chat_template": _CHAT_TEMPLATE})


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1))


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def _cut_config(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text()[:60])


def _changed_config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: _write(folder / "config.json", {**_CONFIG, **changes})


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _cut_weights(folder: Path) -> None:
    _write_weights(folder, _HIDDEN)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _weights_of_another_shape(folder: Path) -> None:
    _write_weights(folder, _HIDDEN // 2)


def _web_page(folder: Path) -> None:
    """What a download leaves that was answered by a login page."""
    (folder / "model.safetensors").write_text("<!DOCTYPE html><html><head><title>Sign in</title></head></html>\n")


def _pointers(folder: Path) -> None:
    """What git leaves where large files were not fetched."""
    digest = "0" * 64
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 1048576\n"
    (folder / "model.safetensors").write_text(text)


def _write_weights(folder: Path, hidden: int) -> None:
    """The weights, all of them zero, in the format of safetensors: the header's length, the header, the values."""
    layer = {
        **dict.fromkeys((f"self_attn.{name}_proj" for name in "qkvo"), (hidden, hidden)),
        **dict.fromkeys(("mlp.gate_proj", "mlp.up_proj"), (_INNER, hidden)),
        "mlp.down_proj": (hidden, _INNER),
        **dict.fromkeys(("input_layernorm", "post_attention_layernorm"), (hidden,)),
    }
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (_WORDS, hidden), "model.norm": (hidden,)}
    shapes |= {f"model.layers.{index}.{name}": shape for index in range(_LAYERS) for name, shape in layer.items()}
    shapes["lm_head"] = (_WORDS, hidden)
    header, position = {}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[f"{name}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(position))


# What is wrong with a model's folder -> what makes a good one so.
FAULTS: dict[str, Callable[[Path], None]] = {
    "no folder": shutil.rmtree,
    "empty folder": _empty,
    "no tokenizer": _without_tokenizer,
    "config cut short": _cut_config,
    "unknown architecture": _changed_config(architectures=["TurboForCausalLM"]),
    "unknown model type": _changed_config(architectures=["TurboForCausalLM"], model_type="turbo"),
    "weights cut short": _cut_weights,
    "weights of another shape": _weights_of_another_shape,
    "a web page as weights": _web_page,
    "pointers as weights": _pointers,
}
