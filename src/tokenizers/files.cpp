#include "src/tokenizers/files.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace trireme {

using nlohmann::json;
namespace fs = std::filesystem;

Error bad_file(const fs::path& file, const std::string& what, const std::string& wanted) {
  return Error(Exit::kBadData, fmt::format("[{}] {} -> {} -> the file is damaged or of another "
                                           "model",
                                           file.string(), what, wanted));
}

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream)
    throw Error(Exit::kMissingInput, fmt::format("[{}] cannot be read -> a readable file -> its "
                                                 "permissions, or a dangling link",
                                                 file.string()));
  return text.str();
}

// null if the file is not there.
json read_json(const fs::path& file) {
  if (!fs::exists(file)) return nullptr;
  json value = json::parse(read_text(file), nullptr, false);
  if (!value.is_object()) throw bad_file(file, "not a JSON object", "a JSON object");
  return value;
}

}  // namespace trireme
