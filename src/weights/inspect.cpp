#include "src/weights/inspect.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "parallel/error.h"
#include "src/weights/bitsandbytes.h"
#include "src/weights/sd3_files.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

// Stored, but no parameters: position tables made by formulas, and ids.
bool is_buffer(const std::string& name) {
  return name == "pos_embed.pos_embed" || name.ends_with("position_ids");
}

std::string shown(const fs::path& file, const fs::path& folder) {
  if (file == folder) return file.filename().string();
  const auto relative = file.lexically_relative(folder);
  const bool inside = !relative.empty() && *relative.begin() != "..";
  return inside ? relative.string() : file.string();
}

// With the variant that is there, where the plain files are not.
Component with_files(const Component& component) {
  if (!component.has_weights()) return component;
  try {
    component.weight_files();
    return component;
  } catch (const Error& error) {
    const auto variants = variants_in(component.folder());
    if (error.exit() != Exit::kMissingInput || variants.empty()) throw;
    return component.of_variant(variants.front());
  }
}

// Of a tensor in the files: how many numbers of the model it is.
struct Counted {
  StoredTensor tensor;
  int64_t parameters;
};
using CountedTensors = std::map<std::string, Counted>;

int64_t product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// Codes count as the matrix that they stand for, and what belongs to them not at all.
void count_nf4(const SafetensorsFile& file, const std::string& state, CountedTensors& tensors) {
  const auto weight = state.substr(0, state.size() - kNf4State.size());
  for (auto at = tensors.lower_bound(weight + "."); at != tensors.end(); ++at) {
    if (!at->first.starts_with(weight + ".")) break;
    at->second.parameters = 0;
  }
  const auto codes = tensors.find(weight);
  if (codes != tensors.end()) codes->second.parameters = product(read_nf4_state(file, state).shape);
}

void count_int8(const std::string& weight, CountedTensors& tensors) {
  for (const auto& name : {beside_weight(weight, kInt8Scales), beside_weight(weight, kInt8Format)})
    if (const auto at = tensors.find(name); at != tensors.end()) at->second.parameters = 0;
}

CountedTensors tensors_of(const WeightFiles& weights) {
  CountedTensors out;
  const auto add = [&](const StoredTensor& tensor) {
    out[tensor.name] = {tensor, tensor.elements()};
  };
  if (weights.map) {
    for (const auto& tensor : *weights.map) add(as_stored(tensor));
    return out;
  }
  const std::vector<SafetensorsFile> files(weights.files.begin(), weights.files.end());
  for (const auto& file : files)
    for (const auto& tensor : file.header().tensors) add(tensor);
  for (const auto& file : files)
    for (const auto& tensor : file.header().tensors) {
      if (tensor.name.ends_with(kNf4State)) count_nf4(file, tensor.name, out);
      if (tensor.type == StoredType::kI8) count_int8(tensor.name, out);
    }
  return out;
}

void count_weights(const Component& component, ComponentFacts& facts) {
  const auto tensors = tensors_of(component.weight_files());
  const bool tied = tensors.contains("shared.weight");  // T5's embedding under its second name
  std::map<std::string_view, int64_t> bytes;
  for (const auto& [name, counted] : tensors) {
    const auto& [tensor, parameters] = counted;
    if (tensor.bytes() == 0) continue;  // in no file
    facts.bytes += tensor.bytes();
    bytes[dtype_name(tensor.type)] += tensor.bytes();
    if (is_buffer(name) || (tied && name == "encoder.embed_tokens.weight")) continue;
    facts.parameters += parameters;
  }
  for (const auto& [dtype, count] : bytes) facts.dtypes.emplace_back(dtype);
  std::stable_sort(facts.dtypes.begin(), facts.dtypes.end(),
                   [&](const auto& a, const auto& b) { return bytes[a] > bytes[b]; });
}

std::vector<fs::path> files_of(const Component& component) {
  if (component.has_weights()) return component.weight_files().files;
  std::vector<fs::path> out;
  if (component.folder().empty()) return out;
  for (const auto& entry : fs::directory_iterator(component.folder())) {
    if (entry.is_regular_file()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

ComponentFacts facts_of(const Component& given, const fs::path& folder) {
  const auto component = with_files(given);
  ComponentFacts facts;
  facts.class_name = component.class_name();
  if (component.has_weights()) count_weights(component, facts);
  for (const auto& file : files_of(component)) facts.files.push_back(shown(file, folder));
  return facts;
}

void tell_transformer(const std::string& family, const ComponentConfig& config,
                      CheckpointFacts& facts) {
  facts.family = family;
  facts.native_size = config.get<int64_t>("sample_size") * kPixelsPerLatent;
  facts.max_size = config.get_or<int64_t>("pos_embed_max_size", 0) *
                   config.get_or<int64_t>("patch_size", 0) * kPixelsPerLatent;
}

std::vector<std::string> components_of(const std::string& family) {
  if (family == "pixart-sigma")
    return {"scheduler", "text_encoder", "tokenizer", "transformer", "vae"};
  if (family.empty()) return {};
  return {"scheduler",      "text_encoder", "text_encoder_2",
          "text_encoder_3", "tokenizer",    "tokenizer_2",
          "tokenizer_3",    "transformer",  "vae"};
}

// Components without a model_index.json beside or above them.
CheckpointFacts facts_of(const std::vector<Component>& components, const fs::path& folder) {
  CheckpointFacts out;
  for (const auto& component : components) {
    out.components[component.name()] = facts_of(component, folder);
    if (component.name() != "transformer") continue;
    const auto config = component.config();
    tell_transformer(family_of_transformer(config), config, out);
  }
  for (const auto& name : components_of(out.family)) {
    if (!out.components.contains(name)) out.missing.push_back(name);
  }
  return out;
}

std::string name_for(const std::string& class_name) {
  if (class_name == "AutoencoderKL") return "vae";
  return class_name.find("Transformer2DModel") != std::string::npos ? "transformer"
                                                                    : "text_encoder";
}

// A component's folder, or the sub-folders that are some, as repositories of a transformer alone
// have them.
std::vector<Component> components_in(const fs::path& folder) {
  std::vector<Component> out;
  const auto add = [&](const fs::path& at, const std::string& name) {
    std::error_code ignored;
    if (!fs::exists(at / "config.json", ignored)) return;
    const auto kind = ComponentConfig::read(at / "config.json").class_name();
    if (kind.empty()) return;
    out.emplace_back(name.empty() ? name_for(kind) : name, kind, at, "", "get it again");
  };
  add(folder, "");
  if (!out.empty()) return out;
  for (const auto& name : components_of("sd3")) add(folder / name, name);
  return out;
}

std::vector<Component> components_in(const SingleFile& file) {
  std::vector<Component> out;
  for (const auto& part : file.parts) out.emplace_back(component_of(part.kind), file.path, part);
  return out;
}

}  // namespace

CheckpointFacts inspect_checkpoint(const Repository& repository) {
  CheckpointFacts out;
  for (const auto& name : repository.component_names()) {
    try {
      out.components[name] = facts_of(repository.required(name), repository.folder());
    } catch (const Error& error) {
      if (error.exit() != Exit::kMissingInput) throw;
      out.missing.push_back(name);
    }
  }
  if (out.components.contains("transformer"))
    tell_transformer(repository.family(), repository.required("transformer").config(), out);
  return out;
}

CheckpointFacts inspect_checkpoint(const std::string& path, const HubCache& hub) {
  const auto place = find_checkpoint(path, hub);
  std::error_code ignored;
  const bool folder = fs::is_directory(place, ignored);
  if (!folder && place.extension() == ".safetensors") {
    const auto file = read_single_file(place);
    if (file.find(PartKind::kTransformer) == nullptr) return facts_of(components_in(file), place);
  } else if (folder && !fs::exists(place / "model_index.json", ignored)) {
    const auto components = components_in(place);
    if (!components.empty()) return facts_of(components, place);
  }
  return inspect_checkpoint(Repository::open(path, {.variant = "", .components = {}, .hub = hub}));
}

nlohmann::json to_json(const CheckpointFacts& facts) {
  auto components = nlohmann::json::object();
  for (const auto& [name, c] : facts.components) {
    components[name] = {{"class", c.class_name},
                        {"parameters", c.parameters},
                        {"bytes", c.bytes},
                        {"dtypes", c.dtypes},
                        {"files", c.files}};
  }
  return {{"family", facts.family},
          {"components", components},
          {"missing", facts.missing},
          {"native_size", facts.native_size},
          {"max_size", facts.max_size}};
}

}  // namespace trireme
