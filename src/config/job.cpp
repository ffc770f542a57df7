#include "src/config/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>

#include "src/config/check_layout.h"
#include "src/config/fields.h"
#include "src/config/location.h"
#include "src/config/overrides.h"
#include "src/config/read_layout.h"
#include "src/config/read_sampling.h"
#include "src/config/read_sections.h"
#include "src/config/text.h"
#include "src/config/yaml.h"

namespace trireme {
namespace {

constexpr std::array<std::string_view, 3> kStages = {"encode", "denoise", "decode"};

void read_stages(Fields& in, Job& job) {
  const Node* node = in.find("stages");
  if (!node) return;
  std::vector<const Node*> names;
  for (const Node& item : node->items) names.push_back(&item);
  if (node->kind == Node::Kind::kScalar) names = {node};
  std::vector<int> stages;
  for (const Node* name : names) {
    auto at = std::find(kStages.begin(), kStages.end(), name->text) - kStages.begin();
    if (name->kind != Node::Kind::kScalar || at == std::ssize(kStages)) {
      return in.refuse_word(*name, "stages", {kStages.begin(), kStages.end()});
    }
    stages.push_back(static_cast<int>(at));
  }
  bool good = !stages.empty() && node->kind != Node::Kind::kMap;
  for (size_t i = 1; i < stages.size(); ++i) good = good && stages[i] == stages[i - 1] + 1;
  if (!good) {
    return in.refuse("stages", "a contiguous part of [encode, denoise, decode], in that order");
  }
  job.first_stage = static_cast<JobStage>(stages.front());
  job.last_stage = static_cast<JobStage>(stages.back());
}

void read_machine(Fields& in, Job& job) {
  job.device = in.word<DeviceChoice>(
      "device", job.device,
      {{"auto", DeviceChoice::kAuto}, {"cuda", DeviceChoice::kCuda}, {"cpu", DeviceChoice::kCpu}});
  const Node* threads = in.find("threads");
  if (!threads || (threads->kind == Node::Kind::kScalar && threads->text == "auto")) return;
  Whole read = read_whole(*threads, {1, 4096});
  if (!read.problem.empty()) return in.refuse("threads", "auto or a number from 1 to 4096");
  job.threads = static_cast<int>(read.value);
}

void check_version(Fields& in) {
  in.require("version", "version: 1");
  const Node* version = in.find("version");
  if (!version) return;
  bool one = version->kind == Node::Kind::kScalar && version->text == "1" && !version->quoted;
  if (!one) in.refuse("version", "1, the version of job files that this program reads");
}

// Rows come from exactly one place: prompts, a dataset, or what an earlier job wrote.
void check_rows(Fields& in, const Job& job) {
  bool prompts = in.find("prompts");
  bool dataset = in.find("dataset");
  bool input = in.find("input");
  bool later = job.first_stage != JobStage::kEncode;
  if (prompts && dataset) {
    in.refuse("dataset", "prompts or a dataset, not both -> leave one out (--set prompts=null)");
  }
  if (input && (prompts || dataset)) {
    in.refuse(prompts ? "prompts" : "dataset", "no prompts beside input, whose files carry them");
  }
  if (later && !input) {
    in.problems().push_back(
        {"input",
         fmt::format("not given -> the folder that an earlier job wrote, as the first stage "
                     "is {}",
                     stage_name(job.first_stage)),
         {}});
  }
  if (input && !later) in.refuse("input", "no input, as the first stage is encode");
  if (!prompts && !dataset && !input && !later && !in.broken("prompts") && !in.broken("dataset")) {
    in.problems().push_back(
        {"prompts", "not given -> prompts or a dataset -> write prompts: [a photo of a cat]", {}});
  }
}

std::vector<std::string> keys_given(const Node& map) {
  std::vector<std::string> keys;
  for (const Node& item : map.items)
    if (item.kind != Node::Kind::kNull) keys.push_back(item.key);
  return keys;
}

// Each tile fades into the one before it, so one rank decodes them all.
void check_tiles(const Job& job, std::vector<Problem>& problems) {
  const auto vae = job.model.components.find("vae");
  const bool tiles = vae != job.model.components.end() && vae->second.tiling;
  if (tiles && job.layout.vae && job.layout.vae->patch > 1)
    problems.push_back({"model.components.vae.tiling",
                        fmt::format("true beside layout.vae.patch: {} -> one of the two -> patch "
                                    "bounds the memory too and changes nothing in the picture",
                                    job.layout.vae->patch),
                        {}});
}

Job read_tree(const Node& root, const std::filesystem::path& folder,
              std::vector<Problem>& problems) {
  Job job;
  Fields in(root, "", problems);
  check_version(in);
  job.model = read_model(in, folder);
  if (auto sampling = in.section("sampling", "{guidance_scale: 7.0}")) {
    job.sampling = read_sampling(*sampling, {}, SamplingPlace::kJob);
    sampling->finish(keys_of_sections());
    job.sampling_keys = keys_given(*in.find("sampling"));
  }
  job.prompts = read_prompts(in, job.sampling);
  job.dataset = read_dataset(in, folder);
  read_stages(in, job);
  job.input = read_location(in, "input", folder, Names::kPath);
  check_rows(in, job);
  if (const Node* layout = in.find("layout")) job.layout = read_layout(*layout, problems);
  for (Problem& problem : layout_problems(job.layout, std::nullopt)) {
    problems.push_back(std::move(problem));
  }
  check_tiles(job, problems);
  read_machine(in, job);
  job.output = read_output(in, job.last_stage, folder);
  in.finish(keys_of_sections());
  return job;
}

std::filesystem::path folder_of(const std::string& path) {
  return std::filesystem::absolute(path).parent_path();
}

}  // namespace

const std::vector<std::string_view>& keys_of_sections() {
  static const std::vector<std::string_view> keys = {
      "model.path",
      "model.variant",
      "model.dtype",
      "model.components",
      "dataset.rows",
      "sampling.height",
      "sampling.width",
      "sampling.num_inference_steps",
      "sampling.guidance_scale",
      "sampling.negative_prompt",
      "sampling.num_images_per_prompt",
      "sampling.seed",
      "sampling.max_sequence_length",
      "sampling.clip_skip",
      "sampling.sigmas",
      "sampling.timesteps",
      "sampling.use_resolution_binning",
      "sampling.clean_caption",
      "sampling.scheduler",
      "layout.replicas",
      "layout.batch_size",
      "layout.text_encoders",
      "layout.transformer",
      "layout.vae",
      "layout.offload",
      "output.format",
      "output.container",
      "output.quality",
      "output.captions",
      "output.shard_size",
      "output.metadata",
      "output.on_error",
      "output.max_failed",
  };
  return keys;
}

std::string_view stage_name(JobStage stage) {
  return kStages[static_cast<size_t>(stage)];
}

bool FailureBudget::allows(int64_t failed, int64_t total) const {
  if (count) return failed <= *count;
  return static_cast<double>(failed) * 100 <= percent * static_cast<double>(total);
}

Job parse_job(std::string_view text, const std::string& path,
              const std::vector<std::string>& overrides) {
  Source source{path, std::string(without_bom(text)), {}, {}};
  ParsedYaml parsed = parse_yaml(source.text);
  if (!parsed.readable) throw job_error(source, parsed.problems);
  std::vector<Problem> problems = std::move(parsed.problems);
  for (const std::string& argument : overrides) {
    apply_override(argument, parsed.root, source, problems);
  }
  source.places = places_of(parsed.root);
  bool empty = parsed.root.kind == Node::Kind::kNull && problems.empty();
  if (empty)
    problems.push_back({"job", "an empty file -> at least version, model and prompts", {}});
  if (!empty && !is_map(parsed.root, "job", "version: 1", problems)) empty = true;
  Job job;
  if (!empty) job = read_tree(parsed.root, folder_of(path), problems);
  if (!problems.empty()) throw job_error(source, std::move(problems));
  job.source = std::move(source);
  return job;
}

Job read_job(const std::string& path, const std::vector<std::string>& overrides) {
  return parse_job(read_text(path, "job", "a job file"), path, overrides);
}

}  // namespace trireme
