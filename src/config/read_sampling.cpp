#include "src/config/read_sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/config/node_json.h"

namespace trireme {
namespace {

constexpr Range<int64_t> kSize = {1, 32768};
constexpr Range<int64_t> kFromOne = {1, 1'000'000};
constexpr Range<int64_t> kFromZero = {0, 1'000'000};
constexpr Range<double> kShare = {0, 1};

std::string read_scheduler(Fields& in, std::string fallback) {
  const Node* node = in.find("scheduler");
  if (!node) return fallback;
  std::string place = in.place_of("scheduler");
  if (!is_map(*node, place, "{class: FlowMatchHeunDiscreteScheduler}", in.problems())) {
    return fallback;
  }
  const Node* name = node->find("class");
  if (!name || name->kind != Node::Kind::kScalar || name->text.empty()) {
    in.refuse("scheduler", "a map with a class, such as {class: FlowMatchHeunDiscreteScheduler}");
    return fallback;
  }
  nlohmann::json fields = to_json(*node, place, in.problems());
  return fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The steps are counted once: by sigmas, by timesteps or by num_inference_steps.
void check_steps(Fields& in, const Sampling& sampling) {
  bool spoken = in.has("sigmas") || in.has("timesteps") || in.has("num_inference_steps");
  if (!spoken) return;
  if (!sampling.sigmas.empty() && !sampling.timesteps.empty()) {
    in.refuse(in.has("timesteps") ? "timesteps" : "sigmas",
              "sigmas (SD3) or timesteps (PixArt-Sigma), not both");
    return;
  }
  bool by_sigmas = !sampling.sigmas.empty();
  auto given = by_sigmas ? sampling.sigmas.size() : sampling.timesteps.size();
  if (given == 0 || !sampling.num_inference_steps) return;
  auto steps = *sampling.num_inference_steps;
  if (steps == static_cast<int64_t>(given)) return;
  std::string_view name = by_sigmas ? "sigmas" : "timesteps";
  std::string_view key = in.has("num_inference_steps") ? "num_inference_steps" : name;
  std::string message = fmt::format(
      "{0}, as there are {0} {1} -> {1} set the number of steps; "
      "leave num_inference_steps out",
      given, name);
  in.refuse(key, message);
}

// A row's own schedule takes the place of the job's.
Sampling without_inherited_schedule(const Fields& in, Sampling base) {
  bool own = in.has("sigmas") || in.has("timesteps");
  if (!own) return base;
  base.num_inference_steps.reset();
  base.sigmas.clear();
  base.timesteps.clear();
  return base;
}

void read_guidance_of_layers(Fields& in, Sampling& out) {
  out.skip_guidance_layers = in.wholes("skip_guidance_layers", out.skip_guidance_layers, kFromZero);
  out.skip_layer_guidance_scale =
      in.real("skip_layer_guidance_scale", out.skip_layer_guidance_scale);
  out.skip_layer_guidance_start =
      in.real("skip_layer_guidance_start", out.skip_layer_guidance_start, kShare);
  out.skip_layer_guidance_stop =
      in.real("skip_layer_guidance_stop", out.skip_layer_guidance_stop, kShare);
}

void read_num_images(Fields& in, SamplingPlace where, Sampling& out) {
  if (where == SamplingPlace::kJob) {
    out.num_images_per_prompt =
        in.whole("num_images_per_prompt", out.num_images_per_prompt, kFromOne);
  } else if (in.has("num_images_per_prompt") && in.find("num_images_per_prompt")) {
    in.refuse("num_images_per_prompt", "the same for all rows -> write it under sampling");
  }
}

}  // namespace

Sampling read_sampling(Fields& in, Sampling base, SamplingPlace where) {
  Sampling out = without_inherited_schedule(in, std::move(base));
  out.height = in.whole("height", out.height, kSize);
  out.width = in.whole("width", out.width, kSize);
  out.num_inference_steps = in.whole("num_inference_steps", out.num_inference_steps, {1, 100'000});
  out.guidance_scale = in.real("guidance_scale", out.guidance_scale);
  out.negative_prompt = in.text("negative_prompt", out.negative_prompt);
  out.negative_prompt_2 = in.text("negative_prompt_2", out.negative_prompt_2);
  out.negative_prompt_3 = in.text("negative_prompt_3", out.negative_prompt_3);
  read_num_images(in, where, out);
  out.seed = in.whole("seed", out.seed);
  out.max_sequence_length = in.whole("max_sequence_length", out.max_sequence_length, {1, 32768});
  out.clip_skip = in.whole("clip_skip", out.clip_skip, kFromZero);
  out.sigmas = in.reals("sigmas", out.sigmas, {0, std::numeric_limits<double>::max()});
  out.timesteps = in.wholes("timesteps", out.timesteps, kFromZero);
  read_guidance_of_layers(in, out);
  out.use_resolution_binning = in.yes_or_no("use_resolution_binning", out.use_resolution_binning);
  out.clean_caption = in.yes_or_no("clean_caption", out.clean_caption);
  out.scheduler = read_scheduler(in, out.scheduler);
  check_steps(in, out);
  return out;
}

PromptRow read_row(const Node& node, const std::string& place, int64_t row, const Sampling& base,
                   std::vector<Problem>& problems) {
  PromptRow out;
  out.row = row;
  // An unquoted prompt with a colon in it reads as a map of one key.
  bool colon = node.items.size() == 1 && node.items[0].key.find(' ') != std::string::npos;
  if (colon) {
    problems.push_back({place, "a map -> a prompt -> a text that holds ': ' needs quotes",
                        node.items[0].key_mark});
    return out;
  }
  Fields in(node, place, problems);
  bool given = in.find("prompt") || in.broken("prompt");
  bool misspelt = std::any_of(node.items.begin(), node.items.end(), [](const Node& item) {
    return cell_type(item.key) == CellType::kUnknown && nearest(item.key, {"prompt"});
  });
  if (!given && !misspelt) {
    problems.push_back(
        {place, "no prompt -> each row has a prompt (an empty one is \"\")", node.mark});
  }
  out.prompt = in.text("prompt", "");
  out.prompt_2 = in.text("prompt_2", "");
  out.prompt_3 = in.text("prompt_3", "");
  out.sampling = read_sampling(in, base, SamplingPlace::kRow);
  out.own_seed = in.find("seed") != nullptr;
  in.finish();
  return out;
}

const std::vector<std::string_view>& row_keys() {
  static const std::vector<std::string_view> keys = {
      "prompt",
      "prompt_2",
      "prompt_3",
      "negative_prompt",
      "negative_prompt_2",
      "negative_prompt_3",
      "height",
      "width",
      "num_inference_steps",
      "guidance_scale",
      "seed",
      "max_sequence_length",
      "clip_skip",
      "sigmas",
      "timesteps",
      "skip_guidance_layers",
      "skip_layer_guidance_scale",
      "skip_layer_guidance_start",
      "skip_layer_guidance_stop",
      "use_resolution_binning",
      "clean_caption",
      "scheduler",
  };
  return keys;
}

CellType cell_type(std::string_view key) {
  const auto& keys = row_keys();
  auto at = std::find(keys.begin(), keys.end(), key) - keys.begin();
  if (at == static_cast<std::ptrdiff_t>(keys.size())) return CellType::kUnknown;
  return at < 6 ? CellType::kText : CellType::kValue;
}

}  // namespace trireme
