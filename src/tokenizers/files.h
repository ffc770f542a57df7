// Reading a tokenizer's files, with the messages that bad ones deserve. Internal to this folder.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "parallel/error.h"

namespace trireme {

Error bad_file(const std::filesystem::path& file, const std::string& what,
               const std::string& wanted);

std::string read_text(const std::filesystem::path& file);

// null if the file is not there.
nlohmann::json read_json(const std::filesystem::path& file);

}  // namespace trireme
