#include "src/config/carried_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/config/describe_job.h"

namespace trireme {
namespace {

Job read_carried(const std::string& text, const std::string& file,
                 const std::vector<std::string>& overrides) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Exit::kBadData,
                fmt::format("[input] {}: {} -> in its metadata, \"trireme\" is a job of one row -> "
                            "the file was edited, or is another program's",
                            file, why));
  };
  Job job;
  try {
    job = parse_job(text, file, overrides);
  } catch (const Error& error) {
    refuse(error.what());
  }
  if (job.prompts.size() != 1) refuse(fmt::format("{} prompts", job.prompts.size()));
  return job;
}

// The steps are counted once: whoever gives them anew, in whatever way, takes the old ones away.
void clear_steps(const Job& job, std::vector<std::string>& overrides) {
  constexpr std::string_view kSteps[] = {"num_inference_steps", "sigmas", "timesteps"};
  const auto& given = job.sampling_keys;
  const bool anew = std::any_of(std::begin(kSteps), std::end(kSteps), [&](std::string_view key) {
    return std::find(given.begin(), given.end(), key) != given.end();
  });
  if (!anew) return;
  for (const auto key : kSteps) overrides.push_back(fmt::format("sampling.{}=null", key));
}

}  // namespace

PromptRow carried_row(const std::string& text, const std::string& file, const Job& job) {
  std::vector<std::string> overrides;
  clear_steps(job, overrides);
  const auto sampling = to_json(job.sampling);
  for (const auto& key : job.sampling_keys)
    overrides.push_back(fmt::format("sampling.{}={}", key, sampling.at(key).dump()));
  return read_carried(text, file, overrides).prompts.front();
}

Sample carried_sample(const std::string& text, const std::string& file) {
  auto row = read_carried(text, file, {}).prompts.front();
  row.own_seed = true;  // what it carries is the sample's
  return sample_of(std::move(row), 0);
}

}  // namespace trireme
