#include "src/output/file_error.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "parallel/error.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

struct Cause {
  Exit exit;
  std::string requirement;
  std::string likely;
};

std::string free_space(const fs::path& folder) {
  constexpr double kMiB = 1 << 20;
  struct statvfs volume {};
  if (statvfs(folder.empty() ? "." : folder.c_str(), &volume) != 0)
    return "the free space is unknown";
  const auto bytes = static_cast<double>(volume.f_bavail) * static_cast<double>(volume.f_frsize);
  return fmt::format("{:.1f} MiB and {} files are free there", bytes / kMiB, volume.f_favail);
}

Cause cause_of(int error, const fs::path& folder) {
  switch (error) {
    case ENOENT:
      return {Exit::kCannotCreate, "an existing folder", "its folder is missing or was removed"};
    case ENOTDIR:
      return {Exit::kCannotCreate, "a folder", "a file stands where a folder should"};
    case EEXIST:
    case EISDIR:
      return {Exit::kCannotCreate, "a free name", "something else has this name"};
    case ENAMETOOLONG:
      return {Exit::kCannotCreate, "a shorter path", "the file system's limit"};
    case EACCES:
    case EPERM:
      return {Exit::kNoPermission, "permission", "it belongs to someone else"};
    case EROFS:
      return {Exit::kNoPermission, "a file system that can be written", "it is mounted read-only"};
    case ENOSPC:
      return {Exit::kInputOutput, "room on the disk", "the disk is full: " + free_space(folder)};
    case EDQUOT:
      return {Exit::kInputOutput, "room in the quota",
              "the quota is used up: " + free_space(folder)};
    case EFBIG:
      return {Exit::kInputOutput, "files of this size",
              "a limit on file sizes (ulimit -f, or the file system's): " + free_space(folder)};
    default:
      return {Exit::kInputOutput, "a working disk", "the disk or the network to it"};
  }
}

}  // namespace

void raise_file_error(const fs::path& target, std::string_view action, std::int64_t result) {
  const int error = static_cast<int>(-result);
  if (error == ENOMEM) throw std::bad_alloc();  // nothing is wrong with the file
  const auto cause = cause_of(error, target.parent_path());
  throw Error(cause.exit, fmt::format("[{}] {}: {} -> {} -> {}", target.string(), action,
                                      std::strerror(error), cause.requirement, cause.likely));
}

}  // namespace trireme
