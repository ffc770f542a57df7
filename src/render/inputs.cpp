#include "src/render/inputs.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "src/config/describe_job.h"
#include "src/pipelines/components.h"
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

bool extends_positions(const ModelChoice& model) {
  const auto transformer = model.components.find("transformer");
  return transformer != model.components.end() && transformer->second.extend_positions;
}

void check_position_table(const Job& job, const ModelFacts& model) {
  if (!extends_positions(job.model) || model.family == Family::kSd3) return;
  const Problem problem{.place = "model.components.transformer.position_table",
                        .message =
                            "extend for PixArt-Sigma -> SD3 only -> leave it out: its "
                            "positions have no table and fit every size"};
  throw job_error(job.source, {problem});
}

// Where the user gave a sampling key: at a row that stands in the job, else for all rows.
std::string place_of(const std::string& key, const Sample& sample, const Job& job) {
  const auto own = fmt::format("prompts.{}.{}", sample.row, key);
  return job.source.places.contains(own) ? own : "sampling." + key;
}

// All that the model cannot do, each once however many samples ask for it.
void check_recipes(const Inputs& inputs) {
  const auto& job = inputs.job();
  const auto& model = inputs.model();
  std::vector<Problem> problems;
  std::set<std::pair<std::string, std::string>> said;
  for (int64_t n = 0; n < inputs.sample_count(); ++n) {
    const auto sample = inputs.sample(n);
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
      repository_(open_repository(job_.model)),
      model_(facts_of(repository_, beyond_table())) {
  check_components(repository_, {.text = encodes(), .transformer = denoises(), .vae = decodes()});
  check_position_table(job_, model_);
  if (encodes()) {
    rows_ = prompts_.emplace(job_).fingerprint();
  } else {
    rows_ = files_.emplace(job_, model_).fingerprint();
  }
  check_recipes(*this);
}

PromptRow Inputs::row_of(const Sample& sample) const {
  return prompts_->row(sample.row - prompts_->row(0).row);
}

BeyondTable Inputs::beyond_table() const {
  return extends_positions(job_.model) ? BeyondTable::kExtend : BeyondTable::kRefuse;
}

int64_t Inputs::file_count() const {
  return only_embeds() ? prompts_->row_count() : sample_count();
}

std::optional<int64_t> Inputs::position_of(int64_t file_index) const {
  if (files_) return files_->position(file_index);
  const auto position = file_index - this->file_index(prompts_->sample(0));
  return position >= 0 && position < file_count() ? std::optional(position) : std::nullopt;
}

int64_t Inputs::file_index(const Sample& sample) const {
  return only_embeds() ? sample.row : sample.index;
}

OutputOptions Inputs::output_options() const {
  return {.extension = decodes() ? "png" : "safetensors",
          .samples = file_count(),
          .shard_size = job_.output.shard_size,
          .metadata = detail_of(job_.output.metadata),
          .job = to_json(job_).dump(),
          .fingerprint = fingerprint(job_, rows_)};
}

}  // namespace trireme
