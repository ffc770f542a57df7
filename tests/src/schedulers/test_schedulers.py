"""Schedules and whole runs of the C++ schedulers beside those of diffusers, asked live.

The C++ side is the executable schedule_main of the build folder (TRIREME_BUILD, or build/).
"""

import inspect
import itertools
import json
import os
import pathlib
import subprocess
import warnings

import diffusers
import numpy
import pytest
import torch

ROOT = pathlib.Path(__file__).parents[3]
BUILD = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build"))

FLOW_EULER = "FlowMatchEulerDiscreteScheduler"
FLOW_HEUN = "FlowMatchHeunDiscreteScheduler"
DPM = "DPMSolverMultistepScheduler"
EULER = "EulerDiscreteScheduler"
DDIM = "DDIMScheduler"

SAMPLE = (torch.arange(768.0).reshape(3, 8, 8, 4) / 768).permute(3, 0, 1, 2).contiguous()
# A sample with both signs, of the size that real latents have.
LATENT = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))

warnings.filterwarnings("ignore")
diffusers.utils.logging.set_verbosity_error()


class Schedules:
    """One schedule_main process; ask() gives the reply to one request."""

    def __init__(self):
        self.process = subprocess.Popen(
            [BUILD / "tests" / "schedule_main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def schedules():
    running = Schedules()
    yield running
    running.close()


def model(sample, timestep):
    return sample * timestep / (timestep + 1)


def expected(scheduler, sample, noises=None):
    """Where diffusers' scheduler, whose timesteps are set, ends with the dummy model, and the
    largest number on its way, whose rounding what is left of it carries. The picture is a
    difference of the sample and the noise in it, both divided by the alpha of the time."""
    alphas = getattr(scheduler, "alphas_cumprod", torch.ones(1))
    blown_up = 1 / alphas[-1].sqrt().clamp(min=1e-4)
    largest = sample.abs().max() * blown_up
    for i, t in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(sample, t) if hasattr(scheduler, "scale_model_input") else sample
        extra = {} if noises is None else {"variance_noise": noises[i]}
        sample = scheduler.step(model(scaled, t), t, sample, return_dict=False, **extra)[0]
        largest = torch.maximum(largest, sample.abs().max())
    return sample, largest


def assert_same(reply, scheduler, sample, noises=None):
    times = scheduler.timesteps.tolist()
    if times.count(times[0]) > 1:  # diffusers begins at the second of them, and so skips a step
        assert "twice" in reply["error"]
        return
    end, largest = expected(scheduler, sample, noises)
    if not torch.isfinite(end).all():
        return  # diffusers draws NaN: nothing to compare with
    assert "error" not in reply, reply
    times = scheduler.timesteps.double()
    assert len(reply["timesteps"]) == len(times)
    if scheduler.timesteps.dtype == torch.int64:
        assert reply["timesteps"] == times.tolist()
    else:
        torch.testing.assert_close(torch.tensor(reply["timesteps"]).double(), times, rtol=3e-7, atol=1e-4)
    if hasattr(scheduler, "sigmas"):
        torch.testing.assert_close(
            torch.tensor(reply["sigmas"]).double(), scheduler.sigmas.double(), rtol=3e-7, atol=1e-9
        )
    init = float(getattr(scheduler, "init_noise_sigma", 1.0))
    assert reply["init_noise_sigma"] == pytest.approx(init, rel=3e-7)
    got = torch.tensor(reply["end"]).reshape(sample.shape)
    assert (got - end).abs().max() <= 4e-6 * largest


def compare(schedules, name, fields, steps=None, sample=LATENT, **given):
    scheduler = getattr(diffusers, name)(**fields)
    scheduler.set_timesteps(steps, **given) if steps else scheduler.set_timesteps(**given)
    reply = schedules.ask(
        checkpoint={"_class_name": name, **fields},
        sample=sample.flatten().tolist(),
        shape=list(sample.shape),
        **({"steps": steps} if steps else {}),
        **given,
    )
    assert_same(reply, scheduler, sample)


def refused(schedules, name, fields, *words, job=None, **request):
    reply = schedules.ask(checkpoint={"_class_name": name, **fields}, job=job or {}, **request)
    assert reply.get("exit") == 78, reply
    for word in words:
        assert word in reply["error"]


@pytest.mark.parametrize("name", [FLOW_EULER, FLOW_HEUN, DPM, EULER, DDIM])
def test_every_field_of_the_class_is_known(schedules, name):
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters
    assert schedules.ask(fields_of=name) == [field for field in parameters if field != "self"]


STEPS = [1, 2, 7, 20, 50]

FLOW_FIELDS = [
    {},
    {"shift": 3.0},
    {"shift": 3},
    {"shift": 0.7, "num_train_timesteps": 500},
    {"shift": 3.0, "use_karras_sigmas": True},
    {"shift": 3.0, "use_exponential_sigmas": True},
    {"shift": 3.0, "use_beta_sigmas": True},
    {"shift": 3.0, "invert_sigmas": True},
]


@pytest.mark.parametrize("fields", FLOW_FIELDS, ids=str)
@pytest.mark.parametrize("steps", STEPS)
def test_flow_match_euler(schedules, fields, steps):
    compare(schedules, FLOW_EULER, fields, steps)


@pytest.mark.parametrize("terminal", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("spacing", [{}, {"use_karras_sigmas": True}, {"use_beta_sigmas": True}], ids=str)
def test_flow_match_shift_terminal(schedules, terminal, spacing):
    compare(schedules, FLOW_EULER, {"shift": 3.0, "shift_terminal": terminal, **spacing}, 12)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
@pytest.mark.parametrize("mu", [0.5, 0.9, 1.15, 2.0])
@pytest.mark.parametrize("spacing", [{}, {"shift_terminal": 0.05}, {"use_karras_sigmas": True}], ids=str)
def test_flow_match_dynamic_shift(schedules, kind, mu, spacing):
    fields = {"use_dynamic_shifting": True, "time_shift_type": kind, "shift": 3.0, **spacing}
    compare(schedules, FLOW_EULER, fields, 11, mu=mu)
    compare(schedules, FLOW_EULER, fields, mu=mu, sigmas=[1.0, 0.8, 0.33, 0.1])


@pytest.mark.parametrize("tokens", [256, 1024, 2400, 4096, 9216])
@pytest.mark.parametrize("fields", [{}, {"base_shift": 0.3, "max_shift": 1.7, "max_image_seq_len": 8192}], ids=str)
def test_the_dynamic_shift_is_that_of_the_sd3_pipeline(schedules, tokens, fields):
    from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

    fields = {"use_dynamic_shifting": True, **fields}
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(**fields)
    known = scheduler.config
    mu = calculate_shift(
        tokens, known.base_image_seq_len, known.max_image_seq_len, known.base_shift, known.max_shift
    )
    scheduler.set_timesteps(9, mu=mu)
    reply = schedules.ask(checkpoint={"_class_name": FLOW_EULER, **fields}, steps=9, image_tokens=tokens)
    assert reply["sigmas"] == scheduler.sigmas.tolist()


@pytest.mark.parametrize("fields", FLOW_FIELDS[1:7], ids=str)
def test_flow_match_custom_lists(schedules, fields):
    compare(schedules, FLOW_EULER, fields, sigmas=[1.0, 0.75, 0.5, 0.25])
    compare(schedules, FLOW_EULER, fields, sigmas=[0.97, 0.11])
    compare(schedules, FLOW_EULER, fields, timesteps=[1000.0, 700.0, 300.0])
    compare(schedules, FLOW_EULER, fields, timesteps=[999.0, 500.0], sigmas=[0.9, 0.4])


def test_flow_match_stochastic_sampling(schedules):
    noises = [torch.randn(LATENT.shape, generator=torch.Generator().manual_seed(i)) for i in range(6)]
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, stochastic_sampling=True)
    scheduler.set_timesteps(6)
    sample = LATENT
    for i, t in enumerate(scheduler.timesteps):
        generator = torch.Generator().manual_seed(i)
        sample = scheduler.step(model(sample, t), t, sample, generator=generator, return_dict=False)[0]
    reply = schedules.ask(
        checkpoint={"_class_name": FLOW_EULER, "shift": 3.0, "stochastic_sampling": True},
        steps=6,
        sample=LATENT.flatten().tolist(),
        shape=list(LATENT.shape),
        noise=[noise.flatten().tolist() for noise in noises],
    )
    got = torch.tensor(reply["end"]).reshape(LATENT.shape)
    assert (got - sample).abs().max() <= 2e-5 * sample.std()


@pytest.mark.parametrize("fields", [{}, {"shift": 3.0}, {"shift": 5.5, "num_train_timesteps": 250}], ids=str)
@pytest.mark.parametrize("steps", STEPS)
def test_flow_match_heun(schedules, fields, steps):
    compare(schedules, FLOW_HEUN, fields, steps)


BETAS = [
    {},
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"},
    {"trained_betas": numpy.linspace(0.001, 0.05, 300).tolist(), "num_train_timesteps": 300},
]
DPM_SPACINGS = [
    {},
    {"timestep_spacing": "leading", "steps_offset": 1},
    {"timestep_spacing": "trailing"},
    {"use_karras_sigmas": True},
    {"use_lu_lambdas": True},
    {"use_exponential_sigmas": True},
    {"use_beta_sigmas": True},
    {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"},
    {"lambda_min_clipped": -5.1},
]


@pytest.mark.parametrize("betas", BETAS, ids=lambda b: b.get("beta_schedule", "trained" if b else "linear"))
@pytest.mark.parametrize("spacing", DPM_SPACINGS, ids=str)
def test_dpm_spacings(schedules, betas, spacing):
    for steps, final in itertools.product([1, 2, 14, 15, 20], ["zero", "sigma_min"]):
        compare(schedules, DPM, {**betas, **spacing, "final_sigmas_type": final}, steps)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("solver", ["midpoint", "heun"])
@pytest.mark.parametrize("algorithm", ["dpmsolver", "dpmsolver++"])
@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction", "flow_prediction"])
@pytest.mark.parametrize("limits", [{}, {"thresholding": True, "sample_max_value": 1.5}], ids=str)
def test_dpm_solvers(schedules, order, solver, algorithm, prediction, limits):
    fields = {
        "solver_order": order,
        "solver_type": solver,
        "algorithm_type": algorithm,
        "prediction_type": prediction,
        **limits,
    }
    if prediction == "flow_prediction" and algorithm == "dpmsolver++":
        fields["use_flow_sigmas"] = True  # what a flow's prediction is made for
    if algorithm == "dpmsolver" and prediction == "flow_prediction":
        return refused(schedules, DPM, {**fields, "final_sigmas_type": "sigma_min"}, "prediction_type", steps=5)
    for ends in (
        {"final_sigmas_type": "sigma_min"},
        {"final_sigmas_type": "sigma_min", "lower_order_final": False},
        {"final_sigmas_type": "sigma_min", "lower_order_final": False, "euler_at_final": True},
        {"final_sigmas_type": "zero"},
        {"final_sigmas_type": "zero", "lower_order_final": False},
    ):
        if algorithm == "dpmsolver" and ends["final_sigmas_type"] == "zero":
            refused(schedules, DPM, {**fields, **ends}, "final_sigmas_type", steps=5)
            continue
        for steps in (1, 3, 10):
            compare(schedules, DPM, {**fields, **ends}, steps, LATENT / 4 if algorithm == "dpmsolver" else LATENT)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("solver", ["midpoint", "heun"])
@pytest.mark.parametrize("algorithm", ["sde-dpmsolver", "sde-dpmsolver++"])
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_dpm_sde(schedules, order, solver, algorithm, final):
    fields = {"solver_order": order, "solver_type": solver, "algorithm_type": algorithm, "final_sigmas_type": final}
    if algorithm == "sde-dpmsolver" and final == "zero":
        return refused(schedules, DPM, {**fields, "solver_order": 2}, "final_sigmas_type", steps=5)
    if algorithm == "sde-dpmsolver" and order == 3:
        return refused(schedules, DPM, fields, "solver_order", "sde-dpmsolver++", steps=5)
    noises = [torch.randn(LATENT.shape, generator=torch.Generator().manual_seed(i)) for i in range(9)]
    scheduler = diffusers.DPMSolverMultistepScheduler(**fields)
    scheduler.set_timesteps(9)
    reply = schedules.ask(
        checkpoint={"_class_name": DPM, **fields},
        steps=9,
        sample=LATENT.flatten().tolist(),
        shape=list(LATENT.shape),
        noise=[noise.flatten().tolist() for noise in noises],
    )
    assert_same(reply, scheduler, LATENT, noises)


@pytest.mark.parametrize("fields", [{}, {"solver_order": 3}, {"final_sigmas_type": "sigma_min"}], ids=str)
def test_dpm_custom_timesteps(schedules, fields):
    compare(schedules, DPM, fields, timesteps=[999, 850, 600, 600 - 1, 201, 3])
    compare(schedules, DPM, fields, timesteps=[700])


@pytest.mark.parametrize("mu", [0.5, 1.15])
def test_dpm_dynamic_shift(schedules, mu):
    fields = {"use_flow_sigmas": True, "use_dynamic_shifting": True, "prediction_type": "flow_prediction"}
    compare(schedules, DPM, fields, 10, mu=mu)


def test_dpm_zero_snr(schedules):
    for prediction in ("v_prediction", "epsilon"):
        compare(
            schedules,
            DPM,
            {"rescale_betas_zero_snr": True, "prediction_type": prediction, "timestep_spacing": "trailing"},
            10,
            LATENT / 1000 if prediction == "epsilon" else LATENT,
        )


EULER_SPACINGS = [
    {},
    {"timestep_spacing": "leading", "steps_offset": 1},
    {"timestep_spacing": "trailing"},
    {"use_karras_sigmas": True},
    {"use_karras_sigmas": True, "sigma_min": 0.03, "sigma_max": 20.0},
    {"use_exponential_sigmas": True},
    {"use_beta_sigmas": True},
    {"interpolation_type": "log_linear"},
    {"interpolation_type": "log_linear", "use_karras_sigmas": True},
    {"timestep_type": "continuous"},
]


@pytest.mark.parametrize("betas", BETAS, ids=lambda b: b.get("beta_schedule", "trained" if b else "linear"))
@pytest.mark.parametrize("spacing", EULER_SPACINGS, ids=str)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_euler(schedules, betas, spacing, prediction):
    if spacing.get("interpolation_type") == "log_linear" and "use_karras_sigmas" not in spacing:
        spacing = {**spacing, "final_sigmas_type": "sigma_min"}
    for steps, final in itertools.product([1, 5, 20], ["zero", "sigma_min"]):
        fields = {**betas, "final_sigmas_type": final, **spacing, "prediction_type": prediction}
        scale = 10.0 if prediction == "epsilon" else 1.0
        compare(schedules, EULER, fields, steps, LATENT * scale)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_euler_custom_lists(schedules, prediction):
    fields = {"prediction_type": prediction}
    compare(schedules, EULER, fields, timesteps=[990, 700, 300, 12])
    compare(schedules, EULER, fields, sigmas=[100.0, 20.0, 4.0, 1.0, 0.2, 0.0])
    compare(schedules, EULER, {**fields, "timestep_type": "continuous"}, sigmas=[100.0, 4.0, 0.2, 0.05])


@pytest.mark.parametrize("betas", BETAS, ids=lambda b: b.get("beta_schedule", "trained" if b else "linear"))
@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"clip_sample": False},
        {"clip_sample_range": 0.5, "set_alpha_to_one": False},
        {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.3},
    ],
    ids=str,
)
def test_ddim(schedules, betas, spacing, prediction, limits):
    for steps in (1, 5, 20, 33):
        compare(
            schedules, DDIM, {**betas, "timestep_spacing": spacing, "prediction_type": prediction, **limits}, steps
        )


def test_ddim_zero_snr(schedules):
    fields = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "clip_sample": False}
    compare(schedules, DDIM, {**fields, "prediction_type": "v_prediction"}, 10)
    refused(schedules, DDIM, {**fields, "prediction_type": "epsilon"}, "num_inference_steps", steps=10)


@pytest.mark.parametrize("name", [DPM, EULER, DDIM])
def test_trailing_spacing_of_every_length(schedules, name):
    for steps in range(1, 500, 3):
        fields = {"timestep_spacing": "trailing"}
        scheduler = getattr(diffusers, name)(**fields)
        scheduler.set_timesteps(steps)
        reply = schedules.ask(checkpoint={"_class_name": name, **fields}, steps=steps)
        assert reply["timesteps"] == scheduler.timesteps.double().tolist()


CHECKPOINTS = [
    {"_class_name": FLOW_EULER, "num_train_timesteps": 1000, "shift": 3.0},
    {"_class_name": DPM, "beta_end": 0.015, "solver_order": 3, "lambda_min_clipped": -float("inf"), "algorithm_type": "dpmsolver++"},
    {"_class_name": "UniPCMultistepScheduler", "solver_order": 2, "solver_type": "bh2", "beta_start": 0.0002},
    {"_class_name": EULER, "sigma_min": 0.05, "sigma_max": 90.0, "use_karras_sigmas": True},
]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda c: c["_class_name"])
@pytest.mark.parametrize(
    "job",
    [
        {"class": FLOW_HEUN, "shift": 2.0},
        {"class": FLOW_EULER, "use_karras_sigmas": True},
        {"class": DPM, "use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"},
        {"class": DPM, "use_karras_sigmas": True},
        {"class": EULER, "timestep_spacing": "trailing"},
        {"class": DDIM},
    ],
    ids=str,
)
def test_the_job_changes_the_class_as_from_config_does(schedules, checkpoint, job):
    fields = {key: value for key, value in job.items() if key != "class"}
    reply = schedules.ask(
        checkpoint=checkpoint, job=job, steps=8, sample=LATENT.flatten().tolist(), shape=list(LATENT.shape)
    )
    scheduler = getattr(diffusers, job["class"]).from_config(dict(checkpoint), **fields)
    scheduler.set_timesteps(8)
    assert_same(reply, scheduler, LATENT)


def test_what_diffusers_cannot_do_is_refused(schedules):
    refused(schedules, FLOW_HEUN, {}, "[sampling.sigmas]", "does not support custom sigmas", sigmas=[1.0, 0.5])
    refused(schedules, DPM, {}, "[sampling.sigmas]", "does not support custom sigmas", sigmas=[1.0, 0.5])
    refused(schedules, DDIM, {}, "[sampling.timesteps]", "does not support custom timesteps", timesteps=[9, 5])
    refused(schedules, DPM, {"use_karras_sigmas": True}, "use_karras_sigmas", "custom timesteps", timesteps=[9, 5])
    refused(schedules, DPM, {"use_flow_sigmas": True}, "use_flow_sigmas", "custom timesteps", timesteps=[9, 5])
    refused(schedules, DPM, {"variance_type": "learned"}, "variance_type", steps=4)
    refused(schedules, DPM, {"solver_order": 4}, "solver_order", "1, 2 or 3", steps=4)
    refused(schedules, FLOW_EULER, {"use_karras_sigmas": True, "use_beta_sigmas": True}, "only one", steps=4)
    refused(schedules, FLOW_EULER, {"use_dynamic_shifting": True}, "use_dynamic_shifting", steps=4)
    refused(schedules, FLOW_EULER, {}, "[sampling.num_inference_steps]", "at least 1", steps=0)
    refused(schedules, FLOW_EULER, {}, "first timestep", sigmas=[1.0, 1.0, 0.5])
    refused(schedules, FLOW_EULER, {}, "as many as", sigmas=[1.0, 0.5], timesteps=[1000.0])
    refused(schedules, FLOW_EULER, {"shift_terminal": 0.1}, "num_inference_steps", steps=1)
    refused(schedules, EULER, {}, "finite weights", sigmas=[9.0, 0.0, 0.0])
    refused(schedules, DPM, {}, "num_inference_steps", steps=2500)
    refused(schedules, DDIM, {}, "at most the 1000 timesteps", steps=1001)
    refused(schedules, DDIM, {"steps_offset": 1}, "steps_offset", steps=1000)
    dynamic = {"use_dynamic_shifting": True}
    refused(schedules, FLOW_EULER, dynamic, "dynamic shift", job={"class": FLOW_HEUN}, steps=4, image_tokens=4096)


def test_mistakes_in_the_job_are_named(schedules):
    refused(schedules, DPM, {}, "sampling.scheduler.shift", "no such field", "did you mean", job={"shift": 3.0}, steps=4)
    refused(schedules, FLOW_EULER, {}, "did you mean shift?", job={"shft": 3.0}, steps=4)
    refused(schedules, DPM, {}, "sampling.scheduler.class", "did you mean DDIMScheduler?", job={"class": "DDIM"}, steps=4)
    refused(schedules, DPM, {}, "beta_schedule", "linear, scaled_linear", job={"beta_schedule": "cosine"}, steps=4)
    refused(schedules, FLOW_EULER, {"shift": "3"}, "scheduler_config.json: shift", "must be a number", steps=4)


# The figures of diffusers' own scheduler tests (recomputed with 0.42.1) and of the goldens folder.
def runs():
    goldens = json.loads((ROOT / "tests/goldens/schedulers.json").read_text())["runs"]
    pixart = {"solver_order": 2}
    test = {"solver_order": 2, "lower_order_final": False, "final_sigmas_type": "sigma_min"}
    v = {"prediction_type": "v_prediction"}
    settings = {
        "dpm_test_config_eps_10": (DPM, test),
        "dpm_test_config_v_10": (DPM, {**test, **v}),
        "dpm_test_config_v_karras_6": (DPM, {**test, **v, "use_karras_sigmas": True}),
        "dpm_test_config_v_lu_6": (DPM, {**test, **v, "use_lu_lambdas": True}),
        "dpm_test_config_thresholding_ratio0.95_max0.8_6": (
            DPM,
            {**test, "thresholding": True, "dynamic_thresholding_ratio": 0.95, "sample_max_value": 0.8},
        ),
        "dpm_pixart_config_10": (DPM, pixart),
        "dpm_pixart_config_20": (DPM, pixart),
        "dpm_pixart_config_heun_10": (DPM, {"solver_type": "heun"}),
        "dpm_pixart_config_order3_10": (DPM, {"solver_order": 3}),
        "dpm_pixart_config_order1_10": (DPM, {"solver_order": 1}),
        "dpm_pixart_config_dpmsolver_sigma_min_10": (
            DPM,
            {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min", "lower_order_final": False},
        ),
        "euler_1100_eps_10": (EULER, {"num_train_timesteps": 1100}),
        "euler_1100_eps_karras_10": (EULER, {"num_train_timesteps": 1100, "use_karras_sigmas": True}),
        "euler_1100_v_10": (EULER, {"num_train_timesteps": 1100, **v}),
        "ddim_eps_10": (DDIM, {}),
        "ddim_v_10": (DDIM, v),
        "ddim_alpha_one_true_beta.01": (DDIM, {"beta_start": 0.01}),
        "ddim_alpha_one_false_beta.01": (DDIM, {"beta_start": 0.01, "set_alpha_to_one": False}),
        "fm_euler_shift3_10": (FLOW_EULER, {"shift": 3.0}),
        "fm_euler_shift3_28": (FLOW_EULER, {"shift": 3.0}),
        "fm_heun_shift3_10": (FLOW_HEUN, {"shift": 3.0}),
        "fm_heun_shift3_28": (FLOW_HEUN, {"shift": 3.0}),
    }
    assert settings.keys() == goldens.keys()
    for case, golden in goldens.items():
        tail = case.rsplit("_", 1)[1]
        yield pytest.param(*settings[case], int(tail) if tail.isdigit() else 10, golden, id=case)


@pytest.mark.parametrize("name, fields, steps, golden", runs())
def test_goldens(schedules, name, fields, steps, golden):
    euler = name == EULER
    reply = schedules.ask(
        checkpoint={"_class_name": name, **fields},
        steps=steps,
        sample=SAMPLE.flatten().tolist(),
        shape=list(SAMPLE.shape),
        scale_noise=euler,
        scaled_steps=euler,
    )
    end = torch.tensor(reply["end"])
    cancels = golden["mean_abs"] < 1e-6  # every digit is rounding: only its smallness says something
    close = {"abs": 1e-6} if cancels else {"rel": 2e-5}
    assert end.abs().mean().item() == pytest.approx(golden["mean_abs"], **close)
    assert end[-4:].tolist() == pytest.approx(golden["last4"], **close)
    assert end[:4].tolist() == pytest.approx(golden["first4"], abs=1e-6)
