#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "parallel/error.h"
#include "src/output/tar.h"

namespace trireme {
namespace {

constexpr std::size_t kReadAtOnce = 1 << 20;
constexpr std::int64_t kEnd = 2 * kTarBlock;  // empty blocks

std::int64_t whole_blocks(std::int64_t size) {
  return (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

}  // namespace

struct TarReader::Archive {
  std::string name;
  archive* tar = archive_read_new();
  std::int64_t behind = 0;  // where the next header must stand
  std::int64_t file_size = 0;
  std::int64_t left = 0;  // content of the member, still to be asked for

  Archive(std::string file, std::int64_t size) : name(std::move(file)), file_size(size) {
    if (tar == nullptr) throw std::bad_alloc();
    archive_read_support_format_tar(tar);
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;
  ~Archive() { archive_read_free(tar); }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Exit::kBadData,
                fmt::format("[{}] {} -> a tar as this program writes it -> damaged, "
                            "cut off, or made by another program",
                            name, what));
  }

  // Warnings too: our own files give none.
  void check(la_ssize_t result) const {
    if (result >= ARCHIVE_OK) return;
    const char* message = archive_error_string(tar);
    fail(message != nullptr ? message : "it cannot be read");
  }

  void check_end() const {
    if (file_size == behind + kEnd) return;
    fail(
        fmt::format("{} bytes, and its members end at {} -> two empty blocks behind them and "
                    "nothing else",
                    file_size, behind));
  }

  TarMember member(archive_entry* entry) {
    const char* path = archive_entry_pathname(entry);
    const auto header = archive_read_header_position(tar);
    if (path == nullptr || archive_format(tar) != ARCHIVE_FORMAT_TAR_USTAR ||
        archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr ||
        header != behind) {
      fail(fmt::format("byte {}: no plain file's header of ustar", behind));
    }
    TarMember member{path, header + kTarBlock, archive_entry_size(entry)};
    left = member.size;
    behind = member.offset + whole_blocks(member.size);
    if (behind + kEnd > file_size) fail(fmt::format("cut off inside {}", member.name));
    return member;
  }
};

TarReader::TarReader(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  archive_ = std::make_unique<Archive>(path.string(), error ? 0 : static_cast<std::int64_t>(size));
  if (!error && size == 0) archive_->fail("it is empty");
  if (archive_read_open_filename(archive_->tar, path.c_str(), kReadAtOnce) == ARCHIVE_OK) return;
  const int code = archive_errno(archive_->tar);
  const Exit exit = code == EACCES   ? Exit::kNoPermission
                    : code == ENOENT ? Exit::kMissingInput
                                     : Exit::kInputOutput;
  throw Error(exit, fmt::format("[{}] {} -> a tar file -> mistyped, removed, or not made yet",
                                path.string(), std::strerror(code)));
}

TarReader::TarReader(std::string_view bytes, const std::string& name)
    : archive_(std::make_unique<Archive>(name, static_cast<std::int64_t>(bytes.size()))) {
  if (bytes.empty()) archive_->fail("it is empty");
  archive_->check(archive_read_open_memory(archive_->tar, bytes.data(), bytes.size()));
}

TarReader::~TarReader() = default;
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;

std::optional<TarMember> TarReader::next() {
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(archive_->tar, &entry);
  if (result == ARCHIVE_EOF) {
    archive_->check_end();
    return std::nullopt;
  }
  archive_->check(result);
  return archive_->member(entry);
}

std::string TarReader::bytes() {
  std::string content(static_cast<std::size_t>(std::exchange(archive_->left, 0)), '\0');
  std::size_t done = 0;
  while (done < content.size()) {
    const auto got = archive_read_data(archive_->tar, content.data() + done, content.size() - done);
    archive_->check(got);
    if (got == 0) archive_->fail("a member ends early");
    done += static_cast<std::size_t>(got);
  }
  return content;
}

std::vector<TarMember> list_tar(const std::filesystem::path& path) {
  std::vector<TarMember> members;
  TarReader reader(path);
  while (auto member = reader.next()) members.push_back(std::move(*member));
  return members;
}

}  // namespace trireme
