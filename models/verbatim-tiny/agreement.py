"""Writes work/agreement.jsonl: 10,000 texts and conversations with the ids that the trainer gives them."""

import itertools
import json
import random
import sys
from pathlib import Path

from data import conversations
from tokenizer import Tokenizer

HERE = Path(__file__).parent
# Characters of every kind that the splitting tells apart, and some that it must not.
RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0x20, 0x40), (0xA1, 0x24F), (0x391, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA),
          (0x627, 0x64A), (0x905, 0x939), (0x3041, 0x3096), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x2000, 0x206F),
          (0x2150, 0x2189), (0x2460, 0x249B), (0x1F300, 0x1F64F), (0x660, 0x669), (0x300, 0x36F)]  # fmt: skip
WHITE = [" ", " ", " ", "  ", "\n", "\n\n", "\t", " \n", "\r\n", "\u00a0", "\u3000", "'s ", "'ll ", "'RE "]


def noise(rng):
    parts = []
    for _ in range(rng.randint(1, 12)):
        low, high = rng.choice(RANGES)
        parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
        parts.append(rng.choice(WHITE) if rng.random() < 0.7 else "")
    return "".join(parts)


def main():
    tokenizer = Tokenizer.load(sys.argv[1] if len(sys.argv) > 1 else HERE / "vocabulary.json")
    rng = random.Random(7)
    out = HERE / "work" / "agreement.jsonl"
    out.parent.mkdir(exist_ok=True)
    with out.open("w", encoding="utf-8") as file:
        for _ in range(4000):
            text = noise(rng)
            file.write(json.dumps({"text": text, "ids": tokenizer.encode(text)}) + "\n")
        for messages in itertools.islice(conversations(7, (1, 1, 1, 1, 1), 16, True), 6000):
            if rng.random() < 0.1:
                role, _, learn = messages[-2]
                messages[-2] = (role, noise(rng), learn)
            prompt = messages[:-1]
            ids = [i for role, text, _ in prompt for i in tokenizer.turn(role, text)]
            ids += [tokenizer.control["<|im_start|>"], *tokenizer.encode("assistant\n")]
            pairs = [[role, text] for role, text, _ in prompt]
            file.write(json.dumps({"messages": pairs, "ids": ids}) + "\n")


if __name__ == "__main__":
    main()
