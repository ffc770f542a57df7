#include "src/weights/hub_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "parallel/error.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

bool is_name_part(std::string_view text) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text[0] != '.' && std::all_of(text.begin(), text.end(), allowed);
}

// A revision becomes part of a path, so it must not climb out of its folder.
bool is_revision(std::string_view text) {
  const auto plain = [](unsigned char c) { return c > ' ' && c != '\\'; };
  return !text.empty() && text[0] != '/' && text.find("..") == text.npos &&
         std::all_of(text.begin(), text.end(), plain);
}

fs::path from_variable(const char* name, const char* below) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return {};
  fs::path path = value;
  if (path.string().starts_with("~/")) {
    const char* home = std::getenv("HOME");
    path = fs::path(home == nullptr ? "" : home) / path.string().substr(2);
  }
  return *below == '\0' ? path : path / below;
}

// A ref is a small file that holds the commit a branch or tag stood at.
std::string commit_of(const fs::path& repository, const std::string& revision) {
  std::string commit;
  std::ifstream(repository / "refs" / revision) >> commit;
  return is_name_part(commit) ? commit : revision;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_directory(ignored)) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::string HubName::download_command() const {
  const std::string command = fmt::format("hf download {}", repository);
  return revision == "main" ? command : fmt::format("{} --revision {}", command, revision);
}

std::optional<HubName> parse_hub_name(const std::string& text) {
  HubName out;
  const auto at = text.find('@');
  out.repository = text.substr(0, at);
  if (at != text.npos) out.revision = text.substr(at + 1);
  const auto slash = out.repository.find('/');
  if (slash == text.npos || out.repository.ends_with(".safetensors")) return std::nullopt;
  const std::string_view repository = out.repository;
  const bool fits = is_name_part(repository.substr(0, slash)) &&
                    is_name_part(repository.substr(slash + 1)) && is_revision(out.revision);
  return fits ? std::optional(out) : std::nullopt;
}

HubCache HubCache::from_environment() {
  constexpr std::pair<const char*, const char*> kVariables[] = {
      {"HF_HUB_CACHE", ""},
      {"HUGGINGFACE_HUB_CACHE", ""},
      {"HF_HOME", "hub"},
      {"XDG_CACHE_HOME", "huggingface/hub"},
      {"HOME", ".cache/huggingface/hub"}};
  for (const auto& [name, below] : kVariables) {
    if (auto path = from_variable(name, below); !path.empty()) return HubCache(path);
  }
  return HubCache(fs::path(".cache/huggingface/hub"));
}

fs::path HubCache::snapshot(const HubName& name) const {
  std::string folder = name.repository;
  folder.replace(folder.find('/'), 1, "--");
  const auto repository = folder_ / ("models--" + folder);
  const auto snapshot = repository / "snapshots" / commit_of(repository, name.revision);
  std::error_code ignored;
  if (fs::is_directory(snapshot, ignored)) return snapshot;
  const bool known = fs::is_directory(repository, ignored);
  throw Error(
      Exit::kMissingInput,
      fmt::format(
          "[model] {}{}: not in the Hugging Face cache {} -> it is looked up there, without "
          "the network -> fetch it with `{}`, or set HF_HOME if your cache is elsewhere",
          name.repository, known ? fmt::format("@{} (others are)", name.revision) : "",
          folder_.string(), name.download_command()));
}

std::vector<fs::path> HubCache::snapshots() const {
  std::vector<fs::path> out;
  for (const auto& repository : folders_in(folder_)) {
    if (!repository.filename().string().starts_with("models--")) continue;
    auto snapshots = folders_in(repository / "snapshots");
    const auto main = commit_of(repository, "main");
    std::stable_partition(snapshots.begin(), snapshots.end(),
                          [&](const auto& snapshot) { return snapshot.filename() == main; });
    out.insert(out.end(), snapshots.begin(), snapshots.end());
  }
  return out;
}

}  // namespace trireme
