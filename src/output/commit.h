// The commit protocol: the one way in which files of an output folder become visible. Bytes go to a
// hidden name in the target's folder and to the disk; then the target's name is given to them, and
// the folder goes to the disk. So visible means complete, whatever is killed or loses power when,
// and of several who make the same file each succeeds. commit() never replaces: a file that is
// there with the same bytes is a success, one with others an error. replace() is for files that
// describe what is there so far, such as report.json.
//
// A PendingFile that is destroyed before leaves nothing; a killed process leaves a hidden file
// (`.NAME.tmp-WRITER-N`), which remove_stale_files() finds. A file of no bytes is a file.
//
// Errors: kCannotCreate where the folder is missing or no folder, or the name is taken;
// kNoPermission; kInputOutput for a full disk (with what is free) and all else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "src/output/file_system.h"

namespace trireme {

class PendingFile {
 public:
  PendingFile(FileSystem& files, std::filesystem::path target);
  ~PendingFile();
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&&) = delete;

  void write(std::string_view bytes);
  void commit();
  void replace();
  // commit() but for the folder, which is the caller's to sync.
  void name();

  const std::filesystem::path& target() const { return target_; }

 private:
  void sync();
  bool give_name();  // false: the name is taken
  void close() noexcept;
  void discard() noexcept;

  FileSystem* files_;
  std::filesystem::path target_;
  std::filesystem::path hidden_;
  std::int64_t descriptor_ = -1;  // -1: it has its name, or was discarded or moved from
};

void commit(FileSystem& files, const std::filesystem::path& target, std::string_view bytes);
// Several, by target, whose folders go to the disk once each.
void commit(FileSystem& files, const std::map<std::filesystem::path, std::string_view>& bytes_of);
void replace(FileSystem& files, const std::filesystem::path& target, std::string_view bytes);
// replace() on the real disk.
void write_atomically(const std::filesystem::path& target, std::string_view bytes);

// The whole file. kMissingInput where it is not there.
std::string read_file(FileSystem& files, const std::filesystem::path& path);
std::string read_file(const std::filesystem::path& path);
// What is there; error -ENOENT where nothing is. Whatever keeps us from knowing is thrown: what
// cannot be seen must not count as gone.
FileStatus status_of(FileSystem& files, const std::filesystem::path& path);
bool is_there(FileSystem& files, const std::filesystem::path& path);

// Makes a folder and those above it, safe against power loss; one that is there is fine, and safe
// afterwards too: whoever made it may have been killed before that.
void make_folder(FileSystem& files, const std::filesystem::path& folder);
// What was named or removed in it stays so after a power cut.
void sync_folder(FileSystem& files, const std::filesystem::path& folder);
// The names in a folder; none where there is no folder.
std::vector<std::string> names_in(FileSystem& files, const std::filesystem::path& folder);
// A file that may be gone already.
void remove_file(FileSystem& files, const std::filesystem::path& file);
// The same for what is only in the way: one that cannot be removed stays. Whether it was.
bool try_to_remove(FileSystem& files, const std::filesystem::path& file);

// `.NAME.tmp-WRITER-N`, as PendingFile names them.
bool is_hidden_name(std::string_view name);
// Removes what processes of this host that are dead left in this folder, not below it; of all that
// are not known to live where `of_all`. Says how many files.
std::int64_t remove_stale_files(FileSystem& files, const std::filesystem::path& folder,
                                bool of_all = false);

}  // namespace trireme
