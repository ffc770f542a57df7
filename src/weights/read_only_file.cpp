#include "src/weights/read_only_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "parallel/error.h"

namespace trireme {
namespace {

// Mappings are the process's, and tensors that stand on them are handed around.
std::atomic<int64_t> mapped = 0;

}  // namespace
namespace {

Exit exit_of(int error) {
  if (error == ENOENT || error == ENOTDIR) return Exit::kMissingInput;
  if (error == EACCES || error == EPERM) return Exit::kNoPermission;
  return Exit::kInputOutput;
}

}  // namespace

ReadOnlyFile::ReadOnlyFile(const std::filesystem::path& path) : place_(path.string()) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) {
    const int error = errno;
    throw Error(exit_of(error), fmt::format("[weights] {}: {} -> it must be readable -> a wrong "
                                            "path, its rights, or an incomplete download",
                                            place_, std::strerror(error)));
  }
  struct stat info = {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    throw Error(Exit::kBadData,
                fmt::format("[weights] {}: not a regular file -> a file is needed -> a wrong path",
                            place_));
  }
  size_ = info.st_size;
}

ReadOnlyFile::ReadOnlyFile(ReadOnlyFile&& other) noexcept
    : place_(std::move(other.place_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

ReadOnlyFile::~ReadOnlyFile() {
  if (fd_ >= 0) ::close(fd_);
}

void ReadOnlyFile::read(void* buffer, int64_t bytes, int64_t offset) const {
  auto* to = static_cast<char*>(buffer);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd_, to, bytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw Error(
          Exit::kInputOutput,
          fmt::format("[weights] {}: {} at byte {} -> {} more bytes are needed -> {}", place_,
                      got < 0 ? std::strerror(errno) : "the file ends", offset, bytes,
                      got < 0 ? "a failing disk or network file system"
                              : "something shortened it while it was read"));
    }
    to += got, offset += got, bytes -= got;
  }
}

std::shared_ptr<const char> ReadOnlyFile::map(int64_t bytes, int64_t offset) const {
  struct stat now = {};
  if (::fstat(fd_, &now) != 0 || now.st_size < offset + bytes) return nullptr;
  const int64_t before = offset % ::sysconf(_SC_PAGESIZE);
  const auto length = static_cast<size_t>(before + bytes);
  void* pages = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, fd_, offset - before);
  if (pages == MAP_FAILED) return nullptr;
  ::madvise(pages, length, MADV_WILLNEED);  // of a file that is not in memory yet, all at once
  mapped += bytes;
  return {static_cast<const char*>(pages) + before, [pages, length, bytes](const char*) {
            ::munmap(pages, length);
            mapped -= bytes;
          }};
}

int64_t ReadOnlyFile::mapped_bytes() {
  return mapped;
}

}  // namespace trireme
