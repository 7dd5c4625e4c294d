"""Opens model folders that Gradus exported with transformers, and compares.

    pip install torch transformers && python tests/golden/check_export.py FOLDER [FOLDER …]

Each folder holds, beside the model, `check.json`, which our side wrote:
  {"ids": [[int]], "logits": [[[float]]],              rows of token ids and their logits [T, V]; may be empty
   "texts": [str], "encoded": [[int]], "decoded": [str]}  texts, their ids, and the text of those ids
Logits must agree within 1e-4, ids and texts exactly: with AutoTokenizer, with tokenizers.Tokenizer, and once
more after transformers has saved the tokenizer. `--save` as the first argument also keeps what it saved, as
saved-NAME.json beside this file, for a test that opens it again. Ends with a non-zero status where anything differs.
"""

import json
import pathlib
import shutil
import sys
import tempfile

import tokenizers
import torch
import transformers

HERE = pathlib.Path(__file__).parent


def check_tokenizer(name, tokenizer, check):
    if isinstance(tokenizer, tokenizers.Tokenizer):
        encode = lambda text: tokenizer.encode(text).ids
        decode = lambda ids: tokenizer.decode(ids, skip_special_tokens=False)
    else:
        encode = lambda text: tokenizer(text)["input_ids"]
        decode = lambda ids: tokenizer.decode(ids, skip_special_tokens=False)
    wrong = 0
    for text, ids, ours in zip(check["texts"], check["encoded"], check["decoded"], strict=True):
        theirs = encode(text)
        if theirs != ids or decode(ids) != ours:
            wrong += 1
            if wrong <= 3:
                print(f"  {name}: {text[:60]!r}: ours {ids[:20]} {ours[:60]!r}, theirs {theirs[:20]} {decode(ids)[:60]!r}")
    print(f"  {name}: {len(check['texts'])} texts, {sum(map(len, check['encoded']))} ids, {wrong} differ")
    return wrong


def check_folder(folder, keep):
    print(folder)
    check = json.loads((folder / "check.json").read_text())
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    wrong = check_tokenizer(f"AutoTokenizer ({type(auto).__name__})", auto, check)
    wrong += check_tokenizer("tokenizers", tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")), check)
    with tempfile.TemporaryDirectory() as saved:
        auto.save_pretrained(saved)
        again = transformers.AutoTokenizer.from_pretrained(saved)
        wrong += check_tokenizer("saved again", again, check)
        if keep:
            shutil.copy(pathlib.Path(saved) / "tokenizer.json", HERE / f"saved-{folder.name}.json")
    model, report = transformers.GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    if any(report[key] for key in report):
        wrong += 1
        print(f"  the weights do not fit: {report}")
    if model.config.vocab_size < len(auto):
        wrong += 1
        print(f"  the tokenizer has {len(auto)} tokens, the model {model.config.vocab_size}")
    worst = 0.0
    for ids, ours in zip(check["ids"], check["logits"], strict=True):
        with torch.no_grad():
            theirs = model(torch.tensor([ids])).logits[0]
        worst = max(worst, (theirs - torch.tensor(ours)).abs().max().item())
    print(f"  logits: {len(check['ids'])} rows, largest difference {worst:.2e}")
    return wrong + (not worst <= 1e-4)


if __name__ == "__main__":
    keep = sys.argv[1:2] == ["--save"]
    folders = [pathlib.Path(a) for a in sys.argv[1 + keep:]] or sys.exit("name the folders to check")
    wrong = sum(check_folder(folder, keep) for folder in folders)
    sys.exit(f"{wrong} differences" if wrong else print("all agree"))
