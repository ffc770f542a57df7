"""The VAE's decoder beside diffusers, taking turns on the same weights, size and threads.

    .venv/bin/python tests/bench/vae_speed.py --size 256 --rounds 7 --dtype float32

Prints the medians, their ratio (above one: we are faster) and how far the pictures are apart.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).parents[2]


def full_size_vae(latent_channels=16):
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=latent_channels,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        use_quant_conv=False, use_post_quant_conv=False, scaling_factor=1.0).eval()


def decoder_alone(vae):
    """Its weights without the encoder's, so that the file is half as large."""
    return {k: v for k, v in vae.state_dict().items() if k.startswith(("decoder.", "post_quant"))}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--dtype", default="float32")
    options.add_argument("--program", default=ROOT / "build/tests/vae_decode")
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    vae = full_size_vae()
    latents = torch.randn(1, 16, options.size // 8, options.size // 8)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "vae").mkdir()
        (folder / "vae/config.json").write_text(json.dumps(dict(vae.config)))
        save_file(decoder_alone(vae), folder / "vae/diffusion_pytorch_model.safetensors")
        save_file({"latents": latents}, folder / "latents.safetensors")
        image = folder / "image.safetensors"
        ours = subprocess.Popen(
            [options.program, folder / "vae", folder / "latents.safetensors", image, options.dtype,
             str(options.threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        dtype = getattr(torch, options.dtype)
        with torch.inference_mode():
            exact = vae.decode(latents).sample
            vae.to(dtype)
            latents = latents.to(dtype)
            times = {"diffusers": [], "trireme": []}
            for _ in range(options.rounds):
                ours.stdin.write("\n")
                ours.stdin.flush()
                times["trireme"].append(float(ours.stdout.readline()))
                start = time.perf_counter()
                theirs = vae.decode(latents).sample
                times["diffusers"].append(time.perf_counter() - start)
        ours.stdin.close()
        ours.wait()
        made = load_file(image)["image"]
    report(times, made, theirs, exact)


def report(times, made, theirs, exact):
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    ratios = [d / t for d, t in zip(times["diffusers"], times["trireme"])]
    print({name: [round(s, 2) for s in seconds] for name, seconds in times.items()})
    print(f"medians: diffusers {medians['diffusers']:.3f} s, trireme {medians['trireme']:.3f} s, ratio "
          f"{medians['diffusers'] / medians['trireme']:.3f} (median of ratios "
          f"{statistics.median(ratios):.3f})")
    for name, image in (("trireme", made), ("diffusers", theirs)):
        a, b = image.double().flatten(), exact.double().flatten()
        print(f"{name} against diffusers float32: largest difference over largest value "
              f"{((a - b).abs().max() / b.abs().max()).item():.2e}, relative L2 "
              f"{((a - b).norm() / b.norm()).item():.2e}, cosine "
              f"{torch.nn.functional.cosine_similarity(a, b, dim=0).item():.6f}")


if __name__ == "__main__":
    main()
