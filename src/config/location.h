// Where things are: paths relative to the job file, and names of repositories.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "src/config/fields.h"
#include "src/config/job.h"

namespace trireme {

enum class Names { kPath, kPathOrHub };

// A path that exists is a path; what does not and looks like org/name[@revision] is a repository.
Location resolve(const std::string& written, const std::filesystem::path& folder, Names names);

std::optional<Location> read_location(Fields& in, std::string_view key,
                                      const std::filesystem::path& folder, Names names);

}  // namespace trireme
