"""Checks that what is kept for evaluation is not in the training data, and that the rules of the data hold."""

import itertools
import json
import re
from pathlib import Path

from data import conversations, tags
from facts import intents
from messages import CONTROL_FORMS, CONTROL_FORMS_HELD_OUT, ORDERS, ORDERS_HELD_OUT
from prompts import OTHER_WORDS
from words import HELD_OUT

HERE = Path(__file__).parent


def main():
    lines = (HERE / "work" / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    cases = [json.loads(line) for line in lines]
    prompts = {case["messages"][0][1] for case in cases} | {p for ps in OTHER_WORDS.values() for p in ps}
    messages = {text for case in cases if case["skill"] != "chat" for role, text in case["messages"] if role == "user"}
    phrasings = {phrasing.lower() for _, _, held_out in intents() for phrasing in held_out}
    words = set(HELD_OUT)
    assert not set(ORDERS) & set(ORDERS_HELD_OUT) and not set(CONTROL_FORMS) & set(CONTROL_FORMS_HELD_OUT)
    assert tags("The red fox, at dawn.") == ["red", "dawn"] and tags("a") == ["a"] and tags("?!") == []
    count = 0
    for messages_of in itertools.islice(conversations("check", (1, 1, 1, 1, 1), 16, True), 30_000):
        for role, text, _ in messages_of:
            count += 1
            if role == "system":
                assert text not in prompts, text
            elif role in ("user", "tool"):
                assert text not in messages, text
                assert text.strip("?!.").lower() not in phrasings, text
                for word in re.findall(r"[a-z]+", text.lower()):
                    assert word not in words, (word, text)
            else:
                for word in re.findall(r"[a-z]+", text.lower()):
                    assert word not in words, (word, text)
    print(f"{count} messages of training data hold nothing that is kept for evaluation")


if __name__ == "__main__":
    main()
