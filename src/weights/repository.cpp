#include "src/weights/repository.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/weights/read_only_file.h"
#include "src/weights/sd3_files.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIncomplete = "perhaps an incomplete download; get it again";

// Where a path or a repository's name leads, and what to do if something is missing there.
struct Found {
  fs::path path;
  std::string remedy;
};

Found find(const std::string& text, const HubCache& hub) {
  std::error_code ignored;
  if (fs::exists(text, ignored)) return {text, std::string(kIncomplete)};
  if (const auto name = parse_hub_name(text)) {
    return {hub.snapshot(*name),
            fmt::format("an incomplete download: `{}` fetches the rest", name->download_command())};
  }
  throw Error(
      Exit::kMissingInput,
      fmt::format("[model] {}: nothing is there -> a diffusers folder or org/name is needed -> "
                  "a wrong path (in a job, relative to the job file)",
                  text));
}

bool is_single_file(const fs::path& path) {
  std::error_code ignored;
  return path.extension() == ".safetensors" && !fs::is_directory(path, ignored);
}

// A component's folder says more than its file does: CLIP-L's projection counts there.
void refuse_file_of_folder(const fs::path& file) {
  std::error_code ignored;
  const auto stem = file.filename().string();
  const bool named = stem.starts_with("model.") || stem.starts_with("model-") ||
                     stem.starts_with("diffusion_pytorch_model");
  if (!named || !fs::exists(file.parent_path() / "config.json", ignored)) return;
  throw Error(Exit::kBadData,
              fmt::format("[model] {}: a file of a component's folder -> an original single file, "
                          "or the folder, is needed -> give {}",
                          file.string(), file.parent_path().string()));
}

// What may stand where a folder is wanted: files that must not, or cannot, be read as one.
void refuse_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return;
  ReadOnlyFile file(path);
  std::string start(std::min<int64_t>(8, file.size()), '\0');
  file.read(start.data(), static_cast<int64_t>(start.size()), 0);
  if (const auto kind = pickle_kind(start); !kind.empty()) refuse_pickle(path.string(), kind);
  throw Error(Exit::kBadData,
              fmt::format("[model] {}: a file -> a diffusers folder or a .safetensors file is "
                          "needed -> give the folder that holds model_index.json",
                          path.string()));
}

// ["diffusers", "SD3Transformer2DModel"] -> the class; [null, null] and everything else -> "".
std::string class_in(const nlohmann::json& entry) {
  const bool pair = entry.is_array() && entry.size() == 2 && entry[1].is_string();
  return pair ? entry[1].get<std::string>() : "";
}

std::string sd3_family(const ComponentConfig& config) {
  if (!config.get_or<std::vector<int64_t>>("dual_attention_layers", {}).empty())
    return "sd3.5-medium";
  return config.has("qk_norm") ? "sd3.5-large" : "sd3";
}

}  // namespace

Repository::Repository(std::string name, fs::path folder, ComponentConfig index,
                       RepositoryOptions options, std::string remedy)
    : name_(std::move(name)),
      folder_(std::move(folder)),
      index_(std::move(index)),
      options_(std::move(options)),
      remedy_(std::move(remedy)) {}

Repository Repository::open(const std::string& path, RepositoryOptions options) {
  const auto [folder, remedy] = find(path, options.hub);
  if (is_single_file(folder)) {
    refuse_file_of_folder(folder);
    auto file = std::make_shared<const SingleFile>(read_single_file(folder));
    require_transformer(*file);
    Repository out(path, folder, sd3_index(folder), std::move(options), remedy);
    out.file_ = std::move(file);
    return out;
  }
  refuse_file(folder);
  const auto index = folder / "model_index.json";
  std::error_code ignored;
  if (!fs::exists(index, ignored)) {
    throw Error(
        Exit::kMissingInput,
        fmt::format("[model] {}: no model_index.json -> a whole diffusers pipeline is needed -> "
                    "a component's folder goes under model.components; else {}",
                    folder.string(), remedy));
  }
  return Repository(path, folder, ComponentConfig::read(index), std::move(options), remedy);
}

std::string Repository::class_of(const std::string& name) const {
  const auto chosen = options_.components.find(name);
  if (chosen != options_.components.end()) {
    if (chosen->second.absent) return "";
    if (!chosen->second.path.empty()) return from_elsewhere(name, chosen->second.path).class_name();
  }
  const auto& values = index_.values();
  return values.contains(name) ? class_in(values[name]) : "";
}

std::optional<Component> Repository::component(const std::string& name) const {
  const auto found = find_component(name);
  const auto chosen = options_.components.find(name);
  if (!found || chosen == options_.components.end()) return found;
  return found->quantized(chosen->second.quantization);
}

std::optional<Component> Repository::find_component(const std::string& name) const {
  const auto chosen = options_.components.find(name);
  if (chosen != options_.components.end()) {
    if (chosen->second.absent) return std::nullopt;
    if (!chosen->second.path.empty()) return from_elsewhere(name, chosen->second.path);
  }
  const std::string class_name = class_of(name);
  if (class_name.empty()) return std::nullopt;
  if (file_) return beside_file(name);
  std::error_code ignored;
  if (!fs::is_directory(folder_ / name, ignored)) {
    throw Error(Exit::kMissingInput,
                fmt::format("[model] {}: no such folder -> model_index.json names {} ({}) -> {}",
                            (folder_ / name).string(), name, class_name, remedy_));
  }
  return Component(name, class_name, folder_ / name, options_.variant, remedy_);
}

Component Repository::required(const std::string& name) const {
  if (auto found = component(name)) return *found;
  throw Error(Exit::kMissingInput,
              fmt::format("[model] {}: no {} -> this model cannot do without it -> it is null in "
                          "model_index.json or in the job",
                          name_, name));
}

Component Repository::beside_file(const std::string& name) const {
  if (const auto kind = part_kind(name, pipeline_class())) {
    if (const auto* part = file_->find(*kind)) return Component(name, folder_, *part);
    refuse_missing_part(*file_, name, *kind);
  }
  if (name == "scheduler") return Component(name, sd3_scheduler(folder_));
  const auto found = find_sd3_tokenizer(options_.hub, name);
  return Component(name, class_of(name), found, "", remedy_);
}

Component Repository::from_file(const std::string& name, const fs::path& file) const {
  const auto kind = part_kind(name, pipeline_class());
  const auto found = read_single_file(file, kind);
  if (kind) {
    if (const auto* part = found.find(*kind)) return Component(name, file, *part);
  }
  refuse_other_part(found, name, kind);
}

// A component's own folder, or a repository: its sub-folder of that name if it has one.
Component Repository::from_elsewhere(const std::string& name, const std::string& path) const {
  auto [folder, remedy] = find(path, options_.hub);
  if (is_single_file(folder)) refuse_file_of_folder(folder);
  if (is_single_file(folder)) return from_file(name, folder);
  refuse_file(folder);
  std::error_code ignored;
  if (fs::is_directory(folder / name, ignored)) folder /= name;
  // The variant was said for the repository; what stands elsewhere may have plain files alone.
  const std::string variant = has_variant(folder, options_.variant) ? options_.variant : "";
  const Component plain(name, "", folder, variant, remedy);
  if (!plain.has_weights()) {
    const auto& values = index_.values();
    const std::string listed = values.contains(name) ? class_in(values[name]) : "";
    return Component(name, listed, folder, variant, remedy);
  }
  return Component(name, plain.config().class_name(), folder, variant, remedy);
}

std::vector<std::string> Repository::component_names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : index_.values().items()) {
    if (!class_of(name).empty()) out.push_back(name);
  }
  for (const auto& [name, chosen] : options_.components) {
    if (!index_.values().contains(name) && !class_of(name).empty()) out.push_back(name);
  }
  return out;
}

std::string Repository::pipeline_class() const {
  return index_.class_name();
}

fs::path find_checkpoint(const std::string& text, const HubCache& hub) {
  return find(text, hub).path;
}

std::string family_of_transformer(const ComponentConfig& config) {
  const auto name = config.class_name();
  // The older name of PixArt's class was that of others too.
  const bool adaptive = config.get_or<std::string>("norm_type", "") == "ada_norm_single";
  if (name == "PixArtTransformer2DModel" || (name == "Transformer2DModel" && adaptive))
    return "pixart-sigma";
  return name == "SD3Transformer2DModel" ? sd3_family(config) : "";
}

std::string Repository::family() const {
  const std::string pipeline = pipeline_class();
  if (pipeline == "PixArtSigmaPipeline") return "pixart-sigma";
  if (pipeline == "StableDiffusion3Pipeline") return sd3_family(required("transformer").config());
  index_.refuse("_class_name", "StableDiffusion3Pipeline or PixArtSigmaPipeline is needed",
                "a model of another kind");
}

int64_t Repository::native_size() const {
  return required("transformer").config().get<int64_t>("sample_size") * kPixelsPerLatent;
}

}  // namespace trireme
