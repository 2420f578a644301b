"""Writes the newest checkpoint, or the mean of several, as a GGUF file for llama.cpp, its matrices in Q8_0."""

import argparse
import struct
from pathlib import Path

import numpy
import torch

from network import CONFIG
from tokenizer import CONTROL, Tokenizer

HERE = Path(__file__).parent
ALIGNMENT = 32
F32, Q8_0 = 0, 8
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
NORMAL_TOKEN, CONTROL_TOKEN = 1, 3


def string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    pack = {
        UINT32: lambda v: struct.pack("<I", v), FLOAT32: lambda v: struct.pack("<f", v),
        INT32: lambda v: struct.pack("<i", v), BOOL: lambda v: struct.pack("<?", v), STRING: string,
    }  # fmt: skip
    if isinstance(kind, tuple):
        element = kind[1]
        body = struct.pack("<IQ", element, len(value)) + b"".join(map(pack[element], value))
        return string(key) + struct.pack("<I", ARRAY) + body
    return string(key) + struct.pack("<I", kind) + pack[kind](value)


def metadata(tokenizer, template):
    config, ids = CONFIG, tokenizer.control
    strings, ints = (ARRAY, STRING), (ARRAY, INT32)
    types = [CONTROL_TOKEN if token in CONTROL else NORMAL_TOKEN for token in tokenizer.tokens]
    return [
        entry("general.architecture", STRING, "llama"),
        entry("general.type", STRING, "model"),
        entry("general.name", STRING, "Verbatim Tiny"),
        entry("general.size_label", STRING, "3.7M"),
        entry("general.license", STRING, "mit"),
        entry("general.description", STRING, "Repeats, enhances, writes in capitals, makes JSON, chats a little: "
              "as the system prompt says. For demonstrations and tests."),
        entry("general.languages", strings, ["en"]),
        entry("general.file_type", UINT32, 7),
        entry("general.quantization_version", UINT32, 2),
        entry("llama.block_count", UINT32, config["layers"]),
        entry("llama.context_length", UINT32, config["context"]),
        entry("llama.embedding_length", UINT32, config["width"]),
        entry("llama.feed_forward_length", UINT32, config["feed_forward"]),
        entry("llama.attention.head_count", UINT32, config["heads"]),
        entry("llama.attention.head_count_kv", UINT32, config["heads"]),
        entry("llama.attention.layer_norm_rms_epsilon", FLOAT32, config["norm_epsilon"]),
        entry("llama.rope.freq_base", FLOAT32, config["rope_base"]),
        entry("llama.rope.dimension_count", UINT32, config["head_width"]),
        entry("llama.vocab_size", UINT32, len(tokenizer.tokens)),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "gpt-2"),
        entry("tokenizer.ggml.tokens", strings, tokenizer.tokens),
        entry("tokenizer.ggml.token_type", ints, types),
        entry("tokenizer.ggml.merges", strings, [" ".join(merge) for merge in tokenizer.merges]),
        entry("tokenizer.ggml.bos_token_id", UINT32, ids["<|endoftext|>"]),
        entry("tokenizer.ggml.eos_token_id", UINT32, ids["<|im_end|>"]),
        entry("tokenizer.ggml.eot_token_id", UINT32, ids["<|im_end|>"]),
        entry("tokenizer.ggml.padding_token_id", UINT32, ids["<|endoftext|>"]),
        entry("tokenizer.ggml.add_bos_token", BOOL, False),
        entry("tokenizer.chat_template", STRING, template),
    ]  # fmt: skip


def quantize(weights):
    """Blocks of 32: a scale in half precision and 32 integers of 8 bits."""
    blocks = weights.astype(numpy.float32).reshape(-1, 32)
    scale = numpy.abs(blocks).max(1, keepdims=True) / numpy.float32(127)
    inverse = numpy.divide(1, scale, out=numpy.zeros_like(scale), where=scale != 0)
    scaled = blocks * inverse
    # Halves away from zero, as llama.cpp rounds.
    integers = numpy.trunc(scaled + numpy.copysign(numpy.float32(0.5), scaled)).clip(-127, 127).astype(numpy.int8)
    out = numpy.empty((len(blocks), 34), numpy.uint8)
    out[:, :2] = scale.astype(numpy.float16).view(numpy.uint8)
    out[:, 2:] = integers.view(numpy.uint8)
    return out.tobytes()


def tensors(weights):
    for name, tensor in weights.items():
        array = tensor.float().numpy()
        full = name if name.endswith(".weight") else f"{name}.weight"
        kind = Q8_0 if array.ndim == 2 else F32
        yield full, kind, array.shape[::-1], quantize(array) if kind == Q8_0 else array.astype("<f4").tobytes()


def export(checkpoints, vocabulary, path):
    stored, *others = [torch.load(checkpoint, map_location="cpu") for checkpoint in checkpoints]
    for name, weights in stored["network"].items():
        # Ends of one training: their mean is better than each of them (arXiv:2203.05482).
        stored["network"][name] = sum((other["network"][name] for other in others), weights) / (1 + len(others))
    tokenizer = Tokenizer.load(vocabulary)
    if stored["tokens"] != tokenizer.tokens:
        raise SystemExit("the checkpoint is of another vocabulary")
    entries = metadata(tokenizer, (HERE / "chat-template.jinja").read_text(encoding="utf-8"))
    table, data = b"", b""
    count = 0
    for name, kind, dims, raw in tensors(stored["network"]):
        table += string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(data))
        data += raw + bytes(-len(raw) % ALIGNMENT)
        count += 1
    front = b"GGUF" + struct.pack("<IQQ", 3, count, len(entries)) + b"".join(entries) + table
    whole = front + bytes(-len(front) % ALIGNMENT) + data
    temporary = path.with_suffix(".new")
    temporary.write_bytes(whole)
    temporary.replace(path)
    print(f"{path.name}: {len(whole)} bytes, step {stored['state']['step']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", nargs="+", default=[str(HERE / "work" / "checkpoint.pt")])
    parser.add_argument("--vocabulary", default=str(HERE / "vocabulary.json"))
    parser.add_argument("--out", default=str(HERE.parent / "verbatim-tiny.gguf"))
    options = parser.parse_args()
    export(options.checkpoint, options.vocabulary, Path(options.out))
