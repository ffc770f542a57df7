// The `layout` of a job file.
#pragma once

#include <vector>

#include "src/config/layout.h"
#include "src/config/node.h"
#include "src/config/source.h"

namespace trireme {

LayoutChoice read_layout(const Node& node, std::vector<Problem>& problems);

}  // namespace trireme
