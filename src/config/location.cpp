#include "src/config/location.h"

#include <system_error>

namespace trireme {
namespace {

bool made_of(std::string_view text, std::string_view more) {
  if (text.empty() || text[0] == '.' || text[0] == '-') return false;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && more.find(c) == std::string_view::npos) return false;
  }
  return true;
}

// org/name[@revision], as the Hugging Face hub spells it.
bool names_repository(std::string_view text) {
  size_t at = text.find('@');
  std::string_view name = text.substr(0, at);
  size_t slash = name.find('/');
  if (slash == std::string_view::npos) return false;
  bool revision = at == std::string_view::npos || made_of(text.substr(at + 1), "._-/");
  bool file = name.size() > 12 && name.substr(name.size() - 12) == ".safetensors";
  return revision && !file && made_of(name.substr(0, slash), "._-") &&
         made_of(name.substr(slash + 1), "._-");
}

}  // namespace

Location resolve(const std::string& written, const std::filesystem::path& folder, Names names) {
  std::filesystem::path path = (folder / written).lexically_normal();
  std::error_code ignored;
  bool hub = names == Names::kPathOrHub && names_repository(written) &&
             !std::filesystem::exists(path, ignored);
  return {written, hub ? written : path.string(), hub};
}

std::optional<Location> read_location(Fields& in, std::string_view key,
                                      const std::filesystem::path& folder, Names names) {
  std::string written = in.text(key, "");
  const Node* node = in.find(key);
  if (!node || node->kind != Node::Kind::kScalar) return std::nullopt;
  if (written.empty()) {
    in.refuse(key, "a path");
    return std::nullopt;
  }
  return resolve(written, folder, names);
}

}  // namespace trireme
