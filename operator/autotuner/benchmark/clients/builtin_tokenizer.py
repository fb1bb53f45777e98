"""The built-in tokenizer: one token per UTF-8 byte. For the simulated engine, which has no tokenizer of its own.

`python -m autotuner.benchmark.clients.builtin_tokenizer` writes its files; they are committed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "tokenizer"


def byte_alphabet() -> dict[str, int]:
    """The character that stands for each byte, as GPT-2 and since then every byte-level tokenizer writes it."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return {characters[byte]: byte for byte in range(256)}


def tokenizer() -> dict[str, Any]:
    """tokenizer.json: byte pairs without a single merge."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": byte_alphabet(),
            "merges": [],
        },
    }


def main() -> None:
    """Write the tokenizer's two files."""
    FOLDER.mkdir(exist_ok=True)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    for name, body in (("tokenizer.json", tokenizer()), ("tokenizer_config.json", config)):
        (FOLDER / name).write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
