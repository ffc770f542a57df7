// What a checkpoint is, from its headers alone: family, components, sizes, files. Reads no weights,
// so it takes milliseconds however large the checkpoint is. A component that should be there and is
// not is listed as missing; one that is absent on purpose ([null, null]) is not mentioned. Of a
// component alone nothing is missing, but beside a transformer all is that a pipeline needs.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "src/weights/repository.h"

namespace trireme {

struct ComponentFacts {
  std::string class_name;
  // As torch counts them: no buffers, tied ones once; of codes, the matrix that they stand for.
  int64_t parameters = 0;
  int64_t bytes = 0;                // of all tensors in the files
  std::vector<std::string> dtypes;  // "float16", ...; the one with most bytes first
  std::vector<std::string> files;   // relative to the checkpoint where they are inside it
};

struct CheckpointFacts {
  std::string family;  // sd3 | sd3.5-medium | sd3.5-large | pixart-sigma; "" without a transformer
  std::map<std::string, ComponentFacts> components;
  std::vector<std::string> missing;
  int64_t native_size = 0;  // pixels a side; 0 without a transformer
  int64_t max_size = 0;     // pixels a side that a stored position table allows; 0 without one
};

CheckpointFacts inspect_checkpoint(const Repository& repository);
// Of what a path or org/name leads to: a repository or a part of one, a component's folder, a
// single file.
CheckpointFacts inspect_checkpoint(const std::string& path,
                                   const HubCache& hub = HubCache::from_environment());
// job.md's `inspect --json`.
nlohmann::json to_json(const CheckpointFacts& facts);

}  // namespace trireme
