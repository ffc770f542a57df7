// Files that people have beside SD3's and may name by mistake, told by a tensor or two.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "src/weights/safetensors_header.h"

namespace trireme {

struct OtherModel {
  std::string name;    // "a FLUX transformer"
  std::string sign;    // the tensor that says so
  std::string remedy;  // what to do
};

// Nothing if none of them is known.
std::optional<OtherModel> other_model(const std::vector<StoredTensor>& tensors);

}  // namespace trireme
