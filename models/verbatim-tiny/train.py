"""Trains the network. Goes on from the newest checkpoint by itself; the data depends on the seed only.

    train.py --minutes 75               all of it: constant rate, then a linear decay over the last 40 % of the time
    train.py --finish 2000              the decay now, from the newest checkpoint, over 2000 steps
    train.py --again --minutes 150      on after a decay, at the constant rate again, to 150 minutes in all
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import time
from pathlib import Path

import torch
from torch.nn import functional

from data import conversations
from network import Network
from tokenizer import Tokenizer

HERE = Path(__file__).parent
SEED = 1
DECAY = 0.4
LONGEST_ROW = 1024

# From which step on: weights of repeat, enhance, upper, json and chat; words in a message; several turns.
STAGES = [
    (0, (7.0, 0.5, 1.5, 0.5, 0.5), 3, False),
    (300, (5.0, 1.0, 2.0, 1.0, 1.0), 8, False),
    (650, (3.0, 1.8, 2.4, 3.4, 1.3), 16, True),
]


def main():
    options = parse()
    threads = Threads(options.threads)
    torch.manual_seed(SEED)
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.load(options.vocabulary)
    network = Network(tokenizer.tokens)
    trainer = Trainer(network, options)
    state = {"step": 0, "tokens": 0, "seconds": 0.0, "pool": 0, "pool_step": 0, "decay_from": None, "decay_steps": 0}
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        stored = torch.load(checkpoint)
        network.load_state_dict(stored["network"])
        trainer.load(stored["optimizer"])
        state.update(stored["state"])
        print(f"going on from step {state['step']}, {state['seconds'] / 60:.1f} min", flush=True)
    if options.again:
        state["decay_from"] = None
    if options.finish:
        if state["decay_from"] is None:
            state["decay_from"], state["decay_steps"] = state["step"], options.finish
            shutil.copyfile(checkpoint, checkpoint.with_name("before-decay.pt"))

    def save():
        stored = {"network": network.state_dict(), "optimizer": trainer.state(), "state": state, "tokens": tokenizer.tokens}
        torch.save(stored, checkpoint.with_suffix(".new"))
        os.replace(checkpoint.with_suffix(".new"), checkpoint)

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))
    saved = shown = state["seconds"]
    losses = []
    started = state["seconds"], state["step"]
    for batch in batches(tokenizer, state, options):
        if options.pause_file:
            while os.path.exists(options.pause_file):
                time.sleep(1)
        begin = time.process_time()
        threads.choose()
        if state["decay_from"] is None and state["seconds"] > options.minutes * 60 * (1 - DECAY):
            # The time left, in steps at the pace so far.
            pace = (state["seconds"] - started[0]) / max(state["step"] - started[1], 1)
            left = max(options.minutes * 60 - state["seconds"], 60)
            state["decay_from"], state["decay_steps"] = state["step"], int(left / max(pace, 1e-3))
        rate = min(1.0, (state["step"] + 1) / 100)
        if state["decay_from"] is not None:
            rate *= max(0.0, 1 - (state["step"] - state["decay_from"]) / state["decay_steps"])
        losses.append(trainer.step(*batch, rate))
        state["step"] += 1
        state["tokens"] += batch[0].numel()
        state["seconds"] += (time.process_time() - begin) / threads.count + state.pop("data_seconds", 0.0)
        threads.measure(batch[0].numel())
        if state["seconds"] - shown > 15:
            shown = state["seconds"]
            line = (
                f"step {state['step']} {state['seconds'] / 60:.1f} min {state['tokens'] / 1e6:.2f} M tokens "
                f"loss {sum(losses) / len(losses):.4f} rate {rate:.3f}"
            )
            print(line, flush=True)
            losses.clear()
        done = state["decay_from"] is not None and state["step"] >= state["decay_from"] + state["decay_steps"]
        if done or state["seconds"] - saved > 60:
            saved = state["seconds"]
            save()
        if done or stop or (options.steps and state["step"] >= options.steps):
            save()
            break
    print(f"done after {state['step']} steps, {state['tokens'] / 1e6:.1f} M tokens, {state['seconds'] / 60:.1f} min")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=75, help="processor time of the whole training, per thread")
    parser.add_argument("--finish", type=int, default=0, help="decay the rate now, over this many steps")
    parser.add_argument("--again", action="store_true", help="forget a decay that was begun or is done")
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps, to go on later")
    parser.add_argument("--work", default=str(HERE / "work"), help="folder of the checkpoint")
    parser.add_argument("--vocabulary", default=str(HERE / "vocabulary.json"))
    parser.add_argument("--pause-file", default="", help="sleep while this file exists")
    parser.add_argument("--threads", type=int, default=0, help="0: one or two, whichever is faster at the time")
    parser.add_argument("--batch", type=int, default=3072, help="tokens of a batch")
    parser.add_argument("--optimizer", default="muon", choices=["muon", "adamw"])
    parser.add_argument("--hurry", type=float, default=1, help="divides the steps of the curriculum")
    return parser.parse_args()


class Threads:
    """On a machine that others use too, two threads mostly wait for each other: now and then both are tried."""

    def __init__(self, fixed):
        self.count = fixed or 2
        self.fixed = fixed
        self.turn = 0
        torch.set_num_threads(self.count)

    def choose(self):
        if not self.fixed:
            phase = self.turn % 80
            if phase in (0, 5, 10):
                if phase == 0:
                    self.paces = {1: [0, 0.0], 2: [0, 0.0]}
                better = lambda n: self.paces[n][0] / max(self.paces[n][1], 1e-9)  # noqa: E731
                self.count = {0: 1, 5: 2, 10: max((1, 2), key=better)}[phase]
                torch.set_num_threads(self.count)
            self.turn += 1
        self.begin = time.monotonic()

    def measure(self, tokens):
        if not self.fixed:
            self.paces[self.count][0] += tokens
            self.paces[self.count][1] += time.monotonic() - self.begin


def batches(tokenizer, state, options):
    """Rows of about equal length, a row a conversation: ids, positions to predict from, and what follows them."""
    skip = state["step"] - state["pool_step"]
    while True:
        begin = time.process_time()
        _, weights, longest, several = [s for s in STAGES if s[0] / options.hurry <= state["pool_step"]][-1]
        rows = []
        total = 0
        for messages in conversations(f"{SEED} {state['pool']}", weights, longest, several):
            row = encode(tokenizer, messages)
            if len(row[0]) > LONGEST_ROW:
                continue
            rows.append(row)
            total += len(row[0])
            if total > 48 * options.batch:
                break
        rows.sort(key=lambda row: len(row[0]))
        cuts = []
        start = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or (end + 1 - start) * len(rows[end][0]) > options.batch:
                cuts.append((start, end))
                start = end
        random.Random(f"{SEED} {state['pool']} order").shuffle(cuts)
        state["data_seconds"] = time.process_time() - begin
        for start, end in itertools.islice(cuts, skip, None):
            yield collate(rows[start:end])
        skip = 0
        state["pool"] += 1
        state["pool_step"] = state["step"]


def encode(tokenizer, messages):
    ids, learned = [], []
    for role, text, learn in messages:
        turn = tokenizer.turn(role, text)
        if learn:
            header = 1 + len(tokenizer.encode(f"{role}\n"))
            # All that the model writes, with the end of its turn; the line feed after it is the template's.
            learned += range(len(ids) + header, len(ids) + len(turn) - 1)
        ids += turn
    return ids, learned


def collate(rows):
    length = max(len(ids) for ids, _ in rows)
    batch = torch.zeros((len(rows), length), dtype=torch.long)
    at, targets = [], []
    for i, (ids, learned) in enumerate(rows):
        batch[i, : len(ids)] = torch.tensor(ids)
        at += [i * length + position - 1 for position in learned]
        targets += [ids[position] for position in learned]
    return batch, torch.tensor(at), torch.tensor(targets)


class Trainer:
    """Muon for the matrices of the layers, AdamW for embeddings and norms; or AdamW for all."""

    def __init__(self, network, options):
        self.network = network
        self.half = faster_in_bfloat16()
        matrices = [p for name, p in network.named_parameters() if p.dim() == 2 and name.startswith("blk.")]
        if options.optimizer == "adamw":
            matrices = []
        chosen = {id(p) for p in matrices}
        rest = [p for p in network.parameters() if id(p) not in chosen]
        self.adam = torch.optim.AdamW(
            [
                {"params": [p for p in rest if p.dim() == 2], "weight_decay": 0.05},
                {"params": [p for p in rest if p.dim() == 1], "weight_decay": 0.0},
            ],
            lr=2e-3, betas=(0.9, 0.95), eps=1e-9, foreach=True,
        )  # fmt: skip
        # Matrices of one shape are made orthogonal together; tall ones lie on their side.
        self.groups = {}
        for p in matrices:
            self.groups.setdefault(tuple(sorted(p.shape)), []).append(p)
        self.momentum = {shape: torch.zeros(len(ps), *shape) for shape, ps in self.groups.items()}

    def state(self):
        return {"adam": self.adam.state_dict(), "momentum": self.momentum}

    def load(self, stored):
        self.adam.load_state_dict(stored["adam"])
        self.momentum = stored["momentum"]

    def step(self, ids, at, targets, rate):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            logits = self.network(ids, at)
        loss = functional.cross_entropy(logits.float(), targets)
        self.network.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for group in self.adam.param_groups:
            group["lr"] = 2e-3 * rate
        self.adam.step()
        with torch.no_grad():
            for shape, parameters in self.groups.items():
                lying = [p.shape[0] <= p.shape[1] for p in parameters]
                gradient = torch.stack([p.grad if flat else p.grad.t() for p, flat in zip(parameters, lying)])
                momentum = self.momentum[shape].mul_(0.95).add_(gradient, alpha=0.05)
                update = orthogonal(gradient.mul_(0.05).add_(momentum, alpha=0.95), self.half)
                for p, flat, change in zip(parameters, lying, update):
                    scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                    p.mul_(1 - 2e-3 * 0.05 * rate * 5)
                    p.add_(change if flat else change.t(), alpha=-0.02 * rate * scale)
        return loss.item()


def faster_in_bfloat16():
    """Processors without instructions for it emulate bfloat16, many times slower than 32 bits."""
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(512, 512, dtype=dtype)
        matrix @ matrix  # warms up
        begin = time.process_time()
        for _ in range(4):
            matrix @ matrix
        seconds.append(time.process_time() - begin)
    return seconds[1] < seconds[0]


def orthogonal(matrices, half):
    """Newton-Schulz: all singular values towards 1."""
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if half:
        x = x.bfloat16()
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
    return x.float()


if __name__ == "__main__":
    main()
