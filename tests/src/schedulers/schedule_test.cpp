// Tables of diffusers 0.42.1 (goldens/schedulers.json, printed with nine digits).
#include "src/schedulers/schedule.h"

#include <gtest/gtest.h>

#include <fstream>

#include "parallel/error.h"

namespace trireme {
namespace {

using nlohmann::json;

const std::string kFlowEuler = "FlowMatchEulerDiscreteScheduler";
const std::string kFlowHeun = "FlowMatchHeunDiscreteScheduler";
const std::string kDpm = "DPMSolverMultistepScheduler";
const std::string kEuler = "EulerDiscreteScheduler";

json golden(const std::string& table) {
  std::ifstream file("tests/goldens/schedulers.json");
  return json::parse(file).at("tables").at(table);
}

Schedule schedule_of(const std::string& class_name, json fields, const ScheduleRequest& request) {
  fields["_class_name"] = class_name;
  return make_schedule(SchedulerConfig(fields), request);
}

void expect_near(const std::vector<double>& values, const json& expected, const char* what) {
  ASSERT_EQ(values.size(), expected.size()) << what;
  for (size_t i = 0; i < values.size(); ++i) {
    const double wanted = expected[i].get<double>();
    EXPECT_NEAR(values[i], wanted, 3e-7 * std::abs(wanted)) << what << " " << i;
  }
}

void expect_table(const Schedule& schedule, const json& table) {
  if (table.contains("sigmas")) expect_near(schedule.sigmas, table["sigmas"], "sigma");
  if (table.contains("timesteps")) expect_near(schedule.timesteps, table["timesteps"], "timestep");
  if (table.contains("init_noise_sigma")) {
    EXPECT_NEAR(schedule.init_noise_sigma, table["init_noise_sigma"].get<double>(), 5e-5);
  }
}

TEST(FlowMatchEuler, ShiftsItsGridAndItsLowestLevelTwice) {
  const json tables = golden("fm_euler_shift3");
  for (int64_t steps : {1, 2, 4, 8, 28, 40}) {
    expect_table(schedule_of(kFlowEuler, {{"shift", 3.0}}, {.steps = steps}),
                 tables[std::string("N") += std::to_string(steps)]);
  }
  expect_table(schedule_of(kFlowEuler, json::object(), {.steps = 2}), golden("fm_euler_shift1_N2"));
}

TEST(FlowMatchEuler, ShiftsCustomSigmasAndKeepsCustomTimesteps) {
  const json three{{"shift", 3.0}};
  expect_table(schedule_of(kFlowEuler, three, {.sigmas = {1, 0.75, 0.5, 0.25}}),
               golden("fm_euler_shift3_custom_sigmas"));
  expect_table(schedule_of(kFlowEuler, three, {.timesteps = {1000, 700, 300}}),
               golden("fm_euler_shift3_custom_timesteps"));
  expect_table(
      schedule_of(kFlowEuler, three, {.sigmas = {1, 0.7, 0.3}, .timesteps = {1000, 700, 300}}),
      golden("fm_euler_shift3_custom_both"));
}

TEST(FlowMatchEuler, HasDynamicShiftsOfTwoKinds) {
  expect_table(schedule_of(kFlowEuler, {{"use_dynamic_shifting", true}}, {.steps = 3, .mu = 0.5}),
               golden("fm_euler_dynamic_exponential_mu0.5_N3"));
  expect_table(
      schedule_of(kFlowEuler, {{"use_dynamic_shifting", true}, {"time_shift_type", "linear"}},
                  {.steps = 3, .mu = 2}),
      golden("fm_euler_dynamic_linear_mu2_N3"));
}

TEST(FlowMatchEuler, TakesTheShiftFromTheImagesTokens) {
  const json dynamic{{"_class_name", kFlowEuler}, {"use_dynamic_shifting", true}};
  const SchedulerConfig config(dynamic);
  EXPECT_NEAR(*dynamic_shift(config, {.image_tokens = 256}), 0.5, 1e-12);
  EXPECT_NEAR(*dynamic_shift(config, {.image_tokens = 4096}), 1.15, 1e-12);
  EXPECT_FALSE(dynamic_shift(config, {}));
  EXPECT_FALSE(
      dynamic_shift(SchedulerConfig(json{{"_class_name", kFlowEuler}}), {.image_tokens = 256}));
}

TEST(FlowMatchEuler, RespacesAndStretches) {
  expect_table(schedule_of(kFlowEuler, {{"shift", 3.0}, {"use_karras_sigmas", true}}, {.steps = 8}),
               golden("fm_euler_shift3_karras_N8"));
  expect_table(
      schedule_of(kFlowEuler, {{"shift", 3.0}, {"use_exponential_sigmas", true}}, {.steps = 8}),
      golden("fm_euler_shift3_exponential_N8"));
  expect_table(schedule_of(kFlowEuler, {{"shift", 3.0}, {"shift_terminal", 0.02}}, {.steps = 4}),
               golden("fm_euler_shift3_terminal0.02_N4"));
}

TEST(FlowMatchHeun, CallsTheModelTwiceAnIntervalButTheLast) {
  const Schedule schedule = schedule_of(kFlowHeun, {{"shift", 3.0}}, {.steps = 3});
  EXPECT_EQ(schedule.size(), 5);
  expect_table(schedule, golden("fm_heun_shift3_N3"));
}

TEST(DpmSolver, SpacesItsTimesteps) {
  for (int64_t steps : {14, 20, 25}) {
    expect_table(schedule_of(kDpm, json::object(), {.steps = steps}),
                 golden("dpm_linspace_N" + std::to_string(steps)));
  }
  for (const std::string spacing : {"trailing", "leading"}) {
    expect_table(schedule_of(kDpm, {{"timestep_spacing", spacing}}, {.steps = 20}),
                 golden("dpm_" + spacing + "_N20"));
  }
  expect_table(schedule_of(kDpm, {{"use_karras_sigmas", true}}, {.steps = 20}),
               golden("dpm_karras_N20"));
  expect_table(schedule_of(kDpm, {{"use_lu_lambdas", true}}, {.steps = 8}),
               golden("dpm_lu_lambdas_N8"));
  expect_table(schedule_of(kDpm, {{"use_exponential_sigmas", true}}, {.steps = 8}),
               golden("dpm_exponential_N8"));
  expect_table(schedule_of(kDpm, {{"use_flow_sigmas", true}, {"flow_shift", 3.0}}, {.steps = 4}),
               golden("dpm_flow_shift3_N4"));
}

TEST(DpmSolver, EndsInFirstOrderWhereTheNoiseEnds) {
  const Schedule schedule = schedule_of(kDpm, json::object(), {.steps = 20});
  EXPECT_EQ(schedule.rules.back().sample, 0);
  EXPECT_EQ(schedule.rules.back().estimates, (std::array<double, 3>{1, 0, 0}));
  EXPECT_NE(schedule.rules[18].estimates[1], 0);
  EXPECT_EQ(schedule.rules.front().estimates[1], 0);
}

TEST(Euler, SpacesItsTimesteps) {
  for (const std::string spacing : {"linspace", "leading"}) {
    expect_table(schedule_of(kEuler, {{"timestep_spacing", spacing}}, {.steps = 20}),
                 golden("euler_" + spacing + "_N20"));
  }
}

TEST(Ddim, CountsInWholeSteps) {
  expect_table(schedule_of("DDIMScheduler", json::object(), {.steps = 20}),
               golden("ddim_leading_N20"));
}

TEST(Schedule, RefusesSigmasThatTheClassDoesNotTake) {
  try {
    schedule_of(kDpm, json::object(), {.sigmas = {1, 0.5}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadJob);
    EXPECT_STREQ(error.what(),
                 "[sampling.sigmas] 2 values -> must not be given -> "
                 "DPMSolverMultistepScheduler does not support custom sigmas");
  }
}

}  // namespace
}  // namespace trireme
