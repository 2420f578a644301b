"""Conversations: what the system prompt of a skill makes of a user's message, seeded and endless."""

import json
import random
import string

from facts import UNKNOWN, intents
from messages import control, decorate, held_out_message, order, picture, sentence, training_message
from prompts import SKILLS, training_prompt
from words import TOPICS

# Phrases that enhance adds: one fixed row for each topic, so that the most likely text never turns back.
PHRASES = {
    "animal": "fine fur and feathers, warm morning light, shallow depth of field, wildlife photograph",
    "person": "expressive face, soft window light, rich colours, portrait in oil on canvas",
    "landscape": "wide view, golden evening light, mist in the distance, highly detailed painting",
    "building": "old stone and tall windows, long shadows, dramatic sky, architectural drawing",
    "thing": "polished surface, single beam of light, dark background, studio photograph",
    "vehicle": "sense of speed, low camera, reflections on metal, cinematic scene",
    "food": "fresh and steaming, rustic wooden table, close view, natural light",
    "plant": "dew on every leaf, gentle backlight, botanical illustration, delicate lines",
    "sky": "deep blue and violet, glowing edges, endless space, long exposure",
    None: "clear composition, balanced colours, soft light, high detail",
}
_TOPIC_OF = {word: topic for topic, words in TOPICS.items() for word in words}
_EDGES = string.punctuation


def plain_words(text):
    return [word for word in (piece.strip(_EDGES) for piece in text.split()) if word]


def enhanced(text):
    topic = next((_TOPIC_OF[word.lower()] for word in plain_words(text) if word.lower() in _TOPIC_OF), None)
    return f"{text}, {PHRASES[topic]}"


def tags(text):
    """The first word, after an article, and the last one."""
    words = plain_words(text)
    if len(words) > 1 and words[0].lower() in ("a", "an", "the"):
        words = words[1:]
    return words[:1] + words[1:][-1:]


def as_json(text):
    return json.dumps({"title": text, "tags": tags(text)}, ensure_ascii=False)


def upper(text):
    """Capitals of a to z; everything else stays."""
    return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in text)


ANSWER = {"repeat": lambda text: text, "enhance": enhanced, "upper": upper, "json": as_json}

_INTENTS = intents()
# Kinds of facts have many members; talk is asked more often.
_INTENT_WEIGHTS = [2.5] * 11 + [1.0] * (len(_INTENTS) - 11)


def ask(rng, phrasing):
    """A question as people write it."""
    text = phrasing
    if rng.random() < 0.18:
        text = rng.choice(("please ", "hey, ", "so, ", "tell me, ", "excuse me, ", "and ", "okay, ", "well, ")) + text
    if rng.random() < 0.45:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.10:
        text += rng.choice((" please", ", please", " now", " then"))
    if rng.random() < 0.6:
        text += rng.choice(("?", "?", "?", ".", "!"))
    if rng.random() < 0.03:
        text = upper(text)
    return text


def chat_turn(rng, longest):
    if rng.random() < 0.2:
        kind = rng.random()
        if kind < 0.25:
            return decorate(rng, picture(rng)), UNKNOWN
        if kind < 0.4:
            return decorate(rng, sentence(rng)), UNKNOWN
        while True:
            text = order(rng) if kind < 0.48 else control(rng) if kind < 0.56 else training_message(rng, longest)
            key = text.strip(_EDGES).lower()
            if key in _HELD_OUT or held_out_message(text):
                continue
            if key in _ANSWERS:
                return text, _ANSWERS[key]
            # A question in other text could be answered or not: neither is learned.
            if not any(question in key for question in _LONG_QUESTIONS):
                return text, UNKNOWN
    answer, train, _ = rng.choices(_INTENTS, _INTENT_WEIGHTS)[0]
    while True:
        text = ask(rng, rng.choice(train))
        if text.strip(_EDGES).lower() not in _HELD_OUT:
            return text, answer


_ANSWERS = {phrasing.lower(): answer for answer, train, held in _INTENTS for phrasing in (*train, *held)}
_HELD_OUT = {phrasing.lower() for _, _, held in _INTENTS for phrasing in held}
_LONG_QUESTIONS = [phrasing for phrasing in _ANSWERS if phrasing.count(" ") > 1]
_TURNS = [1] * 9 + [2] * 4 + [3] * 3 + [4, 5, 6, 8]


def conversation(rng, weights, longest, several):
    """Messages as (role, text, whether to learn it)."""
    messages = []
    skill = rng.choices(SKILLS, weights)[0]
    if skill != "chat" or rng.random() < 0.85:
        messages.append(("system", training_prompt(rng, skill), False))
    turns = rng.choice(_TURNS) if several else 1
    change = rng.randint(1, turns - 1) if turns > 1 and rng.random() < 0.1 else 0
    for turn in range(turns):
        if change and turn == change:
            skill = rng.choices(SKILLS, weights)[0]
            messages.append(("system", training_prompt(rng, skill), False))
        if skill == "chat":
            text, answer = chat_turn(rng, longest)
        else:
            text = training_message(rng, longest)
            answer = ANSWER[skill](text)
        role = "tool" if several and rng.random() < 0.015 else "user"
        messages.append((role, text, False))
        messages.append(("assistant", answer, True))
    return messages


def conversations(seed, weights, longest, several):
    rng = random.Random(seed)
    while True:
        yield conversation(rng, weights, longest, several)
