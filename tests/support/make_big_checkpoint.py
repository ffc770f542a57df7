"""Writes a checkpoint of a given size with shapes like a transformer's, to measure loading.

    python tests/support/make_big_checkpoint.py big.safetensors --gigabytes 2 --dtype F32

The values are finite and of no meaning. Written tensor by tensor: memory stays small.
"""

import argparse
import json
import struct

import numpy as np

WIDTH = 2432
LAYER = {"attn.to_q": (WIDTH, WIDTH), "attn.to_out": (WIDTH, WIDTH), "ff.up": (4 * WIDTH, WIDTH),
         "ff.down": (WIDTH, 4 * WIDTH), "norm": (WIDTH,)}
BYTES = {"F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1}


def entries(total, size):
    """(name, shape, bytes) until `total` bytes are reached."""
    at, layer = 0, 0
    while True:
        for name, shape in LAYER.items():
            if at >= total:
                return
            count = int(np.prod(shape)) * size
            yield f"blocks.{layer}.{name}.weight", shape, count
            at += count
        layer += 1


def values(dtype, count):
    """Bytes of finite numbers around one, different from place to place."""
    steps = np.arange(count // BYTES[dtype])
    if dtype == "F32":
        return (1 + steps % 1009 / 1009).astype("<f4").tobytes()
    if dtype == "F8_E4M3":
        return (0x30 + steps % 16).astype("u1").tobytes()
    base = {"BF16": 0x3F80, "F16": 0x3C00}[dtype]
    return (base + steps % 128).astype("<u2").tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--dtype", choices=BYTES, default="F32")
    args = parser.parse_args()
    header, at = {}, 0
    plan = list(entries(args.gigabytes * 1e9, BYTES[args.dtype]))
    for name, shape, count in plan:
        header[name] = {"dtype": args.dtype, "shape": shape, "data_offsets": [at, at + count]}
        at += count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(args.file, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, _, count in plan:
            out.write(values(args.dtype, count))


if __name__ == "__main__":
    main()
