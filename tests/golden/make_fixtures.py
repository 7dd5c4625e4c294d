"""Writes the golden fixtures: GPT-2 models of Hugging Face transformers, and what PyTorch computes with them.

    pip install torch transformers safetensors && python tests/golden/make_fixtures.py

One folder a case under tests/golden/, as `save_pretrained` writes it, and in it
  golden.safetensors  tokens [20, B, T+1] i32, one batch a step; logits [B, T, V] of the first batch with the
                      initial weights; grad.NAME, the gradient of its mean cross-entropy; losses [20], the loss of
                      each batch before its AdamW step; after.NAME, the weights after the last step
  golden.json         the case in words: shape, optimizer, loss and gradient norm of each step
Everything is computed in float64 on the CPU from float32 weights and stored as float32, so that rounding on
the reference's side is half a unit in the last place.
"""

import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
STEPS = 20
ADAMW = dict(lr=1e-2, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1)
CLIP = 1.0
# name: layers, width, heads, context, vocabulary, batch
CASES = {
    "l1-c16-h2-t8-v24": (1, 16, 2, 8, 24, 3),
    "l2-c32-h4-t16-v65": (2, 32, 4, 16, 65, 2),
    "l3-c24-h3-t12-v40": (3, 24, 3, 12, 40, 4),
    "l1-c16-h2-t8-v24-unscaled": (1, 16, 2, 8, 24, 3),
}


def build(seed, layers, width, heads, context, vocab, scaled=True):
    config = transformers.GPT2Config(
        n_layer=layers, n_embd=width, n_head=heads, n_positions=context, vocab_size=vocab,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
        scale_attn_weights=scaled,
        attn_implementation="eager",
    )
    model = transformers.GPT2LMHeadModel(config)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Larger than GPT-2's 0.02, so that attention and GELU leave their linear range; LayerNorm's
            # weights about 1.
            centre = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
            weight.copy_(centre + 0.2 * torch.randn(weight.shape, generator=draw))
    return model, draw


def loss_of(model, tokens):
    logits = model(tokens[:, :-1]).logits
    return logits, torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def f32(tensor):
    return tensor.detach().to(torch.float32).contiguous().clone()


def make(name, seed, layers, width, heads, context, vocab, batch):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model, draw = build(seed, layers, width, heads, context, vocab, "unscaled" not in name)
    model.save_pretrained(folder)
    model = model.double()
    tokens = torch.randint(vocab, (STEPS, batch, context + 1), generator=draw)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}], **ADAMW)
    out, losses, norms = {"tokens": tokens.to(torch.int32)}, [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits, loss = loss_of(model, tokens[step])
        loss.backward()
        if step == 0:
            out["logits"] = f32(logits)
            out |= {f"grad.{n}": f32(p.grad) for n, p in model.named_parameters()}
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
    out["losses"] = torch.tensor(losses)
    out |= {f"after.{n}": f32(p) for n, p in model.named_parameters()}
    save_file(out, folder / "golden.safetensors", metadata={"format": "pt"})
    about = {
        "n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": context, "vocab_size": vocab,
        "batch": batch, "seed": seed, "adamw": ADAMW | {"decay": "matrices only", "max_grad_norm": CLIP},
        "losses": losses, "grad_norms": norms, "torch": torch.__version__, "transformers": transformers.__version__,
    }
    (folder / "golden.json").write_text(json.dumps(about, indent=2) + "\n")
    print(name, [round(x, 4) for x in losses], [round(x, 3) for x in norms])


def make_half(name, dtype):
    """A model saved in half precision, and the same weights as float32 logits."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model, draw = build(7, 1, 16, 2, 8, 24)
    model.to(dtype).save_pretrained(folder)
    tokens = torch.randint(24, (2, 8), generator=draw)
    model = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    out = {"tokens": tokens.to(torch.int32), "logits": f32(model(tokens).logits)}
    out |= {f"weight.{n}": f32(p) for n, p in model.named_parameters()}
    save_file(out, folder / "golden.safetensors", metadata={"format": "pt"})
    print(name, dtype)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for seed, (name, case) in enumerate(CASES.items(), 1):
        make(name, seed, *case)
    make_half("f16", torch.float16)
    make_half("bf16", torch.bfloat16)
