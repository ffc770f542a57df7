// FileSystem: all that an output folder asks of a disk, one call for each system call, so that a
// test may fail the n-th or cut the power after it. Calls answer as the kernel does: a result from
// 0 on, or -errno; none retries and none throws. Only semantics that NFS keeps are asked for:
// creating with O_EXCL and link() tell who was first, what was synced stays. Disk is the real one;
// it holds nothing but the descriptors that it gave out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

struct FileStatus {
  std::int64_t error = 0;  // or -errno
  std::int64_t bytes = 0;
  std::int64_t changed =
      0;  // modification time in nanoseconds: tells contents apart, orders nothing
  bool is_folder = false;
};

struct FolderNames {
  std::int64_t error = 0;          // or -errno
  std::vector<std::string> names;  // in no order, without . and ..
};

class FileSystem {
 public:
  using Path = std::filesystem::path;
  virtual ~FileSystem() = default;

  // Descriptors. -EEXIST if the name is taken: of several who create it, one does.
  virtual std::int64_t create(const Path& file) = 0;
  virtual std::int64_t open_to_read(const Path& file) = 0;
  virtual std::int64_t close(std::int64_t descriptor) = 0;
  // Bytes taken or given; writes may take fewer than there are and append.
  virtual std::int64_t write(std::int64_t descriptor, std::string_view bytes) = 0;
  virtual std::int64_t read(std::int64_t descriptor, std::span<char> bytes, std::int64_t at) = 0;
  virtual std::int64_t sync(std::int64_t descriptor) = 0;  // fdatasync

  virtual std::int64_t link(const Path& from, const Path& to) = 0;    // -EEXIST if `to` is there
  virtual std::int64_t rename(const Path& from, const Path& to) = 0;  // replaces `to`
  virtual std::int64_t remove(const Path& file) = 0;
  virtual std::int64_t make_folder(const Path& folder) = 0;
  virtual std::int64_t remove_folder(const Path& folder) = 0;  // an empty one
  virtual std::int64_t sync_folder(const Path& folder) = 0;
  virtual FileStatus status(const Path& path) = 0;
  virtual FolderNames list(const Path& folder) = 0;
};

class Disk : public FileSystem {
 public:
  std::int64_t create(const Path& file) override;
  std::int64_t open_to_read(const Path& file) override;
  std::int64_t close(std::int64_t descriptor) override;
  std::int64_t write(std::int64_t descriptor, std::string_view bytes) override;
  std::int64_t read(std::int64_t descriptor, std::span<char> bytes, std::int64_t at) override;
  std::int64_t sync(std::int64_t descriptor) override;
  std::int64_t link(const Path& from, const Path& to) override;
  std::int64_t rename(const Path& from, const Path& to) override;
  std::int64_t remove(const Path& file) override;
  std::int64_t make_folder(const Path& folder) override;
  std::int64_t remove_folder(const Path& folder) override;
  std::int64_t sync_folder(const Path& folder) override;
  FileStatus status(const Path& path) override;
  FolderNames list(const Path& folder) override;
};

}  // namespace trireme
