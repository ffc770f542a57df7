"""Writes a T5 encoder of T5-XXL's shapes with fewer layers, to measure with.

    python tests/support/make_t5_checkpoint.py FOLDER --layers 2 --dtype F16

Normal numbers with a few larger columns; they mean nothing. Written tensor by tensor: memory stays
small.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np

WIDTH, HIDDEN, HEADS, HEAD_DIM, VOCAB = 4096, 10240, 64, 64, 32128
DTYPES = {"F32": "<f4", "F16": "<f2"}


def shapes(layers):
    inner = HEADS * HEAD_DIM
    yield "shared.weight", (VOCAB, WIDTH)
    for i in range(layers):
        attention, mlp = f"encoder.block.{i}.layer.0.", f"encoder.block.{i}.layer.1."
        for name in "qkv":
            yield f"{attention}SelfAttention.{name}.weight", (inner, WIDTH)
        yield f"{attention}SelfAttention.o.weight", (WIDTH, inner)
        if i == 0:
            yield f"{attention}SelfAttention.relative_attention_bias.weight", (32, HEADS)
        yield f"{attention}layer_norm.weight", (WIDTH,)
        yield f"{mlp}DenseReluDense.wi_0.weight", (HIDDEN, WIDTH)
        yield f"{mlp}DenseReluDense.wi_1.weight", (HIDDEN, WIDTH)
        yield f"{mlp}DenseReluDense.wo.weight", (WIDTH, HIDDEN)
        yield f"{mlp}layer_norm.weight", (WIDTH,)
    yield "encoder.final_layer_norm.weight", (WIDTH,)


def values(shape, dtype, random):
    if len(shape) == 1:
        return np.ones(shape, dtype).tobytes()
    x = random.standard_normal(shape, np.float32) / np.float32(shape[1] ** 0.5)
    x[:, 7::97] *= 4
    return x.astype(dtype).tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dtype", choices=DTYPES, default="F16")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["T5EncoderModel"], "model_type": "t5", "vocab_size": VOCAB,
        "d_model": WIDTH, "d_ff": HIDDEN, "d_kv": HEAD_DIM, "num_heads": HEADS,
        "num_layers": args.layers, "feed_forward_proj": "gated-gelu",
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
        "layer_norm_epsilon": 1e-6,
    }
    (args.folder / "config.json").write_text(json.dumps(config, indent=2))
    header, at, size = {}, 0, np.dtype(DTYPES[args.dtype]).itemsize
    for name, shape in shapes(args.layers):
        end = at + int(np.prod(shape)) * size
        header[name] = {"dtype": args.dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(1)
    with open(args.folder / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, shape in shapes(args.layers):
            out.write(values(shape, DTYPES[args.dtype], random))


if __name__ == "__main__":
    main()
