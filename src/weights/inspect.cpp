#include "src/weights/inspect.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "parallel/error.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

// Stored, but no parameters: position tables made by formulas, and ids.
bool is_buffer(const std::string& name) {
  return name == "pos_embed.pos_embed" || name.ends_with("position_ids");
}

std::string shown(const fs::path& file, const fs::path& folder) {
  const auto relative = file.lexically_relative(folder);
  const bool inside = !relative.empty() && *relative.begin() != "..";
  return inside ? relative.string() : file.string();
}

void count_weights(const Component& component, ComponentFacts& facts) {
  std::map<std::string, StoredTensor> tensors;
  for (const auto& file : component.weight_files().files) {
    for (auto& tensor : read_safetensors_header(ReadOnlyFile(file)).tensors) {
      tensors[tensor.name] = std::move(tensor);
    }
  }
  const bool tied = tensors.contains("shared.weight");  // T5's embedding under its second name
  std::map<std::string_view, int64_t> bytes;
  for (const auto& [name, tensor] : tensors) {
    facts.bytes += tensor.bytes();
    bytes[dtype_name(tensor.type)] += tensor.bytes();
    if (is_buffer(name) || (tied && name == "encoder.embed_tokens.weight")) continue;
    facts.parameters += tensor.elements();
  }
  for (const auto& [dtype, count] : bytes) facts.dtypes.emplace_back(dtype);
  std::stable_sort(facts.dtypes.begin(), facts.dtypes.end(),
                   [&](const auto& a, const auto& b) { return bytes[a] > bytes[b]; });
}

std::vector<fs::path> files_of(const Component& component) {
  if (component.has_weights()) return component.weight_files().files;
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(component.folder())) {
    if (entry.is_regular_file()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

ComponentFacts facts_of(const Component& component, const fs::path& folder) {
  ComponentFacts facts;
  facts.class_name = component.class_name();
  if (component.has_weights()) count_weights(component, facts);
  for (const auto& file : files_of(component)) facts.files.push_back(shown(file, folder));
  return facts;
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
  if (out.components.contains("transformer")) {
    out.family = repository.family();
    out.native_size = repository.native_size();
  }
  return out;
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
          {"native_size", facts.native_size}};
}

}  // namespace trireme
