// MemoryNote: OUT/memory.json, which says that a run of several ranks ran out of memory and with
// what: the next run of the same command takes a layout that needs less. Gone when all is done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace trireme {

// What the fullest rank of the layout that failed was expected to hold; nothing where there is no
// note, or a rank has more memory now than then.
std::optional<int64_t> noted_memory(const std::filesystem::path& output, int64_t limit_bytes);
// `limit_bytes`: what a rank had. Never fails: the failure that it tells of is what counts.
void note_memory(const std::filesystem::path& output, const std::string& layout, int64_t peak_bytes,
                 int64_t limit_bytes);
void forget_memory(const std::filesystem::path& output);

}  // namespace trireme
