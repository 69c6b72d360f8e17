#!/usr/bin/env python3
"""Makes the golden vectors that both paths of the encoder are tested against.

The weights are run by an implementation that shares nothing with ours: `BertModel` of Hugging Face's transformers on
PyTorch, one sentence at a time, without padding. Mean pooling over all tokens and the L2 norm follow the model's
`1_Pooling/config.json`. Run it once, by hand:

    pip install torch transformers tokenizers numpy
    python make_golden.py MODEL_FOLDER > minilm.json

MODEL_FOLDER holds model.safetensors, config.json and tokenizer.json.
"""

import hashlib
import json
import pathlib
import sys

import torch
import transformers
from tokenizers import Tokenizer

MAX_TOKENS = 256
LONG = (
    "I ordered a pair of running shoes on the third of March, paid with my debit card, and was told that they would "
    "arrive within five working days; two weeks later the tracking page still says that the parcel is waiting to be "
    "picked up, nobody answers the phone in the evening, and the chat on your website closes before I get home from "
    "work, so please tell me where my order is and how I can get my money back if it never arrives."
)
SENTENCES = [
    "hi",
    "",
    "a",
    "Hello there!",
    "I am feeling very good",
    "are you a bot?",
    "Book a table for 4 at 7:30pm tomorrow, please.",
    "¿Dónde está la biblioteca? Señor Müller weiß es nicht.",
    "我想订一张去北京的机票",
    "Café ☕ naïve résumé — 100 % 🎉",
    "asdkjh qwpoeiru zmxncbv",
    "What's the exchange rate between the euro and the pound, and is there a fee when I top up by card?",
    "Transfer $1,250.00 from account 4481-22 to my savings account on the 1st of next month.",
    LONG,
    " ".join([LONG] * 4),
]


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    entries = []
    for text in SENTENCES:
        ids = tokenizer.encode(text).ids
        with torch.no_grad():
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        embedding = torch.nn.functional.normalize(hidden.mean(dim=0), dim=0)
        entries.append(
            {
                "text": text,
                "token_ids": ids,
                "embedding": [round(float(x), 6) for x in embedding],
                # The first and the last token's state, to see that the tokens agree and not only their mean.
                "first_token": [round(float(x), 6) for x in hidden[0]],
                "last_token": [round(float(x), 6) for x in hidden[-1]],
            }
        )
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__}, f32, CPU"
    print(json.dumps({"made_by": made_by, "weights_sha256": weights, "entries": entries}, ensure_ascii=False))


if __name__ == "__main__":
    main()
