// The arithmetic of a layout, as far as it shows before the world size is known and after.
#pragma once

#include <optional>
#include <vector>

#include "src/config/layout.h"
#include "src/config/source.h"

namespace trireme {

// What does not fit. Without a world size only what no world size could mend.
std::vector<Problem> layout_problems(const LayoutChoice& layout, std::optional<int> world_size);

}  // namespace trireme
