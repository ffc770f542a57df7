#include "src/render/inputs.h"

#include <fmt/format.h>

#include <algorithm>
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

constexpr int64_t kFirstLook = 1000;  // rows of a dataset

const char* extension(OutputFormat format) {
  switch (format) {
    case OutputFormat::kPng:
      return "png";
    case OutputFormat::kJpeg:
      return "jpg";
    case OutputFormat::kWebp:
      return "webp";
    default:
      return "safetensors";
  }
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
  check_rows();
}

// All that the model cannot do, each once however many samples ask for it: of the rows that stand
// in the job all, of a dataset the first ones, where too many are wrong for a job that says nothing
// of how many may fail.
void Inputs::check_rows() const {
  const bool all = !job_.dataset;
  const auto count = all ? sample_count() : std::min(sample_count(), kFirstLook);
  std::vector<Problem> problems;
  std::set<std::pair<std::string, std::string>> said;
  int64_t bad = 0;
  for (int64_t n = 0; n < count; ++n) {
    const auto found = problems_at(n);
    if (!found.empty()) ++bad;
    for (const auto& problem : found)
      if (said.emplace(problem.place, problem.message).second) problems.push_back(problem);
  }
  const auto& output = job_.output;
  const bool every = bad == sample_count() && bad > 0;
  const bool may_go_on = !all && !every && output.on_error == OnError::kQuarantine &&
                         (output.says_max_failed || output.max_failed.allows(bad, file_count()));
  if (!problems.empty() && !may_go_on) throw job_error(job_.source, problems);
}

bool Inputs::is_readable(int64_t n) const {
  return !prompts_ || prompts_->read_row(prompts_->row_of(n)).problem.empty();
}

std::vector<int64_t> Inputs::readable(int64_t most) const {
  std::vector<int64_t> found;
  for (int64_t n = 0; n < sample_count() && std::ssize(found) < most; ++n)
    if (is_readable(n)) found.push_back(n);
  if (found.empty()) sample(0);  // says why
  return found;
}

std::vector<Problem> Inputs::problems_at(int64_t n) const {
  if (!is_readable(n)) return {};
  const auto sample = this->sample(n);
  auto problems = problems_of(sample, model_);
  for (auto& problem : problems) problem.place = place_of(problem.place, sample, job_);
  return problems;
}

PromptRow Inputs::row_of(const Sample& sample) const {
  return prompts_->row(sample.row - prompts_->first_row());
}

BeyondTable Inputs::beyond_table() const {
  return extends_positions(job_.model) ? BeyondTable::kExtend : BeyondTable::kRefuse;
}

int64_t Inputs::file_count() const {
  return only_embeds() ? prompts_->row_count() : sample_count();
}

int64_t Inputs::pictures_of_a_file() const {
  return only_embeds() ? 1 : prompts_->pictures_of_a_row();
}

int64_t Inputs::index(int64_t position) const {
  return files_ ? files_->index(position) : prompts_->first_row() * pictures_of_a_file() + position;
}

std::optional<int64_t> Inputs::position_of(int64_t index) const {
  if (files_) return files_->position(index);
  const auto position = index - this->index(0);
  return position >= 0 && position < file_count() ? std::optional(position) : std::nullopt;
}

ReadSample Inputs::read(int64_t position) const {
  ReadSample read;
  if (files_) {
    read.sample = files_->sample(position);
  } else {
    auto [row, problem] = prompts_->read_row(position / pictures_of_a_file());
    if (!problem.empty()) return {{}, {}, problem};
    read.sample = sample_of(std::move(row), position % pictures_of_a_file());
  }
  for (const auto& problem : problems_of(read.sample, model_))
    return {{},
            {},
            fmt::format("[row {}, {}] {}{}", read.sample.row, problem.place, problem.message,
                        where(position))};
  read.recipe = recipe(read.sample);
  return read;
}

int64_t Inputs::row_number(int64_t index) const {
  return only_embeds() ? index
                       : index / (files_ ? files_->pictures_of_a_row() : pictures_of_a_file());
}

std::optional<int64_t> Inputs::byte_of(int64_t index) const {
  if (files_) return std::nullopt;
  return prompts_->offset(*position_of(index) / pictures_of_a_file());
}

std::string Inputs::where(int64_t position) const {
  const auto byte = byte_of(index(position));
  return byte ? fmt::format(" (byte {} of {})", *byte, job_.dataset->path.written) : "";
}

void Inputs::let_go() const {
  if (prompts_) prompts_->let_go();
}

StoreOptions Inputs::store_options() const {
  using Container = StoreOptions::Container;
  return {.container = job_.output.container == trireme::Container::kFolder ? Container::kFiles
                                                                            : Container::kTar,
          .extension = extension(job_.output.format),
          .shard_size = job_.output.shard_size,
          .files = file_count(),
          .index_of = [this](int64_t position) { return index(position); },
          .position_of = [this](int64_t index) { return position_of(index); }};
}

}  // namespace trireme
