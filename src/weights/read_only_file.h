// ReadOnlyFile: a file's descriptor, closed at the end; errors of the system become ours. Bytes are
// read into memory of the caller's, or lent as pages of the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace trireme {

class ReadOnlyFile {
 public:
  explicit ReadOnlyFile(const std::filesystem::path& path);
  ReadOnlyFile(ReadOnlyFile&& other) noexcept;
  ReadOnlyFile& operator=(ReadOnlyFile&&) = delete;
  ~ReadOnlyFile();

  const std::string& place() const { return place_; }
  int64_t size() const { return size_; }
  // Fills the buffer; Error (kInputOutput) if the file ends before or cannot be read.
  void read(void* buffer, int64_t bytes, int64_t offset) const;
  // These bytes where the system keeps the file: nothing is copied, and the pages are the system's
  // to take back and shared by all ranks of a host. Not to be written to. Should somebody shorten
  // the file meanwhile, a look at them ends the process by SIGBUS (launch/failure.h tells it).
  // Null if the system cannot or the file is too short by now: the caller reads instead.
  std::shared_ptr<const char> map(int64_t bytes, int64_t offset) const;
  // Of all files of this process that are lent just now.
  static int64_t mapped_bytes();

 private:
  std::string place_;
  int fd_ = -1;
  int64_t size_ = 0;
};

}  // namespace trireme
