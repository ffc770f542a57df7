// A component's folder as Python saves it, config.json and one safetensors file, for the
// executables through which the Python tests reach the models.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "src/weights/component_config.h"
#include "src/weights/safetensors_file.h"
#include "tests/support/sources.h"

namespace trireme {

struct Checkpoint {
  ComponentConfig config;
  Weights weights;
};

// All tensors of a safetensors file; floating ones as `type`.
inline std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& path,
                                                      at::ScalarType type = at::kFloat) {
  const SafetensorsFile file(path);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& stored : file.header().tensors) {
    const auto tensor = file.read(stored.name);
    tensors.emplace(stored.name, tensor.is_floating_point() ? tensor.to(type) : tensor);
  }
  return tensors;
}

inline Checkpoint read_checkpoint(const std::filesystem::path& folder, at::ScalarType type) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors")
      return {ComponentConfig::read(folder / "config.json"),
              memory_weights(read_tensors(entry.path(), type))};
  throw std::runtime_error(folder.string() + " holds no safetensors file");
}

// "float32", "bfloat16" or "float16".
inline at::ScalarType dtype_named(const std::string& name) {
  return name == "bfloat16" ? at::kBFloat16 : name == "float16" ? at::kHalf : at::kFloat;
}

}  // namespace trireme
