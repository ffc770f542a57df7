// Files that are there whole or not at all. AtomicFile writes under a hidden name in the target's
// folder and takes the target's name in commit(), after the bytes have reached the disk; until then
// whatever bore that name stays. Destroyed without commit() it leaves nothing; a killed process
// leaves a hidden file, which remove_stale_files() finds. A file of no bytes is a file.
//
// Errors: kCannotCreate where the folder is missing or no folder, kNoPermission, and kInputOutput
// for a full disk (with what is free) and all else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace trireme {

class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;

  void write(std::string_view bytes);
  void commit();

  const std::filesystem::path& target() const { return target_; }

 private:
  void discard() noexcept;

  std::filesystem::path target_;
  std::filesystem::path hidden_;
  int descriptor_ = -1;  // -1: committed, discarded or moved from
};

void write_atomically(const std::filesystem::path& target, std::string_view bytes);

// The whole file. kMissingInput where it is not there.
std::string read_file(const std::filesystem::path& path);

// Makes a folder and those above it, safe against power loss; one that is there is fine.
void make_folder(const std::filesystem::path& folder);

// `.NAME.tmp-PID-8HEX`, as AtomicFile names them.
bool is_hidden_name(std::string_view name);

// Removes what killed processes left in this folder, not below it, and says how many files. A file
// that a living process writes is locked by it and stays.
std::int64_t remove_stale_files(const std::filesystem::path& folder);

}  // namespace trireme
