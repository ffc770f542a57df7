"""Original single files: their pictures are those of the folders they came from, to the bit."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import PixArtSigmaPipeline, PixArtTransformer2DModel, StableDiffusion3Pipeline

from checkpoints import Checkpoints
from diffusers_oracle import Oracle
from original_files import (
    load_folder,
    open_clip,
    original_part,
    prefixed,
    write_single_file,
    write_tensors,
)
from program import Job, Run, distance, render

LATENTS_BAR = 2e-4  # of their spread, against diffusers
SPLIT_BAR = 1e-5
MODELS = ["original-sd3-medium", "original-sd3.5-medium", "original-sd3.5-large"]
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")
ROW = {"prompt": "a red star", "negative_prompt": "a dog", "height": 64, "width": 96}
SAMPLING = {"num_inference_steps": 3, "guidance_scale": 3.0}


def tokenizers(folder: Path) -> dict[str, Any]:
    return {name: {"path": str(folder / name)} for name in TOKENIZERS}


def job(path: Path, components: dict[str, Any], form: str = "png", **changes: Any) -> Job:
    stages = ["encode", "denoise"] + (["decode"] if form == "png" else [])
    return {
        "model": {"path": str(path), "components": components},
        "prompts": [ROW, {"prompt": "two circles"}],
        "sampling": SAMPLING | {"height": 64, "width": 64},
        "stages": stages,
        "output": {"format": form},
    } | changes


class Pictures:
    """What the folders give, rendered once each."""

    def __init__(self, checkpoints: Checkpoints, folder: Path) -> None:
        self._checkpoints = checkpoints
        self._folder = folder
        self._runs: dict[tuple[str, str], Run] = {}

    def __call__(self, model: str, form: str = "png") -> Run:
        if (model, form) not in self._runs:
            at = self._folder / f"{model}-{form}"
            self._runs[model, form] = render(job(self._checkpoints[model], {}, form), at).ok
        return self._runs[model, form]


@pytest.fixture(scope="module")
def pictures(checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    return Pictures(checkpoints, tmp_path_factory.mktemp("folders"))


def samples(run: Run) -> dict[str, bytes]:
    """The pixels' or latents' bytes; texts name the model's path, which differs."""
    if (run.folder / "00000000.png").exists():
        return {str(n): run.pixels(n).tobytes() for n in range(2)}
    return {str(n): run.latents(n).numpy().tobytes() for n in range(2)}


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_file_is_its_folder(
    model: str, checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
) -> None:
    folder = checkpoints[model]
    file = write_single_file(folder, tmp_path / "sd3_incl_clips_t5.safetensors")
    for form in ["png", "latents"]:
        run = render(job(file, tokenizers(folder), form), tmp_path / form).ok
        assert samples(run) == samples(pictures(model, form))


@pytest.mark.parametrize("prefix", ["vae.", ""])
@pytest.mark.parametrize("names", ["ldm", "diffusers", "older"])
def test_every_part_alone(
    prefix: str, names: str, checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
) -> None:
    """The transformer bare, its encoders and the VAE each in a file of its own."""
    model = "original-sd3.5-medium"
    folder = checkpoints[model]
    bare = write_tensors(tmp_path / "mmdit.safetensors", original_part(folder, "transformer"))
    components = tokenizers(folder)
    for part in ENCODERS:
        tensors = original_part(folder, part)
        if part == "text_encoder" and names == "ldm":  # as some files have it: not to be used
            tensors["text_projection.weight"] = torch.full((64, 64), 0.5)
        if part == "text_encoder_2" and names == "older":
            tensors = open_clip(tensors)
        file = write_tensors(tmp_path / f"{part}.safetensors", tensors)
        components[part] = {"path": str(file)}
    vae = original_part(folder, "vae") if names == "ldm" else load_folder(folder / "vae")
    if names == "older":
        vae = {older(name): tensor for name, tensor in vae.items()}
    vae = {prefix + name: tensor for name, tensor in vae.items()}
    components["vae"] = {"path": str(write_tensors(tmp_path / "vae.safetensors", vae))}
    run = render(job(bare, components), tmp_path).ok
    assert samples(run) == samples(pictures(model))


def older(name: str) -> str:
    parts = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value."}
    for new, old in (parts | {".to_out.0.": ".proj_attn."}).items():
        name = name.replace(new, old)
    return name


def test_parts_of_files_into_a_folder(
    checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
) -> None:
    """Each component of a folder from the whole file: what else the file holds is left there."""
    folder = checkpoints["original-sd3-medium"]
    file = write_single_file(folder, tmp_path / "whole.safetensors")
    parts = ["transformer", "vae", *ENCODERS]
    run = render(job(folder, {name: {"path": str(file)} for name in parts}), tmp_path).ok
    assert samples(run) == samples(pictures("original-sd3-medium"))


def test_float8_is_how_t5_is_stored(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A T5 in float8, norms and all, is the T5 of those numbers."""
    folder = checkpoints["original-sd3-medium"]
    t5 = original_part(folder, "text_encoder_3")
    eight = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in t5.items()}
    rounded = {name: tensor.to(torch.float32) for name, tensor in eight.items()}
    runs = []
    for name, tensors in [("float8", eight), ("rounded", rounded)]:
        file = write_single_file(
            folder,
            tmp_path / f"{name}.safetensors",
            changes=prefixed("text_encoder_3", tensors),
        )
        runs.append(render(job(file, tokenizers(folder)), tmp_path / name).ok)
    assert samples(runs[0]) == samples(runs[1])


@pytest.mark.parametrize("model", MODELS)
def test_diffusers_reads_the_same_from_it(
    model: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """StableDiffusion3Pipeline.from_single_file, offline: configs and tokenizers from the folder."""
    folder = checkpoints[model]
    file = write_single_file(folder, tmp_path / "whole.safetensors")
    pipe = StableDiffusion3Pipeline.from_single_file(
        str(file), config=str(folder), local_files_only=True, dtype=torch.float32
    )
    oracle = Oracle.of(pipe)
    run = render(job(file, tokenizers(folder), "latents"), tmp_path).ok
    row = ROW | SAMPLING
    (theirs,) = oracle.pictures(row, [0])
    assert distance(run.latents(0), theirs.latents) <= LATENTS_BAR


@pytest.mark.parametrize("ranks", [2, 4])
def test_split_over_ranks(
    ranks: int, checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
) -> None:
    """Swapped halves, split rows and the projection made up, cut over ranks and stages."""
    model = "original-sd3.5-medium"
    folder = checkpoints[model]
    file = write_single_file(folder, tmp_path / "whole.safetensors")
    layout = {"text_encoders": {"tensor": ranks}, "transformer": {"tensor": ranks}}
    whole = pictures(model, "latents")
    run = render(job(file, tokenizers(folder), "latents", layout=layout), tmp_path, ranks).ok
    for sample in range(2):
        assert distance(run.latents(sample), whole.latents(sample)) <= SPLIT_BAR
    # The same cut of the folder is equal to the bit.
    same = render(job(folder, {}, "latents", layout=layout), tmp_path / "folder", ranks).ok
    assert samples(run) == samples(same)


def test_stages_of_a_pipeline(
    checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
) -> None:
    model = "original-sd3.5-medium"
    folder = checkpoints[model]
    file = write_single_file(folder, tmp_path / "whole.safetensors")
    layout = {"transformer": {"ranks": "all", "pipeline": 2}}
    run = render(job(file, tokenizers(folder), layout=layout), tmp_path, ranks=2).ok
    assert samples(run) == samples(pictures(model))


def test_without_t5(checkpoints: Checkpoints, tmp_path: Path) -> None:
    folder = checkpoints["original-sd3-medium"]
    parts = ("transformer", "vae", "text_encoder", "text_encoder_2")
    file = write_single_file(folder, tmp_path / "sd3_incl_clips.safetensors", parts)
    components = tokenizers(folder) | {"text_encoder_3": None}
    del components["tokenizer_3"]
    run = render(job(file, components), tmp_path / "file").ok
    whole = render(job(folder, {"text_encoder_3": None}), tmp_path / "folder").ok
    assert samples(run) == samples(whole)


class TestTokenizersOfTheCache:
    """Single files hold none: any SD3 repository in the Hugging Face cache has them."""

    @pytest.fixture
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        return tmp_path / "hub"

    def put(self, cache: Path, name: str, commit: str, folder: Path, *parts: str) -> Path:
        snapshot = cache / f"models--{name}" / "snapshots" / commit
        for part in parts:
            copy = shutil.copytree if (folder / part).is_dir() else shutil.copy
            snapshot.mkdir(parents=True, exist_ok=True)
            copy(folder / part, snapshot / part)
        return snapshot

    def test_are_found(
        self, cache: Path, checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
    ) -> None:
        folder = checkpoints["original-sd3-medium"]
        file = write_single_file(folder, tmp_path / "whole.safetensors")
        # Of another pipeline, though its name comes first; and a broken one.
        pixart = checkpoints["pixart-256"]
        self.put(cache, "a--pixart", "1", pixart, "model_index.json", "tokenizer")
        (self.put(cache, "b--broken", "1", folder, "tokenizer") / "model_index.json").write_text("{")
        self.put(cache, "org--sd3", "1", folder, "model_index.json", *TOKENIZERS)
        run = render(job(file, {}), tmp_path).ok
        assert samples(run) == samples(pictures("original-sd3-medium"))

    def test_may_be_all_that_was_fetched(
        self, cache: Path, checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
    ) -> None:
        folder = checkpoints["original-sd3-medium"]
        file = write_single_file(folder, tmp_path / "whole.safetensors")
        self.put(cache, "org--sd3", "1", folder, *TOKENIZERS)
        assert samples(render(job(file, {}), tmp_path).ok) == samples(
            pictures("original-sd3-medium")
        )

    def test_or_are_missed(self, cache: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
        folder = checkpoints["original-sd3-medium"]
        file = write_single_file(folder, tmp_path / "whole.safetensors")
        run = render(job(file, {}), tmp_path)
        assert run.code == 66
        for part in ["tokenizer: single files hold no tokenizers", str(cache), "hf download"]:
            assert part in run.stderr


PIXART_ROWS = [
    {"prompt": "a red star", "num_inference_steps": 2},
    {"prompt": "a red star", "height": 90, "width": 130, "num_inference_steps": 3},
]


@pytest.mark.parametrize("other", ["pixart-256", "pixart-512"])
def test_a_pixart_transformer_over_another_pipeline(
    other: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """As the 256, 512 and 2K repositories are published: a transformer folder alone, of either
    class name; its own sample size decides the size, the bins and the positions."""
    base = checkpoints["pixart-1024"]
    alone = tmp_path / "alone"
    shutil.copytree(checkpoints[other] / "transformer", alone / "transformer")
    oracle = Oracle.of(
        PixArtSigmaPipeline.from_pretrained(
            base,
            transformer=PixArtTransformer2DModel.from_pretrained(alone, subfolder="transformer"),
            dtype=torch.float32,
            local_files_only=True,
        )
    )
    model = {"path": str(base), "components": {"transformer": {"path": str(alone)}}}
    run = render(
        {
            "model": model,
            "prompts": PIXART_ROWS,
            "sampling": {"seed": 5},
            "stages": ["encode", "denoise"],
            "output": {"format": "latents"},
        },
        tmp_path,
    ).ok
    for number, row in enumerate(PIXART_ROWS):
        (theirs,) = oracle.pictures(row, [5 + number])
        assert distance(run.latents(number), theirs.latents) <= LATENTS_BAR


def test_t5_alone_serves_pixart(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """There it is the text_encoder."""
    folder = checkpoints["pixart-256"]
    file = write_tensors(tmp_path / "t5xxl.safetensors", load_folder(folder / "text_encoder"))
    rows = {"prompts": ["a red star"], "sampling": SAMPLING | {"use_resolution_binning": False}}
    runs = [
        render(job(folder, components) | rows, tmp_path / name).ok
        for name, components in [("a", {}), ("b", {"text_encoder": {"path": str(file)}})]
    ]
    assert runs[0].pixels(0).tobytes() == runs[1].pixels(0).tobytes()


def shards_and_variants(folder: Path, out: Path, index: str) -> dict[str, Any]:
    """The same weights, in shards of the variant fp16 (a name: the numbers stay)."""
    pipe = StableDiffusion3Pipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.save_pretrained(out, variant="fp16", max_shard_size="100KB")
    for written in out.rglob("*.index*.json"):
        stem = written.name.split(".")[0]
        written.rename(written.parent / index.format(stem=stem))
    assert len(list(out.rglob("*-of-*.safetensors"))) > 10
    return {"path": str(out), "variant": "fp16"}


@pytest.mark.parametrize(
    "index", ["{stem}.safetensors.index.fp16.json", "{stem}.fp16.safetensors.index.json"]
)
def test_shards_and_variants_change_no_bit(
    index: str, checkpoints: Checkpoints, pictures: Pictures, tmp_path: Path
) -> None:
    model = shards_and_variants(checkpoints["original-sd3-medium"], tmp_path / "model", index)
    run = render(job(Path(), {}) | {"model": model}, tmp_path).ok
    assert samples(run) == samples(pictures("original-sd3-medium"))
