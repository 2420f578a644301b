"""Writes the prompts that are kept from training, seeded, with the answers that are right, as lines of JSON.

    heldout.py                          work/evaluation.jsonl, 400 of each kind, and sample.jsonl, 10 of each kind
"""

import json
import random
from pathlib import Path

from data import ANSWER, PHRASES, ask
from facts import UNKNOWN, intents
from messages import held_out
from prompts import OTHER_WORDS, SKILLS, held_out_prompt

# All skills but chat are asked about the same mixture.
MIXTURE = {"known": 100, "unseen": 70, "letters": 40, "numbers": 40, "pictures": 70, "written": 50, "repeating": 30}
WORDS = {"known": 120, "unseen": 100, "letters": 40, "pictures": 80, "written": 60}


def mixture(rng, counts):
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    rng.shuffle(kinds)
    return [(kind, held_out(rng, kind)) for kind in kinds]


def case(skill, system, text, kind=None, answer=None):
    made = {"skill": skill, "messages": [["system", system], ["user", text]]}
    made["answer"] = ANSWER[skill](text) if answer is None else answer
    if kind:
        made["kind"] = kind
    return made


def chat_case(rng, phrasings):
    answer, phrasing = rng.choice(phrasings)
    text = ask(rng, phrasing)
    return case("chat", held_out_prompt(rng, "chat"), text, answer=answer)


def dialogue(rng, skill):
    """Several turns under one system prompt; the last is answered."""
    messages = [["system", held_out_prompt(rng, skill)]]
    questions = [(answer, phrasing) for answer, train, _ in intents() for phrasing in train]
    turns = rng.randint(2, 6)
    for turn in range(turns):
        if skill == "chat":
            answer, phrasing = rng.choice(questions)
            text = ask(rng, phrasing)
        else:
            text = held_out(rng, rng.choice(["known", "unseen", "pictures", "written", "order", "control"]))
            answer = ANSWER[skill](text)
        messages.append(["user", text])
        if turn < turns - 1:
            messages.append(["assistant", answer])
    return {"skill": skill, "messages": messages, "answer": answer}


def sections(count):
    def rng(name):
        return random.Random(f"evaluation {name}")

    def some(counts):
        total = sum(counts.values())
        return {kind: max(1, round(number * count / total)) for kind, number in counts.items()}

    for kind in ("known", "unseen", "letters", "numbers", "repeating", "pictures", "written"):
        r = rng(f"repeat {kind}")
        yield f"repeat {kind}", [
            case("repeat", held_out_prompt(r, "repeat"), held_out(r, kind)) for _ in range(count)
        ]
    for skill in ("enhance", "upper", "json"):
        r = rng(skill)
        yield skill, [
            case(skill, held_out_prompt(r, skill), text, kind) for kind, text in mixture(r, some(MIXTURE))
        ]
    for name, which in (("chat seen", 1), ("chat held out", 2)):
        r = rng(name)
        phrasings = [(intent[0], phrasing) for intent in intents() for phrasing in intent[which]]
        yield name, [chat_case(r, phrasings) for _ in range(count)]
    for name, choose in (("modes", held_out_prompt), ("modes in other words", lambda r, s: r.choice(OTHER_WORDS[s]))):
        r = rng(name)
        cases = []
        for group, (kind, text) in enumerate(mixture(r, some(WORDS))):
            for skill in SKILLS:
                made = case(skill, choose(r, skill), text, kind, UNKNOWN if skill == "chat" else None)
                cases.append({**made, "group": group})
        yield name, cases
    for kind in ("order", "control"):
        r = rng(kind)
        yield f"text like {kind}", [
            case(skill, held_out_prompt(r, skill), held_out(r, kind), kind)
            for i in range(count)
            for skill in [("repeat", "upper", "enhance", "json")[i % 4]]
        ]
    r = rng("several turns")
    yield "several turns", [dialogue(r, SKILLS[i % 5]) for i in range(count)]


def write(path, count):
    made = dict(sections(count))
    answers = sorted({answer for answer, _, _ in intents()} | {UNKNOWN})
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        json.dump({"phrases": sorted(PHRASES.values()), "chatAnswers": answers}, file, ensure_ascii=False)
        file.write("\n")
        for name, cases in made.items():
            for one in cases:
                json.dump({"section": name, **one}, file, ensure_ascii=False)
                file.write("\n")
    print(f"{path.name}: {sum(map(len, made.values()))} prompts")


if __name__ == "__main__":
    here = Path(__file__).parent
    write(here / "work" / "evaluation.jsonl", 400)
    write(here / "sample.jsonl", 10)
