"""Writes the fixtures of fine-tuning: ten steps of PyTorch on the model of fixture l1-c16-h2-t8-v24.

    pip install torch transformers safetensors && python tests/golden/make_tuning.py

One folder a case under tests/golden/tuning/:
  case.json           the settings; for each of the ten steps its rows, and TRL's metrics as PyTorch computes them
  before.safetensors  what the case has beside the model: LoRA's A, or the scalar head (only where there is any)
  after.safetensors   the weights after the ten steps; LoRA's are merged
Formulas: SFT is the mean over the batch's completion tokens (TRL's SFTTrainer with completion_only_loss); the
reward model is TRL's RewardTrainer; DPO is TRL's DPOTrainer (loss_type sigmoid, label_smoothing) plus Pang et
al. 2024's NLL, normalised by the answer's length; LoRA is Hu et al. 2021, W + (alpha / r) A B.
Everything is computed in float64 from float32 weights.
"""

import json
import math
import pathlib
import shutil

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
START = HERE / "l1-c16-h2-t8-v24"
OUT = HERE / "tuning"
STEPS, CONTEXT, VOCAB = 10, 8, 24
TRAIN = dict(lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.1, max_grad_norm=1.0, warmup=3, steps=STEPS,
             schedule="linear")
CASES = {
    "sft-masked": dict(objective="sft", batch=4),
    "sft-unmasked": dict(objective="sft", batch=4, unmasked=True),
    "sft-replay": dict(objective="sft", batch=3, replay=2, replay_weight=0.5),
    "lora": dict(objective="sft", batch=4, lora=dict(rank=4, alpha=8.0)),
    "lora-odd-rank": dict(objective="sft", batch=4, lora=dict(rank=3, alpha=6.0)),
    "reward": dict(objective="reward", batch=4),
    "dpo": dict(objective="dpo", batch=4, beta=0.5, label_smoothing=0.0, nll=0.0),
    "dpo-smooth-nll": dict(objective="dpo", batch=4, beta=0.3, label_smoothing=0.1, nll=0.2, forbidden=[0, 5]),
    "dpo-lora": dict(objective="dpo", batch=4, beta=0.5, label_smoothing=0.0, nll=0.0,
                     lora=dict(rank=4, alpha=8.0)),
    # Every other setting of the optimizer.
    "sft-cosine-unclipped": dict(objective="sft", batch=4,
                                 train=dict(schedule="cosine", warmup=2, max_grad_norm=0.0, weight_decay=0.0)),
    "dpo-constant-smooth": dict(objective="dpo", batch=6, beta=0.3, label_smoothing=0.1, nll=0.0,
                                train=dict(schedule="constant", warmup=0, max_grad_norm=0.5, beta1=0.8, beta2=0.99,
                                           eps=1e-6)),
}


def rate(train, step):
    """Linear warm-up; then straight down to 0, half a cosine down to a tenth, or flat (step from 1)."""
    if step <= train["warmup"]:
        return train["lr"] * step / train["warmup"]
    done = (step - train["warmup"]) / (STEPS - train["warmup"])
    share = {"linear": 1 - done, "cosine": 0.1 + 0.45 * (1 + math.cos(math.pi * done)), "constant": 1}
    return train["lr"] * share[train["schedule"]]


class Adapted(torch.nn.Module):
    """Conv1D y = x W + b with W frozen and (alpha / r) A B beside it."""

    def __init__(self, base, a, alpha):
        super().__init__()
        self.base, self.a = base, torch.nn.Parameter(a.double())
        self.b = torch.nn.Parameter(torch.zeros(a.shape[1], base.weight.shape[1], dtype=torch.float64))
        self.scale = alpha / a.shape[1]

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.a @ self.b)


def draw_row(draw, low, high):
    n = int(torch.randint(low, high + 1, (1,), generator=draw))
    return torch.randint(1, VOCAB, (n,), generator=draw).tolist()


def draw_step(case, draw):
    if case["objective"] == "sft":
        answers = [dict(prompt=draw_row(draw, 1, 4), completion=draw_row(draw, 1, 4)) for _ in range(case["batch"])]
        replay = [draw_row(draw, CONTEXT + 1, CONTEXT + 1) for _ in range(case.get("replay", 0))]
        return dict(rows=answers, replay=replay)
    high = 4 if case["objective"] == "reward" else 5
    banned = case.get("forbidden", [])
    rows = []
    while len(rows) < case["batch"] // 2:
        row = dict(prompt=draw_row(draw, 1, 4), chosen=draw_row(draw, 1, high), rejected=draw_row(draw, 1, high))
        if not any(t in banned for t in row["chosen"] + row["rejected"]):
            rows.append(row)
    return dict(rows=rows)


def pad(rows, width):
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


class Sequence:
    """Logits, log-probabilities and masks of prompt + answer rows."""

    def __init__(self, model, pairs, bias, unmasked=False):
        tokens = pad([p + a for p, a in pairs], CONTEXT + 1)
        self.targets = tokens[:, 1:]
        self.logits = model(tokens[:, :-1]).logits + bias
        self.logp = F.log_softmax(self.logits, -1).gather(-1, self.targets[..., None])[..., 0]
        self.mask = torch.zeros(self.logp.shape, dtype=torch.float64)
        for i, (p, a) in enumerate(pairs):
            self.mask[i, 0 if unmasked else len(p) - 1 : len(p) + len(a) - 1] = 1

    def answers(self):
        return (self.logp * self.mask).sum(1)

    def mean_logits(self, allowed):
        return (self.logits[..., allowed].mean(-1) * self.mask).sum() / self.mask.sum()


def sft(model, step, case, bias):
    s = Sequence(model, [(r["prompt"], r["completion"]) for r in step["rows"]], bias, case.get("unmasked", False))
    n = s.mask.sum()
    completion = -(s.logp * s.mask).sum() / n
    entropy = -(F.softmax(s.logits, -1) * F.log_softmax(s.logits, -1)).sum(-1)
    right = (s.logits.argmax(-1) == s.targets).double()
    loss = completion
    if step["replay"]:
        tokens = torch.tensor(step["replay"])
        logits = model(tokens[:, :-1]).logits
        loss = loss + case["replay_weight"] * F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    return loss, {
        "loss": loss, "entropy": (entropy * s.mask).sum() / n, "mean_token_accuracy": (right * s.mask).sum() / n,
        "completion_loss": completion,
    }


def reward(model, step, case, bias):
    rows = [r["prompt"] + r[k] for k in ("chosen", "rejected") for r in step["rows"]]
    hidden = model.transformer(pad(rows, CONTEXT)).last_hidden_state
    last = torch.tensor([len(r) - 1 for r in rows])
    scores = (hidden[torch.arange(len(rows)), last] @ model.score.T)[:, 0]
    chosen, rejected = scores.chunk(2)
    loss = -F.logsigmoid(chosen - rejected).mean()
    return loss, {
        "loss": loss, "accuracy": (chosen > rejected).double().mean(), "margin": (chosen - rejected).mean(),
        "min_reward": scores.min(), "mean_reward": scores.mean(), "max_reward": scores.max(),
    }


def dpo(model, step, case, bias):
    sides = [[(r["prompt"], r[k]) for r in step["rows"]] for k in ("chosen", "rejected")]
    chosen, rejected = (Sequence(model, side, bias) for side in sides)
    with torch.no_grad():
        reference = [Sequence(model.reference, side, bias).answers() for side in sides]
    beta, smoothing = case["beta"], case["label_smoothing"]
    c, r = chosen.answers(), rejected.answers()
    logits = (c - r) - (reference[0] - reference[1])
    losses = -F.logsigmoid(beta * logits) * (1 - smoothing) - F.logsigmoid(-beta * logits) * smoothing
    nll = (-c / chosen.mask.sum(1)).mean()
    loss = losses.mean() + case["nll"] * nll
    rewards = beta * (c - reference[0]).detach(), beta * (r - reference[1]).detach()
    allowed = [t for t in range(VOCAB) if t not in case.get("forbidden", [])]
    return loss, {
        "loss": loss, "rewards/chosen": rewards[0].mean(), "rewards/rejected": rewards[1].mean(),
        "rewards/accuracies": (rewards[0] > rewards[1]).double().mean(),
        "rewards/margins": (rewards[0] - rewards[1]).mean(), "logps/chosen": c.mean(), "logps/rejected": r.mean(),
        "logits/chosen": chosen.mean_logits(allowed), "logits/rejected": rejected.mean_logits(allowed),
        "nll_loss": nll,
    }


def f32(tensor):
    return tensor.detach().to(torch.float32).contiguous().clone()


def load():
    return transformers.GPT2LMHeadModel.from_pretrained(START, dtype=torch.float64, attn_implementation="eager").eval()


def make(name, case, seed):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(seed)
    train = TRAIN | case.get("train", {})
    model, before = load(), {}
    model.reference = load().requires_grad_(False)
    bias = torch.zeros(VOCAB, dtype=torch.float64)
    bias[case.get("forbidden", [])] = -1e4
    learned = [p for n, p in model.named_parameters() if not n.startswith("reference.")]
    adapted = {}
    if case["objective"] == "reward":
        head = 0.2 * torch.randn(1, model.config.n_embd, generator=draw)
        before["score.weight"] = head
        model.score = torch.nn.Parameter(head.double())
        learned.append(model.score)
    if "lora" in case:
        model.transformer.requires_grad_(False)
        learned = []
        for layer, block in enumerate(model.transformer.h):
            for owner, matrix in ((block.attn, "c_attn"), (block.attn, "c_proj"), (block.mlp, "c_proj")):
                base = getattr(owner, matrix)
                key = f"transformer.h.{layer}.{'attn' if owner is block.attn else 'mlp'}.{matrix}.weight"
                a = torch.randn(base.weight.shape[0], case["lora"]["rank"], generator=draw) / base.weight.shape[0] ** 0.5
                before[f"{key}.lora_A"] = a
                adapted[key] = Adapted(base, a, case["lora"]["alpha"])
                setattr(owner, matrix, adapted[key])
                learned += [adapted[key].a, adapted[key].b]
    matrices, vectors = [p for p in learned if p.dim() >= 2], [p for p in learned if p.dim() < 2]
    groups = [{"params": matrices}] + ([{"params": vectors, "weight_decay": 0.0}] if vectors else [])
    optimizer = torch.optim.AdamW(groups, lr=train["lr"], betas=(train["beta1"], train["beta2"]), eps=train["eps"],
                                  weight_decay=train["weight_decay"])
    objective = {"sft": sft, "reward": reward, "dpo": dpo}[case["objective"]]
    steps = []
    for number in range(1, STEPS + 1):
        step = draw_step(case, draw)
        for group in optimizer.param_groups:
            group["lr"] = rate(train, number)
        optimizer.zero_grad()
        loss, metrics = objective(model, step, case, bias)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(learned, train["max_grad_norm"] or math.inf)
        optimizer.step()
        step["metrics"] = {k: v.item() for k, v in metrics.items()} | {"grad_norm": norm.item(), "learning_rate": rate(train, number)}
        steps.append(step)
    after = {}
    for key, adapter in adapted.items():
        after[key] = f32(adapter.base.weight + adapter.scale * adapter.a @ adapter.b)
    if not adapted:
        after = {n: f32(p) for n, p in model.named_parameters() if not n.startswith("reference.") and n != "score"}
    if case["objective"] == "reward":
        after["score.weight"] = f32(model.score)
    if before:
        save_file({k: v.contiguous() for k, v in before.items()}, folder / "before.safetensors")
    save_file(after, folder / "after.safetensors")
    about = {"case": case, "train": train, "steps": steps, "torch": torch.__version__}
    (folder / "case.json").write_text(json.dumps(about) + "\n")
    losses = [s["metrics"]["loss"] for s in steps]
    assert all(map(math.isfinite, losses))
    print(name, [round(x, 4) for x in losses])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for seed, (name, case) in enumerate(CASES.items(), 100):
        make(name, case, seed)
