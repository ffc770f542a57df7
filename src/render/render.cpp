#include "src/render/render.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "src/config/describe_job.h"
#include "src/config/prompts.h"
#include "src/pipelines/pipeline.h"
#include "src/render/batches.h"
#include "src/render/files.h"
#include "src/report/output_folder.h"
#include "src/report/report.h"

namespace trireme {
namespace {

constexpr int kSpeaker = 0;  // the rank that writes what is written once

// How far a sample came; what ranks tell each other at the end.
enum Status : int64_t { kNotMade = 0, kMade = 1, kFailed = 2, kWasThere = 3 };

// Thrown between steps to leave a batch; never leaves this file.
struct Stopped {};

at::ScalarType dtype_for(Dtype dtype, at::Device device) {
  switch (dtype) {
    case Dtype::kFloat32: return at::kFloat;
    case Dtype::kBFloat16: return at::kBFloat16;
    case Dtype::kFloat16: return at::kHalf;
    case Dtype::kAuto: break;
  }
  return device.is_cuda() ? at::kBFloat16 : at::kFloat;
}

Repository open_repository(const ModelChoice& model) {
  RepositoryOptions options{.variant = model.variant};
  for (const auto& [name, choice] : model.components)
    options.components[name] = {choice.absent, choice.path ? choice.path->resolved : ""};
  return Repository::open(model.path.resolved, options);
}

MetadataDetail detail_of(Metadata metadata) {
  if (metadata == Metadata::kNone) return MetadataDetail::kNone;
  return metadata == Metadata::kMinimal ? MetadataDetail::kMinimal : MetadataDetail::kFull;
}

OutputFolder output_folder(const Job& job, const Prompts& prompts, const Group& world) {
  const bool embeds = job.last_stage == JobStage::kEncode;
  OutputOptions options{
      .extension = job.last_stage == JobStage::kDecode ? "png" : "safetensors",
      .samples = embeds ? prompts.row_count() : prompts.sample_count(),
      .shard_size = job.output.shard_size,
      .metadata = detail_of(job.output.metadata),
      .job = to_json(job).dump(),
      .fingerprint = fingerprint(job, prompts)};
  auto folder = world.rank() == kSpeaker
                    ? OutputFolder::open(job.output.path.resolved, options)
                    : OutputFolder(job.output.path.resolved, options);
  world.barrier();  // nobody writes before it is there
  return folder;
}

// Embeddings of the prompts seen last: the negative prompt, above all, is encoded once.
class RecentEmbeddings {
 public:
  explicit RecentEmbeddings(const Pipeline& pipeline) : pipeline_(pipeline) {}

  TextEmbeddings operator()(const Prompt& prompt) {
    if (const auto found = recent_.find(prompt); found != recent_.end()) return found->second;
    if (recent_.size() >= kKept) recent_.clear();
    return recent_[prompt] = pipeline_.encode(prompt);
  }

  Conditioning operator()(const Sample& sample, const Recipe& recipe) {
    Conditioning text{(*this)(positive_prompt(sample, recipe)), std::nullopt};
    if (recipe.guidance.on()) text.negative = (*this)(negative_prompt(sample, recipe));
    return text;
  }

 private:
  static constexpr size_t kKept = 16;

  const Pipeline& pipeline_;
  std::map<Prompt, TextEmbeddings> recent_;
};

// A job under way on this rank.
class Renderer {
 public:
  Renderer(const Job& job, const Machine& machine);
  Exit run();

 private:
  void visit(const Batch& batch);
  void make(const Batch& batch);
  void decode(const Batch& batch, const Denoised& denoised);
  void fail(const Sample& sample, const std::string& why);
  void write(const Sample& sample, const std::string& bytes);
  void before_step(const Batch& batch, int64_t step);
  bool should_stop() const;
  bool wanted(const Sample& sample) const { return !embeds_only() || sample.number == 0; }
  bool embeds_only() const { return job_.last_stage == JobStage::kEncode; }
  int64_t file_index(const Sample& s) const { return embeds_only() ? s.row : s.index; }
  int64_t position(const Sample& s) const { return file_index(s) - first_index_; }
  Exit finish();
  void write_metadata(const at::Tensor& statuses) const;
  RankReport rank_report() const;

  const Job& job_;
  const Machine& machine_;
  StageClock clock_;
  double begun_ = steady_seconds();
  Prompts prompts_;
  Repository repository_;
  ModelFacts facts_;
  OutputFolder output_;
  int replicas_;
  Pipeline pipeline_;
  RecentEmbeddings embeddings_;
  int64_t first_index_, files_;
  at::Tensor statuses_;  // int64 [files of the job]
  Progress progress_;
  ProgressCounts counts_;
  bool stopped_ = false;
};

Pipeline load(const Job& job, const Machine& machine, const Repository& repository,
              StageClock& clock) {
  const auto timer = clock.time(Stage::kLoad);
  return Pipeline(repository, place(job.layout, machine.world, block_count(repository)),
                  {.dtype = dtype_for(job.model.dtype, machine.device),
                   .device = machine.device,
                   .denoises = job.last_stage != JobStage::kEncode,
                   .decodes = job.last_stage == JobStage::kDecode});
}

// Every recipe of the job, before anything is loaded or written.
void check_recipes(const Prompts& prompts, const ModelFacts& facts) {
  for (int64_t n = 0; n < prompts.sample_count(); ++n) recipe_for(prompts.sample(n), facts);
}

ModelFacts checked_facts(const Repository& repository, const Prompts& prompts) {
  const auto facts = facts_of(repository);
  check_recipes(prompts, facts);
  return facts;
}

Renderer::Renderer(const Job& job, const Machine& machine)
    : job_(job),
      machine_(machine),
      prompts_(job),
      repository_(open_repository(job.model)),
      facts_(checked_facts(repository_, prompts_)),
      output_(output_folder(job, prompts_, machine.world)),
      replicas_(replica_count(job.layout, machine.world.size())),
      pipeline_(load(job, machine, repository_, clock_)),
      embeddings_(pipeline_),
      first_index_(file_index(prompts_.sample(0))),
      files_(embeds_only() ? prompts_.row_count() : prompts_.sample_count()),
      statuses_(at::zeros({files_}, at::kLong)),
      progress_({.pictures = files_,
                 .skipped = 0,
                 .steps_per_picture = recipe_for(prompts_.sample(0), facts_).num_inference_steps,
                 .voice = voice_for(machine.terminal)}) {}

Exit Renderer::run() {
  const int ranks_each = machine_.world.size() / replicas_;
  const int replica = machine_.world.rank() / ranks_each;
  try {
    for_each_batch(prompts_, facts_, job_.layout.batch_size.value_or(1),
                   [&](const Sample& s) { return wanted(s); },
                   [&](const Batch& batch) {
                     if (batch.number % replicas_ == replica) visit(batch);
                   });
  } catch (const Stopped&) {
    stopped_ = true;
  }
  return finish();
}

void Renderer::visit(const Batch& batch) {
  bool all_there = true;
  for (const auto& sample : batch.samples)
    if (!output_.is_done(file_index(sample))) all_there = false;
  // Ranks may look at different moments; the first one's eyes count.
  const auto& replica = pipeline_.placement().replica;
  all_there = replica.broadcast(at::tensor(int64_t{all_there}), 0).item<int64_t>() != 0;
  if (!all_there) return make(batch);
  for (const auto& sample : batch.samples) statuses_[position(sample)] = int64_t{kWasThere};
}

void Renderer::make(const Batch& batch) {
  std::vector<Conditioning> rows;
  {
    const auto timer = clock_.time(Stage::kEncode);
    for (const auto& sample : batch.samples) rows.push_back(embeddings_(sample, batch.recipe));
  }
  const auto& placement = pipeline_.placement();
  if (embeds_only()) {
    before_step(batch, 0);
    const bool writes = placement.replica.rank() == placement.text_encoders.front();
    for (size_t i = 0; i < rows.size(); ++i)
      if (writes) write(batch.samples[i], embeds_file(job_, batch.samples[i], rows[i]));
    return;
  }
  Denoised denoised;
  {
    const auto timer = clock_.time(Stage::kDenoise);
    denoised = pipeline_.denoise(batch.samples, batch.recipe, stack(rows),
                                 [&](int64_t step) { before_step(batch, step); });
  }
  decode(batch, denoised);
}

// On the rank that has the last stage: latents to files.
void Renderer::decode(const Batch& batch, const Denoised& denoised) {
  const auto& placement = pipeline_.placement();
  const bool to_latents = job_.last_stage == JobStage::kDenoise;
  const int writer = to_latents ? placement.transformer.front() : placement.vae.front();
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const auto& sample = batch.samples[i];
    if (denoised.broken_at_step[i] >= 0) {
      fail(sample, fmt::format("[denoise] sample {}: NaN or infinity after step {} -> finite latents "
                               "-> weights that overflow this dtype; try dtype: float32",
                               sample.index, denoised.broken_at_step[i]));
      continue;
    }
    ++counts_.done;
    if (placement.replica.rank() != writer) continue;
    const auto latents = denoised.latents[static_cast<int64_t>(i)];
    if (to_latents) {
      write(sample, latents_file(job_, sample, latents));
      continue;
    }
    at::Tensor pixels;
    {
      const auto timer = clock_.time(Stage::kDecode);
      pixels = pipeline_.decode(latents, batch.recipe);
    }
    write(sample, picture_file(job_, sample, batch.recipe,
                               pipeline_.scheduler_class(batch.recipe), pixels));
  }
  progress_.update(counts_);
}

void Renderer::fail(const Sample& sample, const std::string& why) {
  if (job_.output.on_error == OnError::kStop) throw Error(Exit::kBadData, why);
  ++counts_.failed;
  statuses_[position(sample)] = int64_t{kFailed};
  if (pipeline_.placement().replica.rank() == kSpeaker) progress_.message(why);
}

void Renderer::write(const Sample& sample, const std::string& bytes) {
  const auto timer = clock_.time(Stage::kWrite);
  output_.write(file_index(sample), bytes);
  statuses_[position(sample)] = int64_t{kMade};
}

bool Renderer::should_stop() const {
  // All ranks of the replica leave at the same step, or those left would wait for the others.
  const auto asked = at::tensor(int64_t{machine_.stop_signal() != 0});
  return pipeline_.placement().replica.all_reduce(asked).item<int64_t>() != 0;
}

void Renderer::before_step(const Batch& batch, int64_t step) {
  if (should_stop()) throw Stopped{};
  if (step > 0) counts_.steps += static_cast<int64_t>(batch.samples.size());
  progress_.update(counts_);
}

void Renderer::write_metadata(const at::Tensor& statuses) const {
  std::vector<MetadataRow> rows;
  const auto* status = statuses.const_data_ptr<int64_t>();
  for (int64_t n = 0; n < prompts_.sample_count(); ++n) {
    const auto sample = prompts_.sample(n);
    if (!wanted(sample) || status[position(sample)] == kNotMade) continue;
    const auto recipe = recipe_for(sample, facts_);
    rows.push_back({.index = file_index(sample),
                    .prompt = sample.prompt,
                    .negative_prompt = sample.sampling.negative_prompt,
                    .seed = sample.seed,
                    .height = recipe.asked.height,
                    .width = recipe.asked.width,
                    .num_inference_steps = recipe.num_inference_steps,
                    .guidance_scale = recipe.guidance.scale,
                    .model = job_.model.path.written,
                    .status = status[position(sample)] == kFailed ? "failed" : "done"});
  }
  output_.write_metadata(rows);
}

RankReport Renderer::rank_report() const {
  RankReport report{.rank = machine_.world.rank(),
                    .host = machine_.host,
                    .device = machine_.device.str(),
                    .peak_bytes = peak_host_bytes()};
  for (const auto& [kind, count] : machine_.world.traffic().by_kind)
    report.sent_bytes[kind] = count.bytes;
  set_seconds(report, clock_);
  return report;
}

// Text of every rank, on all of them.
std::vector<std::string> gather_text(const Group& world, const std::string& text) {
  const auto bytes = at::tensor(std::vector<uint8_t>(text.begin(), text.end()), at::kByte);
  const auto sizes = world.all_gather(at::tensor({static_cast<int64_t>(text.size())}), 0);
  const auto* counts = sizes.const_data_ptr<int64_t>();
  const std::vector<int64_t> lengths(counts, counts + sizes.numel());
  const auto all = world.all_gather(bytes, 0, Split::of_lengths(lengths));
  std::vector<std::string> texts;
  const auto* begin = reinterpret_cast<const char*>(all.const_data_ptr<uint8_t>());
  for (const auto length : lengths) {
    texts.emplace_back(begin, static_cast<size_t>(length));
    begin += length;
  }
  return texts;
}

Exit Renderer::finish() {
  // Every rank of a replica notes a failure, but only one a file, so the largest is the truth.
  const auto& world = machine_.world;
  const auto all = world.all_gather(statuses_.unsqueeze(0), 0);
  const auto statuses = std::get<0>(all.max(0));
  const auto count = [&](Status s) { return statuses.eq(int64_t{s}).sum().item<int64_t>(); };
  Report report{.done = count(kMade), .failed = count(kFailed), .skipped = count(kWasThere)};
  for (const auto& text : gather_text(world, to_text(rank_report())))
    report.ranks.push_back(trireme::rank_report(text));
  report.total_seconds = steady_seconds() - begun_;
  if (world.rank() == kSpeaker) {
    progress_.update({.done = report.done, .failed = report.failed, .steps = counts_.steps});
    progress_.finish();
    write_metadata(statuses);
    write_atomically(output_.path() / "report.json", to_json(report));
  }
  const bool stopped =
      world.all_reduce(at::tensor(int64_t{stopped_})).item<int64_t>() != 0;
  if (stopped) return Exit::kDrained;
  return job_.output.max_failed.allows(report.failed, files_) ? Exit::kDone : Exit::kTooManyFailed;
}

}  // namespace

Exit render(const Job& job, const Machine& machine) {
  const c10::InferenceMode inference;
  Renderer renderer(job, machine);
  return renderer.run();
}

}  // namespace trireme
