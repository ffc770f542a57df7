// --set key.path=value: values laid over a job file before it is checked.
#pragma once

#include <string>
#include <vector>

#include "src/config/node.h"
#include "src/config/source.h"

namespace trireme {

// Lays one override over `root` and notes it in `source`. Maps on the way are made where they are
// missing; a number in the path is the index of a list; a row that is a plain prompt becomes a map.
void apply_override(const std::string& argument, Node& root, Source& source,
                    std::vector<Problem>& problems);

}  // namespace trireme
