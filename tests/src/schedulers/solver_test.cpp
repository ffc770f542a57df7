#include "src/schedulers/solver.h"

#include <gtest/gtest.h>

#include <fstream>

#include "parallel/error.h"
#include "tests/src/schedulers/dummy_model.h"

namespace trireme {
namespace {

using nlohmann::json;

Schedule schedule_of(json fields, int64_t steps) {
  return make_schedule(SchedulerConfig(fields), {.steps = steps});
}

const json kPixart{{"_class_name", "DPMSolverMultistepScheduler"}};
const json kSd3{{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"shift", 3.0}};
const json kHeun{{"_class_name", "FlowMatchHeunDiscreteScheduler"}, {"shift", 3.0}};
const json kEuler{{"_class_name", "EulerDiscreteScheduler"}, {"num_train_timesteps", 1100}};
const json kDdim{{"_class_name", "DDIMScheduler"}};

void expect_golden(const at::Tensor& end, const std::string& run) {
  std::ifstream file("tests/goldens/schedulers.json");
  const json golden = json::parse(file).at("runs").at(run);
  EXPECT_NEAR(end.abs().mean().item<double>(), golden["mean_abs"].get<double>(),
              2e-5 * golden["mean_abs"].get<double>());
  const at::Tensor last = end.flatten().slice(0, -4);
  for (int64_t i = 0; i < 4; ++i) {
    const double wanted = golden["last4"][static_cast<size_t>(i)];
    EXPECT_NEAR(last[i].item<double>(), wanted, 2e-5 * std::abs(wanted)) << run;
  }
}

TEST(Solver, EndsWhereDiffusersEnds) {
  const at::Tensor sample = dummy_sample();
  expect_golden(run_dummy(schedule_of(kPixart, 20), sample), "dpm_pixart_config_20");
  expect_golden(run_dummy(schedule_of(kSd3, 28), sample), "fm_euler_shift3_28");
  expect_golden(run_dummy(schedule_of(kHeun, 28), sample), "fm_heun_shift3_28");
  expect_golden(run_dummy(schedule_of(kDdim, 10), sample), "ddim_eps_10");
  const Schedule euler = schedule_of(kEuler, 10);
  expect_golden(run_dummy(euler, sample * euler.init_noise_sigma, true), "euler_1100_eps_10");
}

// The numbers in diffusers' own tests of these classes, at their tolerances.
TEST(Solver, PassesTheTestsOfDiffusers) {
  const at::Tensor sample = dummy_sample();
  const auto mean = [](const at::Tensor& end) { return end.abs().mean().item<double>(); };
  const auto with = [](json fields, const json& more) {
    fields.update(more);
    return fields;
  };
  const json test =
      with(kPixart, {{"lower_order_final", false}, {"final_sigmas_type", "sigma_min"}});
  const json v{{"prediction_type", "v_prediction"}};
  EXPECT_NEAR(mean(run_dummy(schedule_of(test, 10), sample)), 0.3301, 1e-3);
  EXPECT_NEAR(mean(run_dummy(schedule_of(with(test, v), 10), sample)), 0.2251, 1e-3);
  EXPECT_NEAR(mean(run_dummy(schedule_of(with(kDdim, v), 10), sample)), 0.0684, 1e-3);
  const Schedule karras = schedule_of(with(kEuler, {{"use_karras_sigmas", true}}), 10);
  EXPECT_NEAR(mean(run_dummy(karras, sample * karras.init_noise_sigma, true)), 0.162139, 1e-3);
}

TEST(Solver, MakesEachSampleAsIfItWereAlone) {
  json fields = kPixart;
  fields["thresholding"] = true;
  const Schedule schedule = schedule_of(fields, 6);
  const at::Tensor both = run_dummy(schedule, dummy_sample());
  EXPECT_TRUE(at::equal(both.slice(0, 1, 2), run_dummy(schedule, dummy_sample().slice(0, 1, 2))));
}

TEST(Solver, StaysInFloat32WhateverTheModelGives) {
  Solver solver(std::make_shared<const Schedule>(schedule_of(kPixart, 2)));
  const at::Tensor sample = dummy_sample();
  const at::Tensor next = solver.step(sample.to(at::kBFloat16), 0, sample);
  EXPECT_EQ(next.scalar_type(), at::kFloat);
}

TEST(Solver, SharesNoMemoryWithItsCaller) {
  for (const json& fields : {kPixart, kSd3, kHeun, kDdim}) {
    const auto schedule = std::make_shared<const Schedule>(schedule_of(fields, 4));
    const at::Tensor quiet = run_dummy(*schedule, dummy_sample());
    Solver solver(schedule);
    at::Tensor sample = dummy_sample();
    for (int64_t i = 0; i < schedule->size(); ++i) {
      at::Tensor prediction = dummy_model(sample, schedule->timesteps[static_cast<size_t>(i)]);
      const at::Tensor next = solver.step(prediction, i, sample);
      prediction.fill_(NAN);
      sample.fill_(NAN);
      sample = next.clone();
      next.detach().fill_(NAN);
    }
    EXPECT_TRUE(at::equal(sample, quiet)) << fields;
  }
}

TEST(Solver, RefusesStepsOutOfOrder) {
  Solver solver(std::make_shared<const Schedule>(schedule_of(kSd3, 2)));
  const at::Tensor sample = dummy_sample();
  EXPECT_THROW(solver.step(sample, 1, sample), Error);
  solver.step(sample, 0, sample);
  EXPECT_THROW(solver.step(sample, 0, sample), Error);
  EXPECT_THROW(solver.step(sample, 1, sample, sample), Error);  // noise that nothing takes
  solver.step(sample, 1, sample);
  EXPECT_THROW(solver.step(sample, 2, sample), Error);
}

TEST(Solver, AddsFreshNoiseWhereTheScheduleSaysSo) {
  json fields = kSd3;
  fields["stochastic_sampling"] = true;
  const Schedule schedule = schedule_of(fields, 2);
  ASSERT_TRUE(schedule.needs_noise);
  Solver solver(std::make_shared<const Schedule>(schedule));
  const at::Tensor sample = dummy_sample();
  const at::Tensor noise = at::ones_like(sample);
  // From sigma 1 with velocity equal to the sample: the clean sample is zero, the rest is noise.
  const at::Tensor next = solver.step(sample, 0, sample, noise);
  EXPECT_TRUE(at::allclose(next, noise * schedule.sigmas[1], 1e-6, 1e-6));
}

}  // namespace
}  // namespace trireme
