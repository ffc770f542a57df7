#include "src/weights/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "parallel/error.h"
#include "src/weights/component_config.h"
#include "src/weights/safetensors_header.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string single_name(const WeightQuery& q) {
  return q.variant.empty() ? fmt::format("{}.safetensors", q.stem)
                           : fmt::format("{}.{}.safetensors", q.stem, q.variant);
}

std::vector<std::string> index_names(const WeightQuery& q) {
  if (q.variant.empty()) return {fmt::format("{}.safetensors.index.json", q.stem)};
  return {fmt::format("{}.safetensors.index.{}.json", q.stem, q.variant),
          fmt::format("{}.{}.safetensors.index.json", q.stem, q.variant)};
}

[[noreturn]] void bad_index(const fs::path& index, const std::string& what) {
  throw Error(
      Exit::kBadData,
      fmt::format("[weights] {}: {} -> \"weight_map\" must map tensors to files beside it -> "
                  "the index is damaged; get it again",
                  index.string(), what));
}

// {"weight_map": {tensor: file}} -> the files, each there, and which of them has what.
WeightFiles read_index(const fs::path& index, const WeightQuery& q) {
  const auto json = read_json_file(index);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object())
    bad_index(index, "no weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) bad_index(index, fmt::format("{} has no file", tensor));
    names.insert(file.get<std::string>());
  }
  WeightFiles out{.files = {}, .listed = {}, .place = index.string()};
  std::map<std::string, size_t> numbers;
  for (const auto& name : names) {
    if (name != fs::path(name).filename().string() || !name.ends_with(".safetensors")) {
      bad_index(index, fmt::format("it names the file {}", name.substr(0, 100)));
    }
    if (!is_file(q.folder / name)) {
      throw Error(Exit::kMissingInput,
                  fmt::format("[weights] {}: no such file -> {} lists it -> {}",
                              (q.folder / name).string(), index.filename().string(), q.remedy));
    }
    numbers[name] = out.files.size();
    out.files.push_back(q.folder / name);
  }
  for (const auto& [tensor, file] : map->items()) out.listed[tensor] = numbers[file];
  return out;
}

// transformers looks for the single file first, diffusers for the index; it matters where an
// earlier save left the other.
std::optional<WeightFiles> find_exactly(const WeightQuery& q) {
  const auto single = q.folder / single_name(q);
  const bool single_first = q.stem == "model";
  const auto one = WeightFiles{.files = {single}, .listed = {}, .place = single.string()};
  if (single_first && is_file(single)) return one;
  for (const auto& name : index_names(q)) {
    if (is_file(q.folder / name)) return read_index(q.folder / name, q);
  }
  return is_file(single) ? std::optional(one) : std::nullopt;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_pickle_name(const std::string& name) {
  const std::string end = fs::path(name).extension().string();
  return end == ".bin" || end == ".pt" || end == ".pth" || end == ".ckpt" || end == ".pkl";
}

[[noreturn]] void refuse_missing(const WeightQuery& q) {
  std::vector<std::string> weights;
  for (const auto& name : names_in(q.folder)) {
    const bool index = name.find(".safetensors.index.") != name.npos;
    if (name.ends_with(".safetensors") || index) weights.push_back(name);
  }
  std::string looked = single_name(q);
  for (const auto& name : index_names(q)) looked += " or " + name;
  std::string there = "no .safetensors file is there", cause = q.remedy;
  if (!weights.empty()) {
    const size_t shown = std::min<size_t>(weights.size(), 4);
    there =
        fmt::format("there is only {}{}", fmt::join(weights.begin(), weights.begin() + shown, ", "),
                    shown < weights.size() ? ", ..." : "");
    const bool shard = weights[0].find("-of-") != std::string::npos;
    cause = shard ? "shards without their index: " + q.remedy
                  : "set model.variant to what is there, or fetch what is missing: " + q.remedy;
  }
  throw Error(Exit::kMissingInput, fmt::format("[weights] {}: {} -> {} is needed -> {}",
                                               q.folder.string(), there, looked, cause));
}

}  // namespace

WeightFiles find_weight_files(const WeightQuery& query) {
  if (auto found = find_exactly(query)) return *found;
  bool safetensors = false;
  std::string pickle;
  for (const auto& name : names_in(query.folder)) {
    safetensors |= name.ends_with(".safetensors");
    if (is_pickle_name(name)) pickle = name;
  }
  if (!safetensors && !pickle.empty()) refuse_pickle((query.folder / pickle).string(), "a pickle");
  refuse_missing(query);
}

// model.fp16.safetensors, model.fp16-00001-of-00002.safetensors
std::vector<std::string> variants_in(const std::filesystem::path& folder) {
  std::set<std::string> out;
  for (const auto& name : names_in(folder)) {
    const auto stem_end = name.find('.');
    if (!name.ends_with(".safetensors") || stem_end == name.npos) continue;
    const auto end = name.find_first_of("-.", stem_end + 1);
    const auto variant = name.substr(stem_end + 1, end - stem_end - 1);
    if (variant != "safetensors") out.insert(variant);
  }
  return {out.begin(), out.end()};
}

bool has_variant(const std::filesystem::path& folder, const std::string& variant) {
  if (variant.empty()) return false;
  const auto names = names_in(folder);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto at = name.find("." + variant);
    if (at == name.npos || name.find(".safetensors") == name.npos) return false;
    const auto after = at + 1 + variant.size();
    return after < name.size() && (name[after] == '.' || name[after] == '-');
  });
}

}  // namespace trireme
