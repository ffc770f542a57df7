#include "src/schedulers/scheduler_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "parallel/error.h"
#include "src/schedulers/json_infinities.h"

namespace trireme {
namespace {

using nlohmann::json;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(JsonWithInfinities, ReadsWhatPythonWrites) {
  const auto read = parse_json_with_infinities(
      R"({"lambda_min_clipped": -Infinity, "list": [Infinity, NaN, 1.5], "shift": 3})", "file");
  EXPECT_EQ(read["lambda_min_clipped"].get<double>(), -INFINITY);
  EXPECT_EQ(read["list"][0].get<double>(), INFINITY);
  EXPECT_TRUE(std::isnan(read["list"][1].get<double>()));
  EXPECT_EQ(read["shift"], 3);
}

TEST(JsonWithInfinities, LeavesStringsAlone) {
  const auto read = parse_json_with_infinities(
      R"({"note \" NaN": "-Infinity, \\", "Infinity": "NaN", "x": -Infinity})", "file");
  EXPECT_EQ(read["note \" NaN"], "-Infinity, \\");
  EXPECT_EQ(read["Infinity"], "NaN");
  EXPECT_EQ(read["x"].get<double>(), -INFINITY);
}

TEST(JsonWithInfinities, NamesTheFileThatIsNotJson) {
  for (const char* text : {"{\"a\": -Infinit}", "{\"a\": 1", "", "{\"a\": InfinityNaN}", "\"\\"}) {
    const auto message =
        message_of([&] { parse_json_with_infinities(text, "scheduler_config.json"); });
    EXPECT_EQ(message.rfind("[scheduler_config.json]", 0), 0U) << text << ": " << message;
  }
}

TEST(SchedulerConfig, TakesTheJobsFieldsOverTheCheckpoints) {
  const SchedulerConfig config({{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"shift", 3.0}},
                               {{"shift", 5.0}, {"use_karras_sigmas", true}});
  EXPECT_EQ(config.number("shift", 1), 5);
  EXPECT_TRUE(config.flag("use_karras_sigmas"));
  EXPECT_EQ(config.integer("num_train_timesteps", 1000), 1000);
  EXPECT_EQ(config.json(), json::parse(R"({"_class_name": "FlowMatchEulerDiscreteScheduler",
                                           "shift": 5.0, "use_karras_sigmas": true})"));
}

TEST(SchedulerConfig, KeepsOfTheCheckpointWhatTheJobsClassKnows) {
  const SchedulerConfig config({{"_class_name", "FlowMatchEulerDiscreteScheduler"},
                                {"_diffusers_version", "0.29.0"},
                                {"shift", 3.0},
                                {"shift_terminal", nullptr}},
                               {{"class", "FlowMatchHeunDiscreteScheduler"}});
  EXPECT_EQ(config.class_name(), "FlowMatchHeunDiscreteScheduler");
  EXPECT_EQ(config.number("shift", 1), 3);
  EXPECT_EQ(config.unused(), std::vector<std::string>{"shift_terminal"});
}

TEST(SchedulerConfig, DropsTheDefaultsThatDiffusersWroteDown) {
  const SchedulerConfig config({{"_class_name", "DDIMScheduler"},
                                {"timestep_spacing", "leading"},
                                {"beta_end", 0.01},
                                {"_use_default_values", {"timestep_spacing"}}},
                               {{"class", "EulerDiscreteScheduler"}});
  EXPECT_EQ(config.choice("timestep_spacing", {"linspace", "leading"}, "linspace"), "linspace");
  EXPECT_EQ(config.number("beta_end", 0.02), 0.01);
}

TEST(SchedulerConfig, SuggestsTheClassThatWasMeant) {
  const auto message = message_of([] {
    SchedulerConfig({{"_class_name", "DDIMScheduler"}}, {{"class", "FlowMatchEulerScheduler"}});
  });
  EXPECT_EQ(
      message,
      "[sampling.scheduler.class] \"FlowMatchEulerScheduler\" -> must be one of DDIMScheduler, "
      "DPMSolverMultistepScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler, "
      "FlowMatchHeunDiscreteScheduler -> did you mean FlowMatchEulerDiscreteScheduler?");
}

TEST(SchedulerConfig, NamesAFieldThatTheClassDoesNotHave) {
  const auto message = message_of([] {
    SchedulerConfig({{"_class_name", "FlowMatchHeunDiscreteScheduler"}}, {{"shiftt", 2}});
  });
  EXPECT_EQ(message,
            "[sampling.scheduler.shiftt] 2 -> FlowMatchHeunDiscreteScheduler has no such "
            "field -> did you mean shift?");
}

TEST(SchedulerConfig, SaysWhereAWrongValueStands) {
  const SchedulerConfig config({{"_class_name", "DDIMScheduler"}, {"beta_start", "small"}},
                               {{"clip_sample", 1}});
  EXPECT_EQ(
      message_of([&] { config.number("beta_start", 0); }),
      "[scheduler_config.json: beta_start] \"small\" -> must be a number -> quotes around it, "
      "or null?");
  EXPECT_EQ(message_of([&] { config.flag("clip_sample"); }),
            "[sampling.scheduler.clip_sample] 1 -> must be true or false -> quotes around it, or "
            "null?");
}

}  // namespace
}  // namespace trireme
