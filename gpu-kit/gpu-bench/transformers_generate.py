"""Transformers' `generate` on a Qwen2 of the same shape as the GGUF, with random weights, as a Python worker runs it.

Reads one JSON object from stdin: {"shape": {...}, "mode": "eager" | "compiled", "device": "cuda" | "cpu",
"dtype": "bfloat16" | "float32", "cases": [{"name", "requests", "batch", "prompt", "generate"}]}
Prints a line of JSON for each case, {"case": name, "seconds": n, "firstTokenMs": n, "tokensPerSecond": n}, and a last
one: {"versions": {...}, "memoryMB": n}. `seconds` is the time of all requests, one batch after the other;
`tokensPerSecond` is that of one batch between its first and its last token.
"""

import json
import sys
import time

import torch
import transformers
from transformers import AutoModelForCausalLM, Qwen2Config


def make_model(shape, device, dtype):
    config = Qwen2Config(
        hidden_size=shape["embedding"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kvHeads"],
        intermediate_size=shape["feedForward"],
        max_position_embeddings=shape["context"],
        rope_theta=shape["ropeBase"],
        rms_norm_eps=shape["normEpsilon"],
        tie_word_embeddings=shape["tied"],
        vocab_size=shape["tokens"],
        use_sliding_window=False,
        attn_implementation="sdpa",
    )
    # Make it on the device and in the type of its use: 7B in float32 would not fit everywhere.
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config)
    return model.to(device=device, dtype=dtype).eval()


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def generate(model, device, batch, prompt, new_tokens):
    tokens = torch.randint(1000, 100000, (batch, prompt), device=device) % model.config.vocab_size
    synchronize(device)
    begin = time.perf_counter()
    output = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        do_sample=True,
        temperature=0.7,
        top_p=0.9,
        top_k=0,
        pad_token_id=0,
    )
    synchronize(device)
    if output.shape[1] != prompt + new_tokens:
        raise RuntimeError(f"generated {output.shape[1] - prompt} of {new_tokens} tokens")
    return time.perf_counter() - begin


def measure(model, device, case, compiled):
    batch, prompt, new_tokens = case["batch"], case["prompt"], case["generate"]
    # Warm up with the very lengths to measure: a compiled model is compiled for each of them.
    generate(model, device, batch, prompt, new_tokens if compiled else 8)
    generate(model, device, batch, prompt, 1)
    first = generate(model, device, batch, prompt, 1)
    begin = time.perf_counter()
    whole = [generate(model, device, batch, prompt, new_tokens) for _ in range(-(-case["requests"] // batch))]
    seconds = time.perf_counter() - begin
    mean = sum(whole) / len(whole)
    return {
        "seconds": seconds,
        "firstTokenMs": first * 1000,
        "tokensPerSecond": batch * (new_tokens - 1) / max(mean - first, 1e-9),
    }


def main():
    task = json.load(sys.stdin)
    device = task["device"]
    torch.manual_seed(0)
    with torch.no_grad():
        model = make_model(task["shape"], device, getattr(torch, task["dtype"]))
        compiled = task["mode"] == "compiled"
        if compiled:
            model.generation_config.cache_implementation = "static"
            model.forward = torch.compile(model.forward, mode="reduce-overhead", fullgraph=True)
        for case in task["cases"]:
            print(json.dumps({"case": case["name"], **measure(model, device, case, compiled)}), flush=True)
    memory = torch.cuda.max_memory_reserved() / 1e6 if device == "cuda" else None
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({"versions": versions, "memoryMB": memory}), flush=True)


main()
