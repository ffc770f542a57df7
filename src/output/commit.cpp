#include "src/output/commit.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <set>
#include <utility>

#include "parallel/error.h"
#include "src/output/file_error.h"
#include "src/output/writer.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";
constexpr std::size_t kBlock = 1 << 16;

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

fs::path hidden_name(const fs::path& target) {
  static const std::string writer = this_writer();
  static std::atomic<std::int64_t> files = 0;  // only makes names of one process differ
  return folder_of(target) /
         fmt::format(".{}{}{}-{}", target.filename().string(), kMark, writer, files++);
}

// A descriptor to read from, closed in the end.
class OpenedFile {
 public:
  OpenedFile(FileSystem& files, const fs::path& path)
      : files_(files), path_(path), descriptor_(retried([&] { return files.open_to_read(path); })) {
    if (descriptor_ == -ENOENT)
      throw Error(
          Exit::kMissingInput,
          fmt::format("[{}] not there -> a file -> mistyped, or not made yet", path.string()));
    if (descriptor_ < 0) raise_file_error(path, "opening", descriptor_);
  }
  ~OpenedFile() { files_.close(descriptor_); }
  OpenedFile(const OpenedFile&) = delete;

  // As many as there are, up to the size of `block`.
  std::string_view read(std::span<char> block, std::int64_t at) const {
    std::size_t got = 0;
    while (got < block.size()) {
      const auto count = retried([&] {
        return files_.read(descriptor_, block.subspan(got), at + static_cast<std::int64_t>(got));
      });
      if (count < 0) raise_file_error(path_, "reading", count);
      if (count == 0) break;
      got += static_cast<std::size_t>(count);
    }
    return {block.data(), got};
  }

 private:
  FileSystem& files_;
  const fs::path& path_;
  std::int64_t descriptor_;
};

bool have_equal_bytes(FileSystem& files, const fs::path& a, const fs::path& b) {
  if (status_of(files, a).bytes != status_of(files, b).bytes) return false;
  const OpenedFile first(files, a), second(files, b);
  std::string block(kBlock, ' '), other(kBlock, ' ');
  for (std::int64_t at = 0;; at += static_cast<std::int64_t>(kBlock)) {
    const auto bytes = first.read(block, at);
    if (bytes != second.read(other, at)) return false;
    if (bytes.size() < kBlock) return true;
  }
}

}  // namespace

PendingFile::PendingFile(FileSystem& files, fs::path target)
    : files_(&files), target_(std::move(target)), hidden_(hidden_name(target_)) {
  descriptor_ = retried([&] { return files_->create(hidden_); });
  if (descriptor_ < 0) raise_file_error(target_, "creating", std::exchange(descriptor_, -1));
}

PendingFile::~PendingFile() {
  discard();
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : files_(other.files_),
      target_(std::move(other.target_)),
      hidden_(std::move(other.hidden_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

void PendingFile::close() noexcept {
  if (descriptor_ >= 0) files_->close(std::exchange(descriptor_, -1));
}

void PendingFile::discard() noexcept {
  if (descriptor_ < 0) return;
  try_to_remove(*files_, hidden_);
  close();
}

void PendingFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = retried([&] { return files_->write(descriptor_, bytes); });
    if (written < 0) raise_file_error(target_, "writing", written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void PendingFile::sync() {
  const auto result = retried([&] { return files_->sync(descriptor_); });
  if (result < 0) raise_file_error(target_, "writing", result);
}

// Where there are no links, a name that was free a moment ago is taken by renaming: two who do so
// at once give the same bytes.
bool PendingFile::give_name() {
  auto result = retried([&] { return files_->link(hidden_, target_); });
  if (result == -EPERM || result == -EOPNOTSUPP || result == -EMLINK || result == -ENOSYS) {
    if (is_there(*files_, target_)) return false;
    result = retried([&] { return files_->rename(hidden_, target_); });
  }
  if (result == -EEXIST) return false;
  if (result < 0) raise_file_error(target_, "naming", result);
  return true;
}

void PendingFile::commit() {
  name();
  sync_folder(*files_, folder_of(target_));
}

void PendingFile::name() {
  sync();
  if (!give_name() && !have_equal_bytes(*files_, hidden_, target_))
    throw Error(Exit::kCannotCreate,
                fmt::format("[{}] there with other bytes -> the same bytes, or a free name -> it "
                            "was changed or damaged since, or made on a machine that computes "
                            "otherwise; `trireme verify` tells",
                            target_.string()));
  try_to_remove(*files_, hidden_);
  close();  // all bytes are on disk, so that closing has nothing left to report
}

void PendingFile::replace() {
  sync();
  const auto result = retried([&] { return files_->rename(hidden_, target_); });
  if (result < 0) raise_file_error(target_, "naming", result);
  close();
  sync_folder(*files_, folder_of(target_));
}

void commit(FileSystem& files, const fs::path& target, std::string_view bytes) {
  PendingFile file(files, target);
  file.write(bytes);
  file.commit();
}

void commit(FileSystem& files, const std::map<fs::path, std::string_view>& bytes_of) {
  std::set<fs::path> folders;
  for (const auto& [target, bytes] : bytes_of) {
    PendingFile file(files, target);
    file.write(bytes);
    file.name();
    folders.insert(folder_of(target));
  }
  for (const auto& folder : folders) sync_folder(files, folder);
}

void replace(FileSystem& files, const fs::path& target, std::string_view bytes) {
  PendingFile file(files, target);
  file.write(bytes);
  file.replace();
}

void write_atomically(const fs::path& target, std::string_view bytes) {
  Disk disk;
  replace(disk, target, bytes);
}

std::string read_file(FileSystem& files, const fs::path& path) {
  const OpenedFile file(files, path);
  std::string bytes, block(kBlock, ' ');
  while (true) {
    const auto more = file.read(block, static_cast<std::int64_t>(bytes.size()));
    bytes += more;
    if (more.size() < kBlock) return bytes;
  }
}

std::string read_file(const fs::path& path) {
  Disk disk;
  return read_file(disk, path);
}

FileStatus status_of(FileSystem& files, const fs::path& path) {
  FileStatus status;
  retried([&] {
    status = files.status(path);
    return status.error;
  });
  if (status.error == -ENOTDIR) status.error = -ENOENT;
  if (status.error < 0 && status.error != -ENOENT) raise_file_error(path, "looking", status.error);
  return status;
}

bool is_there(FileSystem& files, const fs::path& path) {
  return status_of(files, path).error == 0;
}

void sync_folder(FileSystem& files, const fs::path& folder) {
  const auto result = retried([&] { return files.sync_folder(folder); });
  if (result < 0) raise_file_error(folder, "syncing", result);
}

namespace {

// A folder above may be someone else's, and then so is its making.
void sync_name_of(FileSystem& files, const fs::path& folder) {
  const auto above = folder_of(folder);
  const auto result = retried([&] { return files.sync_folder(above); });
  if (result < 0 && result != -EACCES && result != -EPERM && result != -EROFS)
    raise_file_error(above, "syncing", result);
}

}  // namespace

void make_folder(FileSystem& files, const fs::path& folder) {
  if (folder.empty() || folder == folder.root_path()) return;
  if (!status_of(files, folder).is_folder) {
    make_folder(files, folder.parent_path());
    const auto result = retried([&] { return files.make_folder(folder); });
    if (result < 0 && (result != -EEXIST || !status_of(files, folder).is_folder))
      raise_file_error(folder, "creating the folder", result);
  }
  sync_name_of(files, folder);
}

std::vector<std::string> names_in(FileSystem& files, const fs::path& folder) {
  FolderNames found;
  retried([&] {
    found = files.list(folder);
    return found.error;
  });
  if (found.error < 0 && found.error != -ENOENT && found.error != -ENOTDIR)
    raise_file_error(folder, "listing", found.error);
  return found.names;
}

void remove_file(FileSystem& files, const fs::path& file) {
  const auto result = retried([&] { return files.remove(file); });
  if (result < 0 && result != -ENOENT) raise_file_error(file, "removing", result);
}

bool try_to_remove(FileSystem& files, const fs::path& file) {
  return retried([&] { return files.remove(file); }) == 0;
}

namespace {

// Of a hidden name; empty for any other.
std::string_view writer_in(std::string_view name) {
  const auto mark = name.rfind(kMark);
  if (mark == std::string_view::npos || mark < 2 || name.front() != '.') return {};
  const auto tail = name.substr(mark + kMark.size());
  const auto dash = tail.rfind('-');
  return dash == std::string_view::npos ? std::string_view() : tail.substr(0, dash);
}

}  // namespace

bool is_hidden_name(std::string_view name) {
  return !writer_in(name).empty();
}

std::int64_t remove_stale_files(FileSystem& files, const fs::path& folder, bool of_all) {
  std::int64_t removed = 0;
  for (const auto& name : names_in(files, folder)) {
    if (!is_hidden_name(name)) continue;
    const auto life = life_of(writer_in(name));
    const bool stale = life == Life::kDead || (of_all && life != Life::kAlive);
    if (stale && try_to_remove(files, folder / name)) ++removed;
  }
  return removed;
}

}  // namespace trireme
