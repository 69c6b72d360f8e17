"""The peers of `cargo xtask bench encoder`: the same weights in onnxruntime or PyTorch, timed when they are asked to.

    peer.py onnxruntime|torch MODEL_FOLDER THREADS

A line `COUNT TOKENS ROUNDS` runs ROUNDS batches of COUNT equal utterances of TOKENS tokens and answers one line of JSON:
{"ms": [one number a round], "embedding": [of the first utterance]}. A line that is a list of token ids is run once. Both get what is fastest in them for this model: onnxruntime
its own fused operators of BERT, PyTorch its attention and no gradients.
"""

import json
import sys
import time

import numpy as np
from safetensors.numpy import load_file


def weights_of(folder):
    """The tensors by their short names, matrices as [inputs, outputs]."""
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    tensors = {name.removeprefix("bert."): t for name, t in load_file(f"{folder}/model.safetensors").items()}
    layers = []
    for i in range(config["num_hidden_layers"]):
        part = lambda name: tensors[f"encoder.layer.{i}.{name}"]
        attention = [part(f"attention.self.{name}.weight").T for name in ("query", "key", "value")]
        layers.append({
            "qkv": np.concatenate(attention, axis=1),
            "qkv_bias": np.concatenate([part(f"attention.self.{name}.bias") for name in ("query", "key", "value")]),
            "out": part("attention.output.dense.weight").T,
            "out_bias": part("attention.output.dense.bias"),
            "norm": (part("attention.output.LayerNorm.weight"), part("attention.output.LayerNorm.bias")),
            "up": part("intermediate.dense.weight").T,
            "up_bias": part("intermediate.dense.bias"),
            "down": part("output.dense.weight").T,
            "down_bias": part("output.dense.bias"),
            "last_norm": (part("output.LayerNorm.weight"), part("output.LayerNorm.bias")),
        })
    embeddings = {
        "words": tensors["embeddings.word_embeddings.weight"],
        # All tokens are of the first type: its vector is added to every position's.
        "positions": tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0],
        "norm": (tensors["embeddings.LayerNorm.weight"], tensors["embeddings.LayerNorm.bias"]),
    }
    return config, embeddings, layers


def onnxruntime_model(folder, threads):
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    config, embeddings, layers = weights_of(folder)
    h, eps = config["hidden_size"], config["layer_norm_eps"]
    constants, nodes = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    def node(kind, inputs, output, domain="com.microsoft", more=(), **attributes):
        nodes.append(helper.make_node(kind, inputs, [output, *more], domain=domain, **attributes))
        return output

    scale, shift = embeddings["norm"]
    x = node(
        "EmbedLayerNormalization",
        ["ids", "", constant("words", embeddings["words"]), constant("positions", embeddings["positions"]), "",
         constant("norm_scale", scale), constant("norm_shift", shift)],
        "embedded", more=("mask_index",), epsilon=eps,
    )
    for i, layer in enumerate(layers):
        c = lambda name, value: constant(f"layer_{i}.{name}", value)
        context = node(
            "Attention", [x, c("qkv", layer["qkv"]), c("qkv_bias", layer["qkv_bias"])], f"context_{i}",
            num_heads=config["num_attention_heads"],
        )
        out = node("MatMul", [context, c("out", layer["out"])], f"out_{i}", domain="")
        scale, shift = layer["norm"]
        x = node(
            "SkipLayerNormalization",
            [out, x, c("scale", scale), c("shift", shift), c("out_bias", layer["out_bias"])], f"normed_{i}", epsilon=eps,
        )
        up = node("MatMul", [x, c("up", layer["up"])], f"up_{i}", domain="")
        wide = node("BiasGelu", [up, c("up_bias", layer["up_bias"])], f"wide_{i}")
        down = node("MatMul", [wide, c("down", layer["down"])], f"down_{i}", domain="")
        scale, shift = layer["last_norm"]
        x = node(
            "SkipLayerNormalization",
            [down, x, c("last_scale", scale), c("last_shift", shift), c("down_bias", layer["down_bias"])], f"x_{i}",
            epsilon=eps,
        )
    constants.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
    mean = node("ReduceMean", [x, "axis"], "mean", domain="", keepdims=0)
    node("LpNormalization", [mean], "embedding", domain="", axis=1, p=2)
    graph = helper.make_graph(
        nodes, "bert",
        [helper.make_tensor_value_info("ids", TensorProto.INT32, ["s", "t"])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["s", "t", h]),
         helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["s", h])],
        constants,
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda ids: session.run(None, {"ids": ids})[1]


def torch_model(folder, threads):
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    config, embeddings, layers = weights_of(folder)
    h, heads, eps = config["hidden_size"], config["num_attention_heads"], config["layer_norm_eps"]
    tensor = lambda array: torch.from_numpy(np.ascontiguousarray(array))
    linear = lambda matrix: tensor(matrix.T)
    norm = lambda pair: (tensor(pair[0]), tensor(pair[1]))
    words, positions, first = tensor(embeddings["words"]), tensor(embeddings["positions"]), norm(embeddings["norm"])
    parts = [{name: norm(value) if "norm" in name else tensor(value) if "bias" in name else linear(value)
              for name, value in layer.items()} for layer in layers]

    def run(ids):
        with torch.inference_mode():
            ids = torch.from_numpy(ids).long()
            s, t = ids.shape
            x = functional.layer_norm(words[ids] + positions[:t], (h,), *first, eps)
            for layer in parts:
                qkv = functional.linear(x, layer["qkv"], layer["qkv_bias"]).view(s, t, 3, heads, h // heads)
                query, key, value = qkv.permute(2, 0, 3, 1, 4)
                context = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(s, t, h)
                x = functional.layer_norm(x + functional.linear(context, layer["out"], layer["out_bias"]), (h,), *layer["norm"], eps)
                wide = functional.gelu(functional.linear(x, layer["up"], layer["up_bias"]))
                x = functional.layer_norm(x + functional.linear(wide, layer["down"], layer["down_bias"]), (h,), *layer["last_norm"], eps)
            return functional.normalize(x.mean(dim=1)).numpy()

    return run


def main():
    kind, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    run = {"onnxruntime": onnxruntime_model, "torch": torch_model}[kind](folder, threads)
    print(json.dumps({"ready": kind}), flush=True)
    for line in sys.stdin:
        if line.startswith("["):
            ids, rounds = np.array([json.loads(line)], dtype=np.int32), 1
        else:
            count, tokens, rounds = map(int, line.split())
            # The same ids as our side's.
            row = [101, *(2000 + 37 * i for i in range(tokens - 2)), 102]
            ids = np.array([row] * count, dtype=np.int32)
        times, embedding = [], None
        for _ in range(rounds):
            begun = time.perf_counter()
            embedding = run(ids)
            times.append((time.perf_counter() - begun) * 1e3)
        print(json.dumps({"ms": times, "embedding": embedding[0].tolist()}), flush=True)


if __name__ == "__main__":
    main()
