"""What the speed benchmark measures: checkpoints, sizes and steps.

The demo checkpoints are taken as they are. Larger ones borrow the demo's text encoders and, but for
the case about it, its VAE, and have random weights where it matters.
"""

import dataclasses
import pathlib
import shutil

import torch
from diffusers import AutoencoderKL, PixArtTransformer2DModel, SD3Transformer2DModel

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
STAGES = ("encode", "denoise", "decode")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    family: str  # the demo folder that it is, or is built on
    size: int  # pixels of a side
    steps: int
    pictures: int  # in a round, one after the other
    max_sequence_length: int
    stages: tuple[str, ...] = ("denoise",)  # that the table shows
    transformer: dict | None = None  # changes to the demo's configuration
    vae: dict | None = None


MID = dict(num_attention_heads=8, attention_head_dim=64, num_layers=6)
MID_MMDIT = dict(**MID, caption_projection_dim=512, pos_embed_max_size=64, sample_size=64)
FULL_VAE = dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, norm_num_groups=32)

CASES = (
    Case("sd3 demo", "sd3", 128, 20, 16, 16, STAGES),
    Case("pixart demo", "pixart", 128, 20, 16, 16, STAGES),
    Case("mmdit 512", "sd3", 512, 3, 1, 256, transformer=MID_MMDIT),
    Case("mmdit 512, sd3.5", "sd3", 512, 3, 1, 256,
         transformer=dict(**MID_MMDIT, qk_norm="rms_norm", dual_attention_layers=(0, 1, 2))),
    Case("pixart 512", "pixart", 512, 3, 1, 300,
         transformer=dict(**MID, cross_attention_dim=512, sample_size=64)),
    Case("vae full size", "sd3", 256, 1, 2, 16, ("decode",), vae=FULL_VAE),
)


def checkpoint(case: Case, folder: pathlib.Path) -> pathlib.Path:
    """The case's checkpoint: the demo's, or one built in `folder`."""
    if case.transformer is None and case.vae is None:
        return DEMO / case.family
    shutil.copytree(DEMO / case.family, folder)
    torch.manual_seed(0)
    model = SD3Transformer2DModel if case.family == "sd3" else PixArtTransformer2DModel
    for component, kind, changes in (("transformer", model, case.transformer),
                                     ("vae", AutoencoderKL, case.vae)):
        if changes is not None:
            config = kind.load_config(folder / component)
            shutil.rmtree(folder / component)
            kind.from_config({**config, **changes}).save_pretrained(folder / component)
    return folder
