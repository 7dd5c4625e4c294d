"""Writes the golden fixture of the recurrent baseline: torch.nn.GRU between GPT-2's embedding and its tied head.

    pip install torch safetensors && python tests/golden/make_gru.py

tests/golden/gru-l2-c12-t10-v22/golden.safetensors holds
  tokens [20, B, T+1] i32, one batch a step; weight.NAME, the initial weights; logits [B, T, V] of the first batch;
  grad.NAME, the gradient of its mean cross-entropy; losses [20], the loss of each batch before its AdamW step;
  after.NAME, the weights after the last step.
Computed in float64, stored as float32, with the optimizer of make_fixtures.py.
"""

import pathlib

import torch
from safetensors.torch import save_file

from make_fixtures import ADAMW, CLIP, STEPS, f32

LAYERS, WIDTH, CONTEXT, VOCAB, BATCH = 2, 12, 10, 22, 3
HERE = pathlib.Path(__file__).parent


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = torch.nn.ModuleDict(
            {"wte": torch.nn.Embedding(VOCAB, WIDTH), "wpe": torch.nn.Embedding(CONTEXT, WIDTH)})
        self.rnn = torch.nn.GRU(WIDTH, WIDTH, LAYERS, batch_first=True)

    def forward(self, tokens):
        wte, wpe = self.transformer["wte"], self.transformer["wpe"]
        h, _ = self.rnn(wte(tokens) + wpe.weight[: tokens.shape[1]])
        return h @ wte.weight.T


def main():
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(11)
    model = Model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.4 * torch.randn(weight.shape, generator=draw))
    out = {f"weight.{n}": f32(p) for n, p in model.named_parameters()}
    model = model.double()
    tokens = torch.randint(VOCAB, (STEPS, BATCH, CONTEXT + 1), generator=draw)
    out["tokens"] = tokens.to(torch.int32)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": vectors, "weight_decay": 0.0}], **ADAMW)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(tokens[step][:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[step][:, 1:].flatten())
        loss.backward()
        if step == 0:
            out["logits"] = f32(logits)
            out |= {f"grad.{n}": f32(p.grad) for n, p in model.named_parameters()}
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
    out["losses"] = torch.tensor(losses)
    out |= {f"after.{n}": f32(p) for n, p in model.named_parameters()}
    folder = HERE / f"gru-l{LAYERS}-c{WIDTH}-t{CONTEXT}-v{VOCAB}"
    folder.mkdir(exist_ok=True)
    save_file(out, folder / "golden.safetensors", metadata={"format": "pt"})
    print(folder.name, [round(x, 4) for x in losses])


if __name__ == "__main__":
    main()
