// Reads one JSON request a line ({"checkpoint", "job", "steps", "sigmas", "timesteps", "mu",
// "image_tokens", "sample", "noise", "scaled_steps"}) and answers each with a line: the schedule
// and, if a sample is given (flat, with its "shape"), where the dummy model's run ends.
#include <iostream>
#include <string>

#include "parallel/error.h"
#include "src/schedulers/json_infinities.h"
#include "tests/src/schedulers/dummy_model.h"

namespace trireme {
namespace {

using nlohmann::json;

at::Tensor tensor_of(const json& flat, const json& shape) {
  const auto values = flat.get<std::vector<double>>();
  return at::tensor(at::ArrayRef<double>(values), at::kDouble)
      .to(at::kFloat)
      .reshape(shape.get<std::vector<int64_t>>());
}

// With "noise" a list of one tensor a step; the scaled sample is what "scaled_steps" steps from.
at::Tensor run(const Schedule& schedule, const json& request) {
  at::Tensor sample = tensor_of(request["sample"], request["shape"]);
  if (request.value("scale_noise", false)) sample = sample * schedule.init_noise_sigma;
  if (!schedule.needs_noise) {
    return run_dummy(schedule, sample, request.value("scaled_steps", false));
  }
  Solver solver(std::make_shared<const Schedule>(schedule));
  for (int64_t i = 0; i < schedule.size(); ++i) {
    const auto here = static_cast<size_t>(i);
    const at::Tensor prediction = dummy_model(solver.input(sample, i), schedule.timesteps[here]);
    sample =
        solver.step(prediction, i, sample, tensor_of(request["noise"][here], request["shape"]));
  }
  return sample;
}

json answer(const json& request) {
  if (request.contains("fields_of"))
    return scheduler_fields(request["fields_of"].get<std::string>());
  const SchedulerConfig config(request["checkpoint"], request.value("job", json::object()));
  ScheduleRequest asked{.steps = request.value("steps", int64_t{0}),
                        .sigmas = request.value("sigmas", std::vector<double>{}),
                        .timesteps = request.value("timesteps", std::vector<double>{}),
                        .image_tokens = request.value("image_tokens", int64_t{0})};
  if (request.contains("mu")) asked.mu = request["mu"].get<double>();
  const Schedule schedule = make_schedule(config, asked);
  json reply{{"timesteps", schedule.timesteps},
             {"sigmas", schedule.sigmas},
             {"init_noise_sigma", schedule.init_noise_sigma}};
  if (request.contains("sample")) {
    const at::Tensor end = run(schedule, request).contiguous();
    reply["end"] = std::vector<float>(end.data_ptr<float>(), end.data_ptr<float>() + end.numel());
  }
  return reply;
}

}  // namespace
}  // namespace trireme

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    try {
      std::cout << trireme::answer(trireme::parse_json_with_infinities(line, "request")) << '\n';
    } catch (const trireme::Error& error) {
      std::cout << nlohmann::json{{"error", error.what()}, {"exit", static_cast<int>(error.exit())}}
                << '\n';
    }
  }
}
