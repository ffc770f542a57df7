#include "src/render/memory_note.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "src/output/commit.h"

namespace trireme {
namespace {

constexpr const char* kName = "memory.json";

}  // namespace

std::optional<int64_t> noted_memory(const std::filesystem::path& output, int64_t limit_bytes) {
  std::ifstream in(output / kName);
  const auto note = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  const auto number = [&](const char* key) -> std::optional<int64_t> {
    if (!note.is_object() || !note.contains(key) || !note[key].is_number()) return std::nullopt;
    return note[key].get<int64_t>();
  };
  if (number("limit_bytes").value_or(0) < limit_bytes) return std::nullopt;
  return number("peak_bytes");
}

void note_memory(const std::filesystem::path& output, const std::string& layout, int64_t peak_bytes,
                 int64_t limit_bytes) {
  const nlohmann::ordered_json note = {
      {"ran_out_with", layout}, {"peak_bytes", peak_bytes}, {"limit_bytes", limit_bytes}};
  try {
    std::filesystem::create_directories(output);
    write_atomically(output / kName, note.dump(2) + "\n");
  } catch (const std::exception&) {
  }
}

void forget_memory(const std::filesystem::path& output) {
  std::error_code gone;
  std::filesystem::remove(output / kName, gone);
}

}  // namespace trireme
