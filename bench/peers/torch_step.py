"""Times a training step in PyTorch (eager, f32): the model of `cargo xtask bench`, which starts this with
`bench compare --device cpu` or `--device vulkan`. Prints one JSON object.

    python3 bench/peers/torch_step.py L,d,H,T,B,V STEPS [cpu|cuda] [THREADS]
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        b, t, d = x.shape
        parts = self.qkv(self.before(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.between(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, layers, d, heads, context, vocabulary):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, d), nn.Embedding(context, d)
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.last = nn.LayerNorm(d)
        for matrix in (p for p in self.parameters() if p.dim() == 2):
            nn.init.normal_(matrix, std=0.02)

    def forward(self, x):
        x = self.tokens(x) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        return self.last(x) @ self.tokens.weight.T


def main():
    layers, d, heads, context, batch, vocabulary = map(int, sys.argv[1].split(","))
    steps = int(sys.argv[2])
    device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
    threads = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Gpt(layers, d, heads, context, vocabulary).to(device)
    # `fused` updates all parameters in one kernel, PyTorch's quickest form.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
    rows = torch.randint(vocabulary, (8, batch, context + 1), device=device)

    def step(n):
        row = rows[n % len(rows)]
        loss = F.cross_entropy(model(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    def settle():
        if device == "cuda":
            torch.cuda.synchronize()

    first = step(0).item()
    for n in range(1, 4):
        loss = step(n)
    times = []
    for n in range(steps):
        settle()
        start = time.perf_counter()
        loss = step(n)
        settle()
        times.append(1e3 * (time.perf_counter() - start))
    ms = sorted(times)[len(times) // 2]
    print(json.dumps({
        "peer": "torch", "device": device, "shape": sys.argv[1], "threads": threads, "version": torch.__version__,
        "params": sum(p.numel() for p in model.parameters()), "msPerStep": ms,
        "tokensPerSecond": batch * context / ms * 1e3, "firstLoss": first, "lastLoss": loss.item(),
    }))


if __name__ == "__main__":
    main()
