#include "src/config/describe_job.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "src/config/hash.h"
#include "src/config/read_sections.h"

namespace trireme {
namespace {

using Json = nlohmann::ordered_json;

// What is not given is null, which reads back as not given.
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

template <class T>
Json or_null(const std::vector<T>& list) {
  return list.empty() ? Json(nullptr) : Json(list);
}

template <class T, size_t n>
const char* word(T value, const std::array<const char*, n>& words) {
  return words.at(static_cast<size_t>(value));
}

constexpr std::array<const char*, 4> kDtypes = {"auto", "float32", "bfloat16", "float16"};
constexpr std::array<const char*, 4> kQuantize = {"none", "int8", "nf4", "fp8"};
constexpr std::array<const char*, 3> kDevices = {"auto", "cuda", "cpu"};
constexpr std::array<const char*, 5> kFormats = {"png", "jpeg", "webp", "latents", "embeds"};
constexpr std::array<const char*, 2> kContainers = {"folder", "webdataset"};
constexpr std::array<const char*, 3> kMetadata = {"none", "minimal", "full"};
constexpr std::array<const char*, 2> kOnError = {"quarantine", "stop"};
constexpr std::array<const char*, 3> kOffload = {"none", "model", "staged"};
constexpr std::array<const char*, 3> kGoal = {"throughput", "latency", "memory"};

// Absolute paths in the job's record; the user's own words in what a picture carries.
enum class Paths { kResolved, kWritten };

const std::string& path_of(const Location& location, Paths paths) {
  return paths == Paths::kResolved ? location.resolved : location.written;
}

Json component_json(const ComponentChoice& component, Paths paths) {
  if (component.absent) return nullptr;
  Json out = Json::object();
  if (component.path) out["path"] = path_of(*component.path, paths);
  if (component.quantize != Quantize::kNone) out["quantize"] = word(component.quantize, kQuantize);
  if (!component.double_quant) out["double_quant"] = false;
  if (component.tiling) out["tiling"] = true;
  if (component.extend_positions) out["position_table"] = "extend";
  return out;
}

Json model_json(const ModelChoice& model, Paths paths) {
  Json out;
  out["path"] = path_of(model.path, paths);
  out["variant"] = or_null(model.variant);
  out["dtype"] = word(model.dtype, kDtypes);
  out["components"] = Json::object();
  for (const auto& [name, component] : model.components) {
    out["components"][name] = component_json(component, paths);
  }
  return out;
}

Json ranks_json(const RankChoice& ranks) {
  return ranks.all ? Json("all") : Json(ranks.list);
}

Json dataset_json(const DatasetChoice& dataset) {
  Json out;
  out["path"] = dataset.path.resolved;
  out["rows"] = nullptr;
  if (dataset.first_row) out["rows"] = fmt::format("{}-{}", *dataset.first_row, *dataset.last_row);
  return out;
}

Json stages_json(const Job& job) {
  Json out = Json::array();
  for (auto stage = static_cast<size_t>(job.first_stage);
       stage <= static_cast<size_t>(job.last_stage); ++stage) {
    out.push_back(stage_name(static_cast<JobStage>(stage)));
  }
  return out;
}

Json budget_json(const FailureBudget& budget) {
  return budget.count ? Json(*budget.count) : Json(fmt::format("{}%", budget.percent));
}

// How pictures are written, which a folder keeps to.
Json writing_json(const OutputChoice& output) {
  Json out;
  out["format"] = word(output.format, kFormats);
  if (output.format == OutputFormat::kJpeg || output.format == OutputFormat::kWebp) {
    out["quality"] = output.quality;
  }
  out["container"] = word(output.container, kContainers);
  if (output.container == Container::kWebdataset) out["captions"] = output.captions;
  out["shard_size"] = output.shard_size;
  out["metadata"] = word(output.metadata, kMetadata);
  return out;
}

Json output_json(const OutputChoice& output) {
  Json out;
  out["path"] = output.path.resolved;
  Json writing = writing_json(output);
  for (const auto& [key, value] : writing.items()) out[key] = value;
  out["on_error"] = word(output.on_error, kOnError);
  out["max_failed"] = budget_json(output.max_failed);
  return out;
}

Json without_nulls(const Json& map) {
  Json out = Json::object();
  for (const auto& [key, value] : map.items()) {
    if (!value.is_null()) out[key] = value;
  }
  return out;
}

// A job of one row, with paths as the user wrote them.
Json small_job(const Job& job, const Json& row, const Sampling& sampling) {
  Json out;
  out["version"] = 1;
  out["model"] = without_nulls(model_json(job.model, Paths::kWritten));
  if (out["model"]["components"].empty()) out["model"].erase("components");
  out["prompts"] = Json::array({row});
  out["sampling"] = without_nulls(to_json(sampling));
  return out;
}

}  // namespace

Json to_json(const Sampling& sampling) {
  Json out;
  out["height"] = or_null(sampling.height);
  out["width"] = or_null(sampling.width);
  out["num_inference_steps"] = or_null(sampling.num_inference_steps);
  out["guidance_scale"] = or_null(sampling.guidance_scale);
  out["negative_prompt"] = sampling.negative_prompt;
  out["negative_prompt_2"] = or_null(sampling.negative_prompt_2);
  out["negative_prompt_3"] = or_null(sampling.negative_prompt_3);
  out["num_images_per_prompt"] = sampling.num_images_per_prompt;
  out["seed"] = sampling.seed;
  out["max_sequence_length"] = or_null(sampling.max_sequence_length);
  out["clip_skip"] = or_null(sampling.clip_skip);
  out["sigmas"] = or_null(sampling.sigmas);
  out["timesteps"] = or_null(sampling.timesteps);
  out["skip_guidance_layers"] = or_null(sampling.skip_guidance_layers);
  out["skip_layer_guidance_scale"] = sampling.skip_layer_guidance_scale;
  out["skip_layer_guidance_start"] = sampling.skip_layer_guidance_start;
  out["skip_layer_guidance_stop"] = sampling.skip_layer_guidance_stop;
  out["use_resolution_binning"] = sampling.use_resolution_binning;
  out["clean_caption"] = sampling.clean_caption;
  out["scheduler"] = sampling.scheduler.empty() ? Json(nullptr) : Json::parse(sampling.scheduler);
  return out;
}

Json to_json(const PromptRow& row, const Sampling& job) {
  Json out;
  out["prompt"] = row.prompt;
  if (!row.prompt_2.empty()) out["prompt_2"] = row.prompt_2;
  if (!row.prompt_3.empty()) out["prompt_3"] = row.prompt_3;
  Json base = to_json(job);
  Json all = to_json(row.sampling);
  for (const auto& [key, value] : all.items()) {
    bool own = key == "seed" ? row.own_seed : value != base[key];
    // An empty list or text of the row's own stands against the job's.
    if (own && value.is_null()) out[key] = base[key].is_array() ? Json::array() : Json("");
    if (own && !value.is_null()) out[key] = value;
  }
  bool schedule = out.contains("sigmas") || out.contains("timesteps");
  if (schedule && !row.sampling.num_inference_steps) out.erase("num_inference_steps");
  return out;
}

const char* to_string(Quantize kind) {
  return word(kind, kQuantize);
}

Json to_json(const LayoutChoice& layout) {
  if (layout.mode == LayoutChoice::Mode::kAuto) return "auto";
  if (layout.mode == LayoutChoice::Mode::kBalanced) return "balanced";
  Json out;
  out["replicas"] = or_null(layout.replicas);
  out["batch_size"] = or_null(layout.batch_size);
  if (const auto& c = layout.text_encoders) {
    out["text_encoders"] = {{"ranks", ranks_json(c->ranks)}, {"tensor", c->tensor}};
  }
  if (const auto& c = layout.transformer) {
    out["transformer"] = {
        {"ranks", ranks_json(c->ranks)}, {"guidance", c->guidance}, {"pipeline", c->pipeline},
        {"sequence", c->sequence},       {"ring", c->ring},         {"tensor", c->tensor}};
    if (!c->blocks.empty()) out["transformer"]["blocks"] = c->blocks;
  }
  if (const auto& c = layout.vae) {
    out["vae"] = {{"ranks", ranks_json(c->ranks)}, {"patch", c->patch}};
  }
  if (layout.offload) out["offload"] = word(*layout.offload, kOffload);
  if (layout.goal) out["for"] = word(*layout.goal, kGoal);
  for (const auto kind : layout.may_quantize) out["quantize"].push_back(word(kind, kQuantize));
  if (layout.window) out["window"] = *layout.window;
  return out;
}

Json to_json(const Job& job) {
  Json out;
  out["version"] = 1;
  out["model"] = model_json(job.model, Paths::kResolved);
  if (job.dataset) {
    out["dataset"] = dataset_json(*job.dataset);
  } else if (!job.input) {
    out["prompts"] = Json::array();
    for (const PromptRow& row : job.prompts) out["prompts"].push_back(to_json(row, job.sampling));
  }
  out["sampling"] = to_json(job.sampling);
  out["stages"] = stages_json(job);
  if (job.input) out["input"] = job.input->resolved;
  out["layout"] = to_json(job.layout);
  out["device"] = word(job.device, kDevices);
  out["threads"] = job.threads ? Json(*job.threads) : Json("auto");
  out["output"] = output_json(job.output);
  return out;
}

Json sample_to_json(const Job& job, const Sample& sample) {
  Sampling sampling = sample.sampling;
  sampling.num_images_per_prompt = 1;
  sampling.seed = sample.seed;
  Json row;
  row["prompt"] = sample.prompt;
  if (!sample.prompt_2.empty()) row["prompt_2"] = sample.prompt_2;
  if (!sample.prompt_3.empty()) row["prompt_3"] = sample.prompt_3;
  return small_job(job, row, sampling);
}

Json row_to_json(const Job& job, const PromptRow& row) {
  return small_job(job, to_json(row, job.sampling), job.sampling);
}

std::string fingerprint(const Job& job, const std::string& rows) {
  return fingerprint_of(to_json(job), rows);
}

std::string fingerprint_of(const Json& job, const std::string& rows) {
  Json what;
  what["model"] = job.at("model");
  what["prompts"] = rows;
  what["sampling"] = job.at("sampling");
  what["stages"] = job.at("stages");
  what["input"] = job.value("input", Json(nullptr));
  what["output"] = job.at("output");
  for (const auto* free : {"path", "on_error", "max_failed"}) what["output"].erase(free);
  return xxh3_128(what.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace trireme
