// Files that describe a whole output folder, such as OUT/metadata.jsonl, which no manifest covers:
// made anew at the end of every run, with a note of their hashes, so that damage to them is found.
//
//   OUT/.trireme/described/NAME   a line a state: "BYTES SHA256", or "-": not there
//
// A new state is noted beside the old one before the file is replaced, and alone afterwards. So
// whatever is killed when, and whoever looks when, the file is in a state that is noted, or was
// damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "src/output/commit.h"
#include "src/output/file_system.h"
#include "src/output/sha256.h"

namespace trireme {

class DescribedFile {
 public:
  DescribedFile(FileSystem& files, std::filesystem::path out, std::string name);

  void write(std::string_view bytes);
  void replace();  // once, in the end

 private:
  FileSystem& files_;
  std::filesystem::path out_;
  std::string name_;
  PendingFile file_;
  Sha256 hash_;
  std::int64_t bytes_ = 0;
};

// Removes the file, if it is there.
void remove_described(FileSystem& files, const std::filesystem::path& out, const std::string& name);

enum class DescribedState {
  kUnknown,  // never noted, or the notes were removed
  kAsNoted,
  kDamaged,
  kMissing
};
DescribedState state_of_described(FileSystem& files, const std::filesystem::path& out,
                                  const std::string& name);

}  // namespace trireme
