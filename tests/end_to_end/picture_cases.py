"""The rows whose pictures are compared: each goes where the others do not.

A case is a row of a job and what the job around it must be like. All rows that can share a job do,
so that one start of the program serves many.
"""

from dataclasses import dataclass

from diffusers_oracle import Row

SEED = 100
SD3_DPM = {
    "class": "DPMSolverMultistepScheduler",
    "use_flow_sigmas": True,
    "prediction_type": "flow_prediction",
    "flow_shift": 3.0,
}
DPM = "DPMSolverMultistepScheduler"
LONG = "a large red star at the left of a small blue circle, " * 12 + "on a green background"
UNICODE = "Ein Straßenfest — “naïve” CAFÉ №５, 東京タワー 🚀 Ελλάδα İstanbul ½ ﬁne"
MARKS = "a red<|endoftext|> star! </s> on <pad> white <|startoftext|>circle!! <unk>"
SCRAPED = (
    "A RED star,on [white] (1024x768) http://a.com/b.png &quot;Big&quot; <b>dog</b> @me #12345 "
    "“two” — 東京 page 5 end.12:30"
)
SPACES = "  a\tred\n\n  star   at\u00a0the\u3000left  "


@dataclass(frozen=True)
class Case:
    """A row of a job, and what the job around it must be like."""

    name: str
    model: str
    row: Row
    images: int = 1
    absent: tuple[str, ...] = ()

    @property
    def job(self) -> tuple[str, int, tuple[str, ...]]:
        """Cases of one job have this in common."""
        return (self.model, self.images, self.absent)


def row(prompt: str, height: int = 64, width: int = 64, steps: int = 3, **more: object) -> Row:
    size = {"height": height, "width": width, "num_inference_steps": steps}
    return {"prompt": prompt} | size | more


def unbinned(prompt: str, *size_and_steps: int, **more: object) -> Row:
    return row(prompt, *size_and_steps, use_resolution_binning=False, **more)


def scheduled(prompt: str, steps: int, kind: str, **fields: object) -> Row:
    return unbinned(prompt, 64, 96, steps, scheduler={"class": kind} | fields)


SD3_CASES = [
    Case(
        "demo-job",
        "demo/sd3",
        row("a large red star on a black background", 128, 128, 20, guidance_scale=4.0),
    ),
    Case("trained", "demo/sd3", row("a large red star on a black background", 128, 128, 6)),
    Case(
        "trained-wide-heun",
        "demo/sd3",
        row(
            "a small blue circle at the left",
            96,
            160,
            4,
            negative_prompt="a star",
            guidance_scale=4.0,
            max_sequence_length=16,
            scheduler={"class": "FlowMatchHeunDiscreteScheduler"},
        ),
    ),
    Case("native-size", "sd3-medium", {"prompt": "a red star", "num_inference_steps": 2}),
    Case("tall", "sd3-medium", row("a red star", 128, 80, 4)),
    Case(
        "heun",
        "sd3-medium",
        row("a red star", scheduler={"class": "FlowMatchHeunDiscreteScheduler", "shift": 2.0}),
    ),
    Case(
        "three-prompts",
        "sd3-medium",
        row(
            "a red star",
            prompt_2="a blue circle at the left",
            prompt_3="two green squares",
            negative_prompt="ugly",
            negative_prompt_2="a circle",
            negative_prompt_3="yellow and black",
        ),
    ),
    Case("second-prompt-empty", "sd3-medium", row("a red star", prompt_2="", prompt_3="a dog")),
    Case("clip-skip", "sd3-medium", row("a red star", clip_skip=1, negative_prompt="a dog")),
    Case("own-sigmas", "sd3-medium", {"prompt": "a red star", "sigmas": [1.0, 0.7, 0.45, 0.2]}),
    Case("guidance-1", "sd3-medium", row("a red star", guidance_scale=1.0, negative_prompt="dog")),
    Case("guidance-0", "sd3-medium", row("a red star", guidance_scale=0.0)),
    Case("long-prompt", "sd3-medium", row(LONG, negative_prompt=LONG[::-1])),
    Case("short-text", "sd3-medium", row(LONG, max_sequence_length=24)),
    Case("longest-text", "sd3-medium", row(LONG, steps=2, max_sequence_length=512)),
    Case("unicode", "sd3-medium", row(UNICODE, negative_prompt="übel")),
    Case("marks", "sd3-medium", row(MARKS, negative_prompt="a!b")),
    Case("spaces", "sd3-medium", row(SPACES)),
    Case("empty-prompt", "sd3-medium", row("", negative_prompt="a dog")),
    Case("own-seed", "sd3-medium", row("a red star", seed=7)),
    Case("dpm-1", "sd3-medium", row("a red star", scheduler=SD3_DPM | {"solver_order": 1})),
    Case("dpm-2", "sd3-medium", row("a red star", steps=5, scheduler=SD3_DPM)),
    Case("dpm-3", "sd3.5-large", row("a dog", steps=6, scheduler=SD3_DPM | {"solver_order": 3})),
    Case(
        "karras",
        "sd3-medium",
        row(
            "a dog",
            scheduler={"class": "FlowMatchEulerDiscreteScheduler", "use_karras_sigmas": True},
        ),
    ),
    Case(
        "beta",
        "sd3-medium",
        row(
            "a dog",
            steps=5,
            scheduler={"class": "FlowMatchEulerDiscreteScheduler", "use_beta_sigmas": True},
        ),
    ),
    Case(
        "dynamic-shift",
        "sd3-medium",
        row(
            "a dog",
            96,
            128,
            scheduler={
                "class": "FlowMatchEulerDiscreteScheduler",
                "use_dynamic_shifting": True,
                "shift_terminal": 0.05,
            },
        ),
    ),
    Case(
        "no-t5", "sd3-medium", row("a red star", 64, 96), absent=("text_encoder_3", "tokenizer_3")
    ),
    Case(
        "no-t5-short",
        "sd3-medium",
        row("a red star", prompt_2="a dog", max_sequence_length=20),
        absent=("text_encoder_3", "tokenizer_3"),
    ),
    Case("three-images", "sd3-medium", row("a red star", steps=2), images=3),
    Case("three-images-own-seed", "sd3-medium", row("a dog", steps=2, seed=7), images=3),
    Case("dual-attention", "sd3.5-medium", row("a red star", 128, 80, 4)),
    Case("new-tokenizers", "sd3.5-medium", row(MARKS + UNICODE, negative_prompt="a!b </s>")),
    Case(
        "skip-layers",
        "sd3.5-medium",
        row("a red star", steps=6, skip_guidance_layers=[1, 2], skip_layer_guidance_stop=0.5),
    ),
    Case(
        "skip-layers-heun",
        "sd3.5-medium",
        row(
            "a red star",
            steps=4,
            skip_guidance_layers=[0],
            skip_layer_guidance_scale=1.5,
            skip_layer_guidance_start=0.0,
            skip_layer_guidance_stop=1.0,
            scheduler={"class": "FlowMatchHeunDiscreteScheduler"},
        ),
    ),
    Case(
        "skip-layers-without-guidance",
        "sd3.5-medium",
        row(
            "a red star",
            steps=4,
            guidance_scale=1.0,
            skip_guidance_layers=[1],
            skip_layer_guidance_stop=1.0,
        ),
    ),
    Case("odd-heads", "sd3.5-large", row("a red star", 80, 112, 4, guidance_scale=3.5)),
]

PIXART_CASES = [
    Case(
        "demo-job",
        "demo/pixart",
        unbinned("a large red star on a black background", 128, 128, 20, guidance_scale=4.0),
    ),
    Case("trained", "demo/pixart", unbinned("a large red star on a black background", 128, 128, 6)),
    Case(
        "trained-tall-euler",
        "demo/pixart",
        unbinned(
            "a small blue circle",
            160,
            96,
            5,
            guidance_scale=3.0,
            negative_prompt="a star",
            scheduler={"class": "EulerDiscreteScheduler"},
        ),
    ),
    Case("native-size", "pixart-256", {"prompt": "a red star", "num_inference_steps": 2}),
    Case("binned", "pixart-256", row("a red star", 71, 100)),
    Case("binned-up", "pixart-256", row("a red star", 320, 300, 2)),
    Case("binned-wide", "pixart-512", row("a red star", 90, 400, 2)),
    Case("old-names", "pixart-512", unbinned("a red star", 96, 64, 4)),
    Case("unbinned", "pixart-256", unbinned("a red star", 64, 112, 4, negative_prompt="Ugly Dog ")),
    Case("interpolated", "pixart-1024", unbinned("a red star", 112, 80, 4)),
    Case("guidance-1", "pixart-256", unbinned("a red star", 64, 64, 3, guidance_scale=1.0)),
    Case(
        "own-timesteps",
        "pixart-256",
        {
            "prompt": "a dog",
            "timesteps": [999, 700, 421, 99],
            "height": 64,
            "width": 64,
            "use_resolution_binning": False,
        },
    ),
    Case(
        "truncated",
        "pixart-256",
        unbinned(LONG, 64, 64, 2, max_sequence_length=20, negative_prompt=LONG[::-1]),
    ),
    Case("long-prompt", "pixart-512", unbinned(LONG, 64, 64, 2)),
    Case("unicode", "pixart-1024", unbinned(UNICODE, 64, 64, 2)),
    Case("marks", "pixart-256", unbinned(MARKS, 64, 64, 2)),
    Case("spaces", "pixart-256", unbinned(SPACES, 64, 64, 2)),
    Case("empty-prompt", "pixart-256", unbinned("", 64, 64, 2, negative_prompt="a dog")),
    Case(
        "clean-caption",
        "pixart-256",
        unbinned(
            SCRAPED,
            64,
            64,
            2,
            clean_caption=True,
            negative_prompt="UGLY,dog ***",
        ),
    ),
    Case("three-images", "pixart-512", unbinned("a red star", 64, 64, 2), images=3),
    Case("convolved-keys", "pixart-kv", unbinned("a red star", 80, 112, 4)),
    Case("convolved-keys-binned", "pixart-kv", row("a red star", 90, 400, 2)),
    Case("picked-keys", "pixart-kv-uniform", unbinned("a red star", 64, 96, 4)),
    Case("every-second-key", "pixart-kv-every", unbinned("a red star", 80, 112, 4)),
    Case("dpm-1", "pixart-256", scheduled("a dog", 4, DPM, solver_order=1)),
    Case("dpm-3", "pixart-256", scheduled("a dog", 6, DPM, solver_order=3)),
    Case("dpm-heun", "pixart-256", scheduled("a dog", 5, DPM, solver_type="heun")),
    Case("dpm-karras", "pixart-256", scheduled("a dog", 5, DPM, use_karras_sigmas=True)),
    Case("dpm-beta", "pixart-512", scheduled("a dog", 5, DPM, use_beta_sigmas=True)),
    Case("dpm-lu", "pixart-256", scheduled("a dog", 5, DPM, use_lu_lambdas=True)),
    Case("dpm-exponential", "pixart-256", scheduled("a dog", 5, DPM, use_exponential_sigmas=True)),
    Case("dpm-trailing", "pixart-256", scheduled("a dog", 5, DPM, timestep_spacing="trailing")),
    Case("dpm-16-steps", "pixart-512", scheduled("a dog", 16, DPM)),
    Case(
        "dpm-flow",
        "pixart-512",
        scheduled(
            "a dog", 5, DPM, use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=2.0
        ),
    ),
    Case(
        "dpm-threshold",
        "pixart-256",
        scheduled("a dog", 5, DPM, thresholding=True, sample_max_value=3.0),
    ),
    Case("dpm-sde", "pixart-512", scheduled("a dog", 5, DPM, algorithm_type="sde-dpmsolver++")),
    Case("euler", "pixart-256", scheduled("a dog", 5, "EulerDiscreteScheduler")),
    Case(
        "euler-karras",
        "pixart-512",
        scheduled("a dog", 5, "EulerDiscreteScheduler", use_karras_sigmas=True),
    ),
    Case("ddim", "pixart-256", scheduled("a dog", 5, "DDIMScheduler")),
    Case("ddim-unclipped", "pixart-512", scheduled("a dog", 5, "DDIMScheduler", clip_sample=False)),
]

CASES = SD3_CASES + PIXART_CASES
BY_NAME = {f"{case.model}-{case.name}": case for case in CASES}
HALF_CASES = [
    "demo/sd3-demo-job",
    "sd3-medium-tall",
    "sd3-medium-three-prompts",
    "sd3-medium-long-prompt",
    "sd3.5-medium-dual-attention",
    "sd3.5-medium-skip-layers",
    "sd3.5-large-odd-heads",
    "demo/pixart-demo-job",
    "pixart-256-unbinned",
    "pixart-512-old-names",
    "pixart-512-dpm-sde",
    "pixart-1024-interpolated",
    "pixart-kv-convolved-keys",
]


def companions(case: Case) -> list[Case]:
    return [other for other in CASES if other.job == case.job]


def first_index(case: Case) -> int:
    return companions(case).index(case) * case.images


def seeds(case: Case) -> list[int]:
    first = case.row.get("seed", SEED + first_index(case))
    return [first + image for image in range(case.images)]
