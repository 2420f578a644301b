"""The network: llama's, with tied embeddings."""

import math

import torch
from torch import nn
from torch.nn import functional

CONFIG = {
    "layers": 5, "width": 256, "heads": 4, "head_width": 64, "feed_forward": 480,
    "rope_base": 10_000.0, "norm_epsilon": 1e-5, "context": 2048,
}  # fmt: skip


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["norm_epsilon"]) * self.weight


def rotations(length):
    half = CONFIG["head_width"] // 2
    frequencies = CONFIG["rope_base"] ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.arange(length, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x, cosines, sines):
    """Turns neighbouring pairs of the last dimension, as llama.cpp does for the architecture `llama`."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosines - odd * sines, even * sines + odd * cosines), -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        width, inner, hidden = CONFIG["width"], CONFIG["heads"] * CONFIG["head_width"], CONFIG["feed_forward"]
        self.attn_norm = Norm(width)
        self.attn_q = nn.Linear(width, inner, bias=False)
        self.attn_k = nn.Linear(width, inner, bias=False)
        self.attn_v = nn.Linear(width, inner, bias=False)
        self.attn_output = nn.Linear(inner, width, bias=False)
        self.ffn_norm = Norm(width)
        self.ffn_gate = nn.Linear(width, hidden, bias=False)
        self.ffn_up = nn.Linear(width, hidden, bias=False)
        self.ffn_down = nn.Linear(hidden, width, bias=False)
        for linear in (self.attn_q, self.attn_k, self.attn_v, self.ffn_gate, self.ffn_up):
            nn.init.normal_(linear.weight, std=width**-0.5)
        nn.init.zeros_(self.attn_output.weight)
        nn.init.zeros_(self.ffn_down.weight)

    def forward(self, x, cosines, sines, mask):
        rows, length, _ = x.shape
        shape = (rows, length, CONFIG["heads"], CONFIG["head_width"])
        normed = self.attn_norm(x)
        q = rotate(self.attn_q(normed).view(shape).transpose(1, 2), cosines, sines)
        k = rotate(self.attn_k(normed).view(shape).transpose(1, 2), cosines, sines)
        v = self.attn_v(normed).view(shape).transpose(1, 2)
        scores = q @ k.transpose(-1, -2) / math.sqrt(CONFIG["head_width"])
        weights = (scores.float() + mask).softmax(-1)
        mixed = (weights.to(v.dtype) @ v).transpose(1, 2).reshape(rows, length, -1)
        x = x + self.attn_output(mixed)
        normed = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(normed)) * self.ffn_up(normed))


class Network(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.token_embd = nn.Parameter(initial_embeddings(tokens))
        self.blk = nn.ModuleList(Layer() for _ in range(CONFIG["layers"]))
        self.output_norm = Norm(CONFIG["width"])
        self.tables = rotations(CONFIG["context"])

    def forward(self, ids, at=None):
        """Logits at the positions `at` (indices into the flattened ids), or at all."""
        length = ids.shape[1]
        mask = torch.full((length, length), -1e9).triu(1)
        cosines, sines = (table[:length] for table in self.tables)
        x = functional.embedding(ids, self.token_embd)
        for layer in self.blk:
            x = layer(x, cosines, sines, mask)
        x = x.flatten(0, 1)
        if at is not None:
            x = x[at]
        return self.output_norm(x) @ self.token_embd.t()


def initial_embeddings(tokens):
    """Pieces that differ in case or leading space start as neighbours: what they share, and what tells them apart."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda: torch.randn(CONFIG["width"], generator=generator)  # noqa: E731
    shared, marks = {}, {name: draw() for name in ("space", "upper", "title")}
    rows = []
    for token in tokens:
        spaced = len(token) > 1 and token[0] == "\u0120"
        piece = token[1:] if spaced else token
        row = shared.setdefault(piece.lower() if piece.isalpha() and piece.isascii() else piece, draw()) * 0.8
        row = row + 0.25 * draw()
        if spaced:
            row = row + 0.4 * marks["space"]
        if piece.isalpha() and piece.isascii() and piece != piece.lower():
            row = row + 0.4 * marks["upper" if piece == piece.upper() else "title"]
        rows.append(row)
    return torch.stack(rows) * 0.02
