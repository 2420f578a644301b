"""A byte-level BPE vocabulary as llama.cpp's "gpt-2" pre-tokenizer cuts the text, made for copying.

Merges are learned on lower-case words. Each has a mirror image in capitals and, where it begins words, with one
capital, so that `hello`, `HELLO` and `Hello` split alike. The leading space is joined to the first piece last, so
that it never changes how a word splits. Two digits may be one token; nothing merges across letters and digits.
"""

import json
import re
import unicodedata
from collections import Counter
from functools import lru_cache

CONTROL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
ROLES = ("system", "user", "assistant", "tool")
_PUNCTUATION = ['{"', '":', '",', '["', '"]', '"]}', "<|", "|>", "..", "..."]
_SPLIT = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\t-\r A-Za-z0-9]+|[\t-\r ]+(?![^\t-\r ])|[\t-\r ]+")


def _bytes_to_text():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + i) for i, byte in enumerate(rest)}}


_TEXT_OF = _bytes_to_text()
_SPACE = _TEXT_OF[0x20]


def _class(char):
    """An ASCII character of the same class for the splitting expression."""
    if char < "\x80":
        return char
    category = unicodedata.category(char)
    if category[0] == "L":
        return "a"
    if category[0] == "N":
        return "0"
    if category[0] == "Z" or char == "\x85":
        return "\v"
    return "!"


def split(text):
    if text.isascii():
        return _SPLIT.findall(text)
    classes = "".join(map(_class, text))
    return [text[match.start() : match.end()] for match in _SPLIT.finditer(classes)]


class Tokenizer:
    def __init__(self, tokens, merges):
        self.tokens = tokens
        self.merges = merges
        self.ids = {token: i for i, token in enumerate(tokens)}
        self._ranks = {tuple(merge): rank for rank, merge in enumerate(merges)}
        self.control = {token: self.ids[token] for token in CONTROL}
        self._encode_piece = lru_cache(200_000)(self._encode_piece)

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        return cls(stored["tokens"], [tuple(merge.split(" ")) for merge in stored["merges"]])

    def save(self, path):
        stored = {"tokens": self.tokens, "merges": [" ".join(merge) for merge in self.merges]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(stored, file, ensure_ascii=False, indent=0)

    def _encode_piece(self, piece):
        return tuple(self.ids[part] for part in bpe([_TEXT_OF[byte] for byte in piece.encode()], self._ranks))

    def encode(self, text):
        """Ids of text in which nothing is a control token."""
        return [token for piece in split(text) for token in self._encode_piece(piece)]

    def turn(self, role, text):
        """Ids of a message as the chat template writes it."""
        return [
            self.control["<|im_start|>"],
            *self.encode(f"{role}\n{text}"),
            self.control["<|im_end|>"],
            *self.encode("\n"),
        ]


def bpe(parts, ranks):
    while len(parts) > 1:
        best = min(range(len(parts) - 1), key=lambda i: ranks.get((parts[i], parts[i + 1]), 1 << 30))
        if (parts[best], parts[best + 1]) not in ranks:
            break
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts


def _learn(words, count):
    """The merges of most frequent neighbours; `words` counts lower-case words."""
    splits = {word: list(word) for word in words}
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, parts in splits.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        joined = best[0] + best[1]
        for parts in splits.values():
            i = 0
            while i < len(parts) - 1:
                if parts[i] == best[0] and parts[i + 1] == best[1]:
                    parts[i : i + 2] = [joined]
                i += 1
    return merges, splits


def _beginnings(word, ranks):
    """Every piece that the word begins with while its merges are applied."""
    parts = list(word)
    seen = {parts[0]}
    while len(parts) > 1:
        best = min(range(len(parts) - 1), key=lambda i: ranks.get((parts[i], parts[i + 1]), 1 << 30))
        if (parts[best], parts[best + 1]) not in ranks:
            break
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
        seen.add(parts[0])
    return seen


def _title(piece):
    return piece[0].upper() + piece[1:]


def train(words, count, spaced, titled):
    """`words` counts words of letters, lower-case; `count` merges; `spaced` and `titled` beginnings get variants."""
    words = Counter({word: n for word, n in words.items() if word.isascii() and word.isalpha()})
    merges, splits = _learn(words, count)
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    begins, finals = Counter(), Counter()
    for word, n in words.items():
        for piece in _beginnings(word, ranks):
            begins[piece] += n
        finals[splits[word][0]] += n
    title = {piece for piece, _ in finals.most_common(titled)}
    # The parts of a title piece must be there, too.
    made_of = {a + b: (a, b) for a, b in merges}
    for piece in list(title):
        while piece in made_of:
            title.add(piece)
            piece = made_of[piece][0]
    all_merges = []
    for a, b in merges:
        all_merges += [(a, b), (a.upper(), b.upper())]
        if a + b in title:
            all_merges.append((_title(a), b))
    letters = "abcdefghijklmnopqrstuvwxyz"
    first = [*letters, *letters.upper()]
    for piece, _ in finals.most_common(spaced):
        for variant in (piece, piece.upper(), _title(piece) if piece in title else piece):
            if variant not in first:
                first.append(variant)
    digits = "0123456789"
    all_merges += [(_SPACE, digit) for digit in digits]
    all_merges += [(a, b) for a in digits for b in digits]
    made = {a + b for a, b in all_merges} | set(_TEXT_OF.values())
    for piece in _PUNCTUATION:
        cut = 1 if piece[:-1] not in made else len(piece) - 1
        all_merges.append((piece[:cut], piece[cut:]))
        made.add(piece)
    all_merges += [(_SPACE, piece) for piece in (*first, '"', '["')]
    tokens = [*CONTROL, *_TEXT_OF.values()]
    for a, b in all_merges:
        if a + b not in tokens:
            tokens.append(a + b)
    return Tokenizer(tokens, all_merges)


def counted_words(conversations, conversation_count):
    """How often words occur, damped so that rare ones count too."""
    counts = Counter()
    for _, messages in zip(range(conversation_count), conversations):
        for role, text, _ in messages:
            counts.update(word.lower() for word in re.findall(r"[A-Za-z]+", text))
    # Made-up words come once or twice; known ones are to have few pieces.
    damped = Counter({word: round(10 * n**0.65) if n > 3 else 1 for word, n in counts.items()})
    for role in ROLES:
        damped[role] = 100_000
    return damped


if __name__ == "__main__":
    import argparse

    from data import conversations

    parser = argparse.ArgumentParser(description="Makes the vocabulary.")
    parser.add_argument("out")
    parser.add_argument("--texts", type=int, default=30_000, help="conversations to learn from")
    options = parser.parse_args()
    counts = counted_words(conversations(0, (3, 1, 1, 1, 2), 12, True), options.texts)
    tokenizer = train(counts, 370, 255, 180)
    tokenizer.save(options.out)
    print(f"{options.out}: {len(tokenizer.tokens)} tokens")
