#include "src/output/journal.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/file_error.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view kMagic = "TRJ1";
constexpr std::int64_t kHead = 4 + 4 + 8 + 4;
constexpr std::int64_t kLongestRecord = 1 << 20;
constexpr std::size_t kBlock = 1 << 20;

void put(std::string& bytes, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint64_t get(std::string_view bytes, std::size_t at, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)])}
             << (8 * i);
  return value;
}

// Of no bytes at no address zlib gives the value to begin with.
std::uint32_t crc_of(std::string_view bytes, std::uint32_t before) {
  if (bytes.empty()) return before;
  return static_cast<std::uint32_t>(
      crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string dumped(const SampleRecord& record) {
  return to_json(record).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// A file of which some may be missing at the end.
class Bytes {
 public:
  Bytes(FileSystem& files, const fs::path& path)
      : files_(files), path_(path), descriptor_(retried([&] { return files.open_to_read(path); })) {
    if (descriptor_ < 0 && descriptor_ != -ENOENT) raise_file_error(path, "opening", descriptor_);
  }
  ~Bytes() {
    if (descriptor_ >= 0) files_.close(descriptor_);
  }
  Bytes(const Bytes&) = delete;

  std::string at(std::int64_t at, std::int64_t count) const {
    std::string bytes(static_cast<std::size_t>(count), '\0');
    std::size_t got = 0;
    while (descriptor_ >= 0 && got < bytes.size()) {
      const auto more = retried([&] {
        return files_.read(descriptor_, std::span(bytes).subspan(got),
                           at + static_cast<std::int64_t>(got));
      });
      if (more < 0) raise_file_error(path_, "reading", more);
      if (more == 0) break;
      got += static_cast<std::size_t>(more);
    }
    bytes.resize(got);
    return bytes;
  }

  std::uint32_t crc(std::int64_t begin, std::int64_t count, std::uint32_t before) const {
    while (count > 0) {
      const auto bytes = at(begin, std::min<std::int64_t>(count, kBlock));
      if (bytes.empty()) break;
      before = crc_of(bytes, before);
      begin += static_cast<std::int64_t>(bytes.size());
      count -= static_cast<std::int64_t>(bytes.size());
    }
    return before;
  }

 private:
  FileSystem& files_;
  const fs::path& path_;
  std::int64_t descriptor_;
};

struct Frame {
  JournalEntry entry;
  std::int64_t end;
};

std::optional<Frame> frame_at(const Bytes& bytes, std::int64_t begin, std::int64_t end,
                              bool checks = true) {
  const auto head = bytes.at(begin, kHead);
  if (head.size() < static_cast<std::size_t>(kHead) || !head.starts_with(kMagic)) return {};
  const auto record_bytes = static_cast<std::int64_t>(get(head, 4, 4));
  const auto member_bytes = static_cast<std::int64_t>(get(head, 8, 8));
  const auto record_at = begin + kHead, members_at = record_at + record_bytes;
  if (record_bytes > kLongestRecord || member_bytes < 0 || members_at > end ||
      member_bytes > end - members_at)
    return {};
  const auto record = bytes.at(record_at, record_bytes);
  if (checks && bytes.crc(members_at, member_bytes, crc_of(record, 0)) != get(head, 16, 4))
    return {};
  try {
    return Frame{{record_from(ordered_json::parse(record)), members_at}, members_at + member_bytes};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

}  // namespace

JournalWriter::JournalWriter(FileSystem& files, fs::path path)
    : files_(&files),
      path_(std::move(path)),
      descriptor_(retried([&] { return files_->create(path_); })) {
  if (descriptor_ < 0) raise_file_error(path_, "creating", descriptor_);
}

JournalWriter::~JournalWriter() {
  if (descriptor_ >= 0) files_->close(descriptor_);
}

JournalWriter::JournalWriter(JournalWriter&& other) noexcept
    : files_(other.files_),
      path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      is_named_(other.is_named_),
      waiting_(std::move(other.waiting_)) {}

void JournalWriter::append(const SampleRecord& record, std::string_view members) {
  const auto text = dumped(record);
  if (text.size() > static_cast<std::size_t>(kLongestRecord))
    throw Error(Exit::kBug,
                fmt::format("[{}] the record of sample {} has {} bytes -> {} at most -> "
                            "a reason that is not for people",
                            path_.string(), record.index, text.size(), kLongestRecord));
  waiting_ += kMagic;
  put(waiting_, text.size(), 4);
  put(waiting_, members.size(), 8);
  put(waiting_, crc_of(members, crc_of(text, 0)), 4);
  waiting_ += text;
  waiting_ += members;
}

// What could not be written whole is followed by nothing more.
void JournalWriter::sync() {
  std::string_view bytes = waiting_;
  while (!bytes.empty()) {
    const auto written = retried([&] { return files_->write(descriptor_, bytes); });
    if (written < 0) raise_file_error(path_, "writing", written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  waiting_.clear();
  auto result = retried([&] { return files_->sync(descriptor_); });
  // Its name goes to the disk with its first frames.
  if (result == 0 && !std::exchange(is_named_, true)) {
    result = retried([&] { return files_->sync_folder(path_.parent_path()); });
    if (result == -ENOENT) result = 0;  // another sealed the shard and removed what led there
  }
  if (result < 0) raise_file_error(path_, "writing", result);
}

std::vector<JournalEntry> read_journal(FileSystem& files, const fs::path& path) {
  std::vector<JournalEntry> entries;
  const auto end = status_of(files, path).bytes;
  const Bytes bytes(files, path);
  std::int64_t at = 0;
  while (auto frame = frame_at(bytes, at, end)) {
    entries.push_back(std::move(frame->entry));
    at = frame->end;
  }
  return entries;
}

std::vector<SampleRecord> glance_at_journal(FileSystem& files, const fs::path& path) {
  std::vector<SampleRecord> records;
  const auto end = files.status(path).bytes;
  const Bytes bytes(files, path);
  std::int64_t at = 0;
  while (auto frame = frame_at(bytes, at, end, /*checks=*/false)) {
    records.push_back(std::move(frame->entry.record));
    at = frame->end;
  }
  return records;
}

std::string read_members(FileSystem& files, const fs::path& path, std::int64_t at,
                         std::int64_t bytes) {
  return Bytes(files, path).at(at, bytes);
}

}  // namespace trireme
