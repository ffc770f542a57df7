#include "src/report/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "parallel/error.h"
#include "src/report/human.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";
constexpr std::size_t kHexDigits = 8;

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

// What a user can do about it, by errno.
struct Cause {
  Exit exit;
  std::string requirement;
  std::string likely;
};

std::string free_space(const fs::path& folder) {
  struct statvfs volume {};
  if (statvfs(folder.c_str(), &volume) != 0) return "the free space is unknown";
  const auto bytes = static_cast<double>(volume.f_bavail) * static_cast<double>(volume.f_frsize);
  return fmt::format("{} and {} files are free there", human_bytes(bytes), volume.f_favail);
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

[[noreturn]] void fail(const fs::path& target, std::string_view action, int error) {
  const Cause cause = cause_of(error, folder_of(target));
  throw Error(cause.exit, fmt::format("[{}] {}: {} -> {} -> {}", target.string(), action,
                                      std::strerror(error), cause.requirement, cause.likely));
}

// The process id is for people; the random part keeps hosts that share a folder apart.
fs::path hidden_name(const fs::path& target) {
  const std::uint32_t unique = std::random_device{}();
  return folder_of(target) /
         fmt::format(".{}{}{}-{:08x}", target.filename().string(), kMark, getpid(), unique);
}

// Retries what a signal broke off.
template <class Call>
int retried(Call call) {
  int result = 0;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// A rename is on disk once its folder is. Some network file systems cannot sync folders and say so
// with EINVAL; they write through.
void sync_folder(const fs::path& folder) {
  const int descriptor =
      retried([&] { return open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) fail(folder, "opening", errno);
  const int result = retried([&] { return fsync(descriptor); });
  const int error = errno;
  close(descriptor);
  if (result < 0 && error != EINVAL && error != ENOTSUP) fail(folder, "syncing", error);
}

bool is_digits(std::string_view text, int (*digit)(int)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [digit](char c) {
    return digit(static_cast<unsigned char>(c)) != 0;
  });
}

// A file that somebody writes is locked.
bool is_abandoned(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool locked = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  close(descriptor);
  return locked;
}

}  // namespace

AtomicFile::AtomicFile(fs::path target)
    : target_(std::move(target)), hidden_(hidden_name(target_)) {
  descriptor_ =
      retried([&] { return open(hidden_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
  if (descriptor_ < 0) fail(target_, "creating", errno);
  // Only tells remove_stale_files that we live; file systems without locks do without.
  flock(descriptor_, LOCK_EX | LOCK_NB);
}

AtomicFile::~AtomicFile() {
  discard();
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      hidden_(std::move(other.hidden_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this == &other) return *this;
  discard();
  target_ = std::move(other.target_);
  hidden_ = std::move(other.hidden_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  return *this;
}

void AtomicFile::discard() noexcept {
  if (descriptor_ < 0) return;
  unlink(hidden_.c_str());
  close(std::exchange(descriptor_, -1));
}

void AtomicFile::write(std::string_view bytes) {
  if (descriptor_ < 0) {
    throw Error(Exit::kBug, fmt::format("[{}] write after commit -> an open file -> a program "
                                        "error",
                                        target_.string()));
  }
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(target_, "writing", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) {
    throw Error(Exit::kBug, fmt::format("[{}] commit twice -> an open file -> a program error",
                                        target_.string()));
  }
  if (retried([&] { return fsync(descriptor_); }) < 0) fail(target_, "writing", errno);
  if (rename(hidden_.c_str(), target_.c_str()) < 0) fail(target_, "naming", errno);
  // All bytes are on disk, so that closing has nothing left to report.
  close(std::exchange(descriptor_, -1));
  sync_folder(folder_of(target_));
}

void write_atomically(const fs::path& target, std::string_view bytes) {
  AtomicFile file(target);
  file.write(bytes);
  file.commit();
}

std::string read_file(const fs::path& path) {
  const int descriptor = retried([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0 && errno == ENOENT) {
    throw Error(
        Exit::kMissingInput,
        fmt::format("[{}] not there -> a file -> mistyped, or not made yet", path.string()));
  }
  if (descriptor < 0) fail(path, "opening", errno);
  std::string bytes;
  char block[1 << 16];
  ssize_t count = 0;
  int error = 0;
  while ((count = ::read(descriptor, block, sizeof block)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      error = errno;
      break;
    }
    bytes.append(block, static_cast<std::size_t>(count));
  }
  close(descriptor);
  if (error != 0) fail(path, "reading", error);
  return bytes;
}

void make_folder(const fs::path& folder) {
  std::error_code unseen;  // what cannot be looked at is told by mkdir
  if (folder.empty() || fs::is_directory(folder, unseen)) return;
  make_folder(folder.parent_path());
  if (mkdir(folder.c_str(), 0777) == 0) {
    sync_folder(folder_of(folder));
  } else if (errno != EEXIST || !fs::is_directory(folder, unseen)) {  // another rank may be quicker
    fail(folder, "creating the folder", errno);
  }
}

bool is_hidden_name(std::string_view name) {
  const auto mark = name.rfind(kMark);
  if (mark == std::string_view::npos || mark < 2 || name.front() != '.') return false;
  const std::string_view tail = name.substr(mark + kMark.size());
  const auto dash = tail.find('-');
  if (dash == std::string_view::npos) return false;
  const std::string_view hex = tail.substr(dash + 1);
  return is_digits(tail.substr(0, dash), std::isdigit) && hex.size() == kHexDigits &&
         is_digits(hex, std::isxdigit);
}

std::int64_t remove_stale_files(const fs::path& folder) {
  std::error_code error;
  std::int64_t removed = 0;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!is_hidden_name(entry.path().filename().string()) || !is_abandoned(entry.path())) continue;
    std::error_code ignored;  // another process may be quicker
    removed += fs::remove(entry.path(), ignored) ? 1 : 0;
  }
  return removed;
}

}  // namespace trireme
