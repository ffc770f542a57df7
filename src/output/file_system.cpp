#include "src/output/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace trireme {
namespace {

std::int64_t result_of(std::int64_t result) {
  return result < 0 ? -static_cast<std::int64_t>(errno) : result;
}

int descriptor_of(std::int64_t descriptor) {
  return static_cast<int>(descriptor);
}

}  // namespace

std::int64_t Disk::create(const Path& file) {
  return result_of(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666));
}

std::int64_t Disk::open_to_read(const Path& file) {
  return result_of(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
}

std::int64_t Disk::close(std::int64_t descriptor) {
  return result_of(::close(descriptor_of(descriptor)));
}

std::int64_t Disk::write(std::int64_t descriptor, std::string_view bytes) {
  return result_of(::write(descriptor_of(descriptor), bytes.data(), bytes.size()));
}

std::int64_t Disk::read(std::int64_t descriptor, std::span<char> bytes, std::int64_t at) {
  return result_of(::pread(descriptor_of(descriptor), bytes.data(), bytes.size(), at));
}

std::int64_t Disk::sync(std::int64_t descriptor) {
  return result_of(::fdatasync(descriptor_of(descriptor)));
}

std::int64_t Disk::link(const Path& from, const Path& to) {
  return result_of(::link(from.c_str(), to.c_str()));
}

std::int64_t Disk::rename(const Path& from, const Path& to) {
  return result_of(std::rename(from.c_str(), to.c_str()));
}

std::int64_t Disk::remove(const Path& file) {
  return result_of(::unlink(file.c_str()));
}

std::int64_t Disk::make_folder(const Path& folder) {
  return result_of(::mkdir(folder.c_str(), 0777));
}

std::int64_t Disk::remove_folder(const Path& folder) {
  return result_of(::rmdir(folder.c_str()));
}

// Some network file systems cannot sync folders and say so; they write through.
std::int64_t Disk::sync_folder(const Path& folder) {
  const auto descriptor = result_of(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor < 0) return descriptor;
  const auto result = result_of(::fsync(descriptor_of(descriptor)));
  close(descriptor);
  return result == -EINVAL || result == -ENOTSUP ? 0 : result;
}

FileStatus Disk::status(const Path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return {.error = -static_cast<std::int64_t>(errno)};
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return {.bytes = status.st_size,
          .changed = status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec,
          .is_folder = S_ISDIR(status.st_mode)};
}

FolderNames Disk::list(const Path& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(::opendir(folder.c_str()), ::closedir);
  if (!opened) return {.error = -static_cast<std::int64_t>(errno), .names = {}};
  FolderNames found;
  errno = 0;
  while (const auto* entry = ::readdir(opened.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") found.names.push_back(name);
  }
  found.error = -static_cast<std::int64_t>(errno);
  return found;
}

}  // namespace trireme
