#include "src/render/inputs.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "src/config/describe_job.h"
#include "src/pipelines/pipeline.h"

namespace trireme {
namespace {

Quantization quantization(const ComponentChoice& choice) {
  using Kind = Quantization::Kind;
  constexpr std::array kKinds = {Kind::kNone, Kind::kInt8, Kind::kNf4, Kind::kFp8};
  return {.kind = kKinds.at(static_cast<size_t>(choice.quantize)),
          .double_quant = choice.double_quant};
}

Repository open_repository(const ModelChoice& model) {
  RepositoryOptions options{.variant = model.variant, .components = {}};
  for (const auto& [name, choice] : model.components)
    options.components[name] = {choice.absent, choice.path ? choice.path->resolved : "",
                                quantization(choice)};
  return Repository::open(model.path.resolved, options);
}

// Where the user gave a sampling key: at a row that stands in the job, else for all rows.
std::string place_of(const std::string& key, const Sample& sample, const Job& job) {
  const auto own = fmt::format("prompts.{}.{}", sample.row, key);
  return job.source.places.contains(own) ? own : "sampling." + key;
}

// All that the model cannot do, each once however many samples ask for it.
void check_recipes(const Job& job, const Prompts& prompts, const ModelFacts& model) {
  std::vector<Problem> problems;
  std::set<std::pair<std::string, std::string>> said;
  for (int64_t n = 0; n < prompts.sample_count(); ++n) {
    const auto sample = prompts.sample(n);
    for (auto& problem : problems_of(sample, model)) {
      problem.place = place_of(problem.place, sample, job);
      if (said.emplace(problem.place, problem.message).second) problems.push_back(problem);
    }
  }
  if (!problems.empty()) throw job_error(job.source, problems);
}

MetadataDetail detail_of(Metadata metadata) {
  if (metadata == Metadata::kNone) return MetadataDetail::kNone;
  return metadata == Metadata::kMinimal ? MetadataDetail::kMinimal : MetadataDetail::kFull;
}

}  // namespace

Inputs::Inputs(Job job)
    : job_(std::move(job)),
      prompts_(job_),
      repository_(open_repository(job_.model)),
      model_(facts_of(repository_)),
      first_file_(file_index(prompts_.sample(0))) {
  check_recipes(job_, prompts_, model_);
}

int64_t Inputs::file_count() const {
  return only_embeds() ? prompts_.row_count() : prompts_.sample_count();
}

int64_t Inputs::file_index(const Sample& sample) const {
  return only_embeds() ? sample.row : sample.index;
}

OutputOptions Inputs::output_options() const {
  return {.extension = job_.last_stage == JobStage::kDecode ? "png" : "safetensors",
          .samples = file_count(),
          .shard_size = job_.output.shard_size,
          .metadata = detail_of(job_.output.metadata),
          .job = to_json(job_).dump(),
          .fingerprint = fingerprint(job_, prompts_)};
}

}  // namespace trireme
