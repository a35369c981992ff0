"""The trainer's rival: the same transformer and AdamW in PyTorch, told what to do line by line by `benchmarks.trainer`.

`python torch_side.py eager|compile` in any Python with PyTorch and NumPy; nothing of this project is imported.
A line of JSON asks, a line of JSON answers. A case is an .npz of initial parameters, batches and numbers.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everyone writes it

SIDES = ("eager", "compile")
PASS_TOKENS = 2048


class Layer(nn.Module):
    """Attention and gated feed-forward, pre-norm; the matrices that share an input are one."""

    def __init__(self, arrays: dict[str, np.ndarray], place: int, numbers: dict[str, Any]) -> None:
        super().__init__()

        def of(*names: str) -> nn.Parameter:
            parts = [arrays[f"layers/{place}/{name}"] for name in names]
            whole = np.concatenate([part.T for part in parts]) if parts[0].ndim == 2 else parts[0]
            return nn.Parameter(torch.tensor(whole).contiguous())

        self.qkv, self.output = of("query", "key", "value"), of("output")
        self.gate_up, self.down = of("gate", "up"), of("down")
        self.attention_norm, self.ffn_norm = of("attention_norm"), of("ffn_norm")
        self.query_norm, self.key_norm = of("query_norm"), of("key_norm")
        self.heads, self.size, self.epsilon = numbers["heads"], numbers["head_size"], numbers["norm_epsilon"]
        self.attention = numbers["attention"]

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        x = x + self._attend(F.rms_norm(x, x.shape[-1:], self.attention_norm, self.epsilon), cosine, sine)
        gate, up = F.linear(F.rms_norm(x, x.shape[-1:], self.ffn_norm, self.epsilon), self.gate_up).chunk(
            2, dim=-1
        )
        return x + F.linear(F.silu(gate) * up, self.down)

    def _attend(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        batch, length, _ = x.shape
        query, key, value = F.linear(x, self.qkv).view(batch, length, 3, self.heads, self.size).unbind(2)
        query = turn(F.rms_norm(query, (self.size,), self.query_norm, self.epsilon), cosine, sine)
        key = turn(F.rms_norm(key, (self.size,), self.key_norm, self.epsilon), cosine, sine)
        query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        if self.attention == "sdpa":
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            scores = (query * self.size**-0.5) @ key.transpose(-1, -2)
            hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
            mixed = scores.masked_fill(hidden, -math.inf).softmax(-1) @ value
        return F.linear(mixed.transpose(1, 2).reshape(batch, length, -1), self.output)


def turn(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary position embedding of pairs (k, k + K/2); axes are batch, length, heads, K."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cosine - right * sine, right * cosine + left * sine], dim=-1)


class Transformer(nn.Module):
    """From windows to the loss and the next-token loss; the embedding is also the readout."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, arrays: dict[str, np.ndarray], numbers: dict[str, Any]) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.tensor(arrays["embedding"]))
        self.norm = nn.Parameter(torch.tensor(arrays["norm"]))
        self.layers = nn.ModuleList(Layer(arrays, place, numbers) for place in range(numbers["layers"]))
        half = numbers["head_size"] // 2
        frequencies = numbers["rope_base"] ** (-np.arange(half) / half)
        angles = np.outer(np.arange(numbers["context"]), frequencies)[:, None]
        self.register_buffer("cosine", torch.tensor(np.cos(angles), dtype=torch.float32))
        self.register_buffer("sine", torch.tensor(np.sin(angles), dtype=torch.float32))
        self.factor = numbers["base_width"] / numbers["width"]
        self.epsilon, self.z_weight = numbers["norm_epsilon"], numbers["z_weight"]

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        tokens, targets = windows[:, :-1], windows[:, 1:]
        x = F.embedding(tokens, self.embedding)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine)
        x = F.rms_norm(x, x.shape[-1:], self.norm * self.factor, self.epsilon)
        logits = F.linear(x, self.embedding)
        log_z = logits.logsumexp(-1)
        next_token = (log_z - logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)).mean()
        return next_token + self.z_weight * log_z.square().mean(), next_token


class Trainer:
    """One network with its optimiser, which can begin anew without being compiled anew."""

    def __init__(self, side: str, case: str, options: dict[str, Any]) -> None:
        with np.load(case) as file:
            self.arrays = dict(file)
        self.numbers = {**json.loads(str(self.arrays.pop("numbers"))), **options}
        self.windows = torch.tensor(self.arrays["windows"].astype(np.int64))
        self.model = Transformer(self.arrays, self.numbers)
        self.first = {name: x.detach().clone() for name, x in self.model.named_parameters()}
        self.loss = self.model if side == "eager" else torch.compile(self.model, dynamic=False)
        self.micro = int(self.numbers["micro_windows"])
        self.begin({})

    def begin(self, changes: dict[str, Any]) -> None:
        """Initial parameters, empty moments; `changes` are numbers of the recipe."""
        numbers = self.now = {**self.numbers, **changes}
        with torch.no_grad():
            for name, x in self.model.named_parameters():
                x.copy_(self.first[name])
        matrices = [x for name, x in self.model.named_parameters() if x.ndim == 2 and name != "embedding"]
        others = [x for name, x in self.model.named_parameters() if x.ndim == 1 or name == "embedding"]
        groups = [
            {"params": matrices, "slower": numbers["base_width"] / numbers["width"]},
            {"params": others, "slower": 1.0, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups,
            lr=1.0,
            betas=(numbers["beta1"], numbers["beta2"]),
            eps=numbers["epsilon"],
            weight_decay=numbers["weight_decay"],
            **{numbers["optimiser"]: True},
        )
        self.step, self.losses = 0, []

    def rate(self) -> float:
        """Linear warm-up, then half a cosine."""
        numbers, warmup = self.now, self.now["warmup"]
        share = max(0.0, (self.step - (warmup - 1)) / max(1, numbers["steps"] - warmup))
        final = numbers["final_rate"]
        cosine = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        return float(numbers["peak_rate"] * min(1.0, (self.step + 1) / warmup) * cosine)

    def train(self, steps: int) -> None:
        """So many more steps; the batches begin anew where they end."""
        for _ in range(steps):
            windows = self.windows[self.step % len(self.windows)]
            passes = windows.split(self.micro)
            self.optimiser.zero_grad(set_to_none=True)
            next_token = torch.zeros(())
            for one in passes:
                loss, mine = self.loss(one)
                (loss / len(passes) if len(passes) > 1 else loss).backward()
                next_token += mine.detach()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.now["clip"], foreach=True)
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate() * group["slower"]
            self.optimiser.step()
            self.losses.append(next_token / len(passes))
            self.step += 1

    @torch.no_grad()
    def evaluate(self) -> float:
        """Mean next-token loss on the evaluation windows; never compiled, as it is used once a run."""
        windows = torch.tensor(self.arrays["eval_windows"].astype(np.int64))
        passes = windows.split(max(1, PASS_TOKENS // self.numbers["context"]))
        return sum(float(self.model(one)[1]) * len(one) for one in passes) / len(windows)


class Side:
    """What can be asked of this side."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.trainers: dict[str, Trainer] = {}

    def prepare(self, case: str, options: dict[str, Any]) -> dict[str, Any]:
        """A network from its case, unless it is there already; compiled at its first step."""
        if case not in self.trainers:
            self.trainers[case] = Trainer(self.side, case, options)
        return {}

    def check(self, case: str, steps: int, changes: dict[str, Any]) -> dict[str, Any]:
        """Loss of the first batch, whole and uncompiled, and next-token losses of some steps."""
        trainer = self.trainers[case]
        trainer.begin(changes)
        with torch.no_grad():
            first = float(trainer.model(trainer.windows[0])[0])
        trainer.train(steps)
        losses = [float(loss) for loss in trainer.losses]
        trainer.begin({})
        return {"first": first, "losses": losses}

    def train(self, case: str, steps: int) -> dict[str, Any]:
        """Goes on with `steps` steps."""
        return clocked(lambda: self.trainers[case].train(steps))

    def plan(self, runs: list[dict[str, Any]], options: dict[str, Any]) -> dict[str, Any]:
        """Runs one after the other, those of one case sharing what is compiled."""
        each = []
        whole = clocked(lambda: each.extend(self._run(run, options[run["case"]]) for run in runs))
        return {**whole, "runs": each}

    def _run(self, run: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        losses = []

        def all_of_it() -> None:
            self.prepare(run["case"], options)
            trainer = self.trainers[run["case"]]
            trainer.begin(run["changes"])
            trainer.train(run["steps"])
            losses.append(trainer.evaluate())

        return {**clocked(all_of_it), "loss": losses[0]}

    def peak(self, size: int, seconds: float) -> dict[str, Any]:
        """GFLOPs a processor second of f32 products of square matrices, the best of some batches of them."""
        left, right = torch.randn(size, size), torch.randn(size, size) / math.sqrt(size)
        best, end = 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            begun = cpu_seconds()
            for _ in range(8):
                left = left @ right
            best = max(best, 8 * 2 * size**3 / max(1e-9, cpu_seconds() - begun) / 1e9)
        return {"gflops": best}

    def about(self) -> dict[str, Any]:
        return {"version": torch.__version__, "threads": torch.get_num_threads()}


def cpu_seconds() -> float:
    """Of this process and of the compilers that it has waited for."""
    own, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime


def clocked(work: Any) -> dict[str, Any]:
    cpu, wall = cpu_seconds(), time.monotonic()
    work()
    return {"cpu_s": cpu_seconds() - cpu, "wall_s": time.monotonic() - wall}


def main() -> None:
    side = Side(sys.argv[1])
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    # Compilers may write to the standard output: the answers go out by a door of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = getattr(side, asked.pop("do"))(**asked)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    assert sys.argv[1] in SIDES
    main()
