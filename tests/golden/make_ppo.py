"""Writes the golden fixture of PPO: ten updates from fixed answers, with TRL's formulas in plain torch.

    pip install torch transformers safetensors && python tests/golden/make_ppo.py

tests/golden/ppo/policy is a GPT2LMHeadModel; ppo/golden.safetensors holds
  reward.NAME         a reward model of the same shape, with its score.weight
  prompts, answers    [2][B][..] i32, padded with -1: what each of the two iterations learns from
  token.NAME          [2, n] of all answer tokens in order: logp, ref_logp, kl (exact), entropy, reward, value,
                      advantage (not whitened)
  score               [2, B]
  update.NAME         [10]: policy_loss, approxkl, clipfrac, entropy, ratio, value_loss, value_clipfrac
  after.NAME, value_after.NAME   the weights of policy and value model in the end
The loop is that of TRL's PPOTrainer (trl 1.12, experimental/ppo): masked_whiten, GAE, clipped losses. As in
our engine the score stands at the answer's last token, means are over answer tokens alone, policy and value
model are clipped by norm each for itself, and the value model starts as the reward model on the standardised
scale. Computed in float64 from float32 weights.
"""

import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "ppo"
B, PROMPT, ANSWER, V = 6, 4, 6, 24
STOP, FORBIDDEN = 3, [0, 1, 2]
KL_COEF, PENALTY, CLIP, CLIP_VALUE, VF = 0.1, 0.5, 0.2, 0.2, 0.5
GAMMA, LAM, TEMPERATURE, EPOCHS, LR, NORM = 0.98, 0.95, 0.8, 5, 4e-3, 1.0


def config():
    return transformers.GPT2Config(
        n_layer=2, n_embd=16, n_head=2, n_positions=PROMPT + ANSWER, vocab_size=V, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, attn_implementation="eager",
    )


def fill(model, draw):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
            weight.copy_(centre + 0.2 * torch.randn(weight.shape, generator=draw))
    return model


class Critic(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = transformers.GPT2Model(config())
        self.score = torch.nn.Linear(16, 1, bias=False)

    def forward(self, tokens):
        return self.score(self.transformer(tokens).last_hidden_state)[..., 0]


def logits_of(model, tokens):
    logits = model(tokens).logits.clone()
    logits[..., FORBIDDEN] += -1e4
    return logits / TEMPERATURE


def logp_of(logits, targets):
    return torch.log_softmax(logits, -1).gather(-1, targets[..., None])[..., 0]


def masked_mean(x, mask):
    return (x * mask).sum() / mask.sum()


def masked_whiten(x, mask):  # trl.core.masked_whiten with shift_mean
    mean = masked_mean(x, mask)
    variance = masked_mean((x - mean) ** 2, mask) * mask.sum() / (mask.sum() - 1)
    return (x - mean) * torch.rsqrt(variance + 1e-8)


def optimizer(model):
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    return torch.optim.AdamW(
        [{"params": matrices}, {"params": vectors}], lr=LR, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0)


def f32(tensor):
    return tensor.detach().to(torch.float32).contiguous().clone()


def rollouts(draw):
    prompts, answers = [], []
    for _ in range(B):
        n = int(torch.randint(1, PROMPT + 1, (1,), generator=draw))
        m = int(torch.randint(1, ANSWER + 1, (1,), generator=draw))
        prompts.append(torch.randint(V, (n,), generator=draw))
        answer = torch.randint(4, V, (m,), generator=draw)
        if len(answers) % 3 != 2:
            answer[-1] = STOP
        answers.append(answer)
    return prompts, answers


def pad(rows, width):
    out = torch.full((B, width), -1, dtype=torch.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    draw = torch.Generator().manual_seed(11)
    policy = fill(transformers.GPT2LMHeadModel(config()), draw)
    policy.save_pretrained(HERE / "policy")
    reward = fill(Critic(), draw)
    out = {f"reward.{n}": f32(p) for n, p in reward.named_parameters()}
    policy, reward = policy.double(), reward.double()
    reference = transformers.GPT2LMHeadModel.from_pretrained(
        HERE / "policy", dtype=torch.float64, attn_implementation="eager")
    value = Critic().double()
    value.load_state_dict(reward.state_dict())
    optimizers = [optimizer(policy), optimizer(value)]
    norm = None
    told = {k: [] for k in ["logp", "ref_logp", "kl", "entropy", "reward", "value", "advantage"]}
    updates = {k: [] for k in [
        "policy_loss", "approxkl", "clipfrac", "entropy", "ratio", "value_loss", "value_clipfrac"]}
    prompts_out, answers_out, scores_out = [], [], []
    for _ in range(2):
        prompts, answers = rollouts(draw)
        prompts_out.append(pad(prompts, PROMPT)), answers_out.append(pad(answers, ANSWER))
        width = PROMPT + ANSWER
        rows = torch.zeros(B, width + 1, dtype=torch.long)
        mask = torch.zeros(B, width, dtype=torch.float64)
        for i, (p, a) in enumerate(zip(prompts, answers)):
            rows[i, : len(p) + len(a)] = torch.cat([p, a])
            mask[i, len(p) - 1 : len(p) + len(a) - 1] = 1
        tokens, targets = rows[:, :-1], rows[:, 1:]
        last = torch.tensor([len(p) + len(a) - 1 for p, a in zip(prompts, answers)])
        at = torch.arange(B)
        with torch.no_grad():
            mine, theirs = logits_of(policy, tokens), logits_of(reference, tokens)
            logp, ref_logp = logp_of(mine, targets), logp_of(theirs, targets)
            p, q = torch.log_softmax(mine, -1), torch.log_softmax(theirs, -1)
            kl = (p.exp() * (p - q)).sum(-1)
            entropy = -(p.exp() * p).sum(-1)
            raw = reward(tokens)[at, last]
            if norm is None:
                norm = (raw.mean(), raw.std())
                w = value.score.weight
                w /= norm[1]
                value.transformer.ln_f.bias -= norm[0] / norm[1] * w[0] / (w[0] ** 2).sum()
            ended = targets[at, last - 1] == STOP
            score = (raw - norm[0]) / norm[1] - PENALTY * (~ended)
            values = value(tokens) * mask
            rewards = -KL_COEF * (logp - ref_logp) * mask
            rewards[at, last - 1] += score
            advantages = torch.zeros_like(rewards)
            lastgaelam = torch.zeros(B, dtype=torch.float64)
            for t in reversed(range(width)):
                nextvalues = values[:, t + 1] if t < width - 1 else 0.0
                delta = (rewards[:, t] + GAMMA * nextvalues - values[:, t]) * mask[:, t]
                lastgaelam = (delta + GAMMA * LAM * lastgaelam) * mask[:, t]
                advantages[:, t] = lastgaelam
            returns = advantages + values
            white = masked_whiten(advantages, mask) * mask
        for name, x in [("logp", logp), ("ref_logp", ref_logp), ("kl", kl), ("entropy", entropy),
                        ("reward", rewards), ("value", values), ("advantage", advantages)]:
            told[name].append(x[mask > 0])
        scores_out.append(score)
        for _ in range(EPOCHS):
            mine = logits_of(policy, tokens)
            diff = (logp_of(mine, targets) - logp) * mask
            ratio = diff.exp()
            pg_losses = -white * ratio
            pg_losses2 = -white * ratio.clamp(1 - CLIP, 1 + CLIP)
            pg_loss = masked_mean(torch.max(pg_losses, pg_losses2), mask)
            vpred = value(tokens)
            vpredclipped = torch.clamp(vpred, values - CLIP_VALUE, values + CLIP_VALUE)
            vf1, vf2 = (vpred - returns) ** 2, (vpredclipped - returns) ** 2
            vf_loss = 0.5 * masked_mean(torch.max(vf1, vf2), mask)
            for o in optimizers:
                o.zero_grad()
            (pg_loss + VF * vf_loss).backward()
            for model, o in zip([policy, value], optimizers):
                torch.nn.utils.clip_grad_norm_(model.parameters(), NORM)
                o.step()
            p = torch.log_softmax(mine, -1)
            for name, x in [
                ("policy_loss", pg_loss), ("approxkl", 0.5 * masked_mean(diff**2, mask)),
                ("clipfrac", masked_mean((pg_losses2 > pg_losses).double(), mask)),
                ("entropy", masked_mean(-(p.exp() * p).sum(-1), mask)), ("ratio", masked_mean(ratio, mask)),
                ("value_loss", vf_loss), ("value_clipfrac", masked_mean((vf2 > vf1).double(), mask)),
            ]:
                updates[name].append(x.item())
    out |= {"prompts": torch.stack(prompts_out), "answers": torch.stack(answers_out)}
    out |= {"score": f32(torch.stack(scores_out))}
    out |= {f"token.{k}": f32(torch.cat(v)) for k, v in told.items()}
    out |= {f"update.{k}": torch.tensor(v, dtype=torch.float32) for k, v in updates.items()}
    out |= {f"after.{n}": f32(p) for n, p in policy.named_parameters()}
    out |= {f"value_after.{n}": f32(p) for n, p in value.named_parameters()}
    save_file(out, HERE / "golden.safetensors", metadata={"format": "pt"})
    (HERE / "golden.json").write_text(json.dumps(updates | {"torch": torch.__version__}, indent=2) + "\n")
    for name, x in updates.items():
        print(name, [round(v, 4) for v in x])


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    main()
