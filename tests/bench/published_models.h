// The models that others published times of, as Workloads. FLUX is not trireme's: its blocks are
// written down here from its config, a single block being one stream over image and text.
#pragma once

#include <optional>
#include <string>

#include "parallel/plan/workload.h"

namespace trireme {

struct PublishedModel {
  Workload work;
  int64_t text_tokens = 0;
  int64_t branches = 2;
  double traffic = 1;  // element-wise work beside that of other models
};

// By a name such as "SD3-medium" or "PixArt-alpha XL/2".
std::optional<PublishedModel> published_model(const std::string& name);

}  // namespace trireme
