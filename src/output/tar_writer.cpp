#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "parallel/error.h"
#include "src/output/tar.h"

namespace trireme {
namespace {

constexpr std::size_t kLongestName = 100;  // what an ustar header holds without splitting it

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

// KEY.EXTENSION, of which the extension may have dots of its own.
void check_name(std::string_view name) {
  std::string_view rest = name;
  std::size_t words = 0;
  bool good = name.size() <= kLongestName;
  for (bool more = true; good && more; ++words) {
    const auto dot = rest.find('.');
    good = is_word(rest.substr(0, dot));
    more = dot != std::string_view::npos;
    rest.remove_prefix(more ? dot + 1 : rest.size());
  }
  if (good && words > 1) return;
  throw Error(Exit::kBug, fmt::format("[tar] a member named `{}` -> KEY.EXTENSION of letters, "
                                      "digits, - and _ -> ids of users are data, never names",
                                      name));
}

using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

Entry entry_of(std::string_view name, std::string_view bytes) {
  Entry entry(archive_entry_new(), archive_entry_free);
  if (!entry) throw std::bad_alloc();
  archive_entry_set_pathname(entry.get(), std::string(name).c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  return entry;
}

}  // namespace

struct TarWriter::Archive {
  Sink sink;
  std::string pending;  // what libarchive gave and the sink has not seen
  std::int64_t seen = 0;
  archive* tar = archive_write_new();

  explicit Archive(Sink to) : sink(std::move(to)) {
    if (tar == nullptr) throw std::bad_alloc();
    check(archive_write_set_format_ustar(tar), "open");
    check(archive_write_set_bytes_per_block(tar, 0), "open");  // hands bytes on as they come
    check(archive_write_open(tar, this, nullptr, take, nullptr), "open");
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;
  ~Archive() { archive_write_free(tar); }

  // Exceptions may not cross libarchive's C frames, so the sink is called later, by hand_on.
  static la_ssize_t take(archive*, void* self, const void* bytes, std::size_t length) {
    try {
      static_cast<Archive*>(self)->pending.append(static_cast<const char*>(bytes), length);
      return static_cast<la_ssize_t>(length);
    } catch (const std::bad_alloc&) {
      return -1;
    }
  }

  void check(la_ssize_t result, std::string_view name) const {
    if (result >= ARCHIVE_OK) return;
    const char* message = archive_error_string(tar);
    throw Error(Exit::kBug, fmt::format("[tar: {}] {} -> what a plain ustar file holds -> a member "
                                        "of 8 GiB or more, or memory ran out",
                                        name, message != nullptr ? message : "no reason given"));
  }

  void hand_on() {
    seen += static_cast<std::int64_t>(pending.size());
    sink(std::exchange(pending, {}));
  }
};

TarWriter::TarWriter(Sink sink) : archive_(std::make_unique<Archive>(std::move(sink))) {}
TarWriter::~TarWriter() = default;
TarWriter::TarWriter(TarWriter&&) noexcept = default;
TarWriter& TarWriter::operator=(TarWriter&&) noexcept = default;

void TarWriter::member(std::string_view name, std::string_view bytes) {
  check_name(name);
  archive* tar = archive_->tar;
  archive_->pending.reserve(bytes.size() + 2 * kTarBlock);
  archive_->check(archive_write_header(tar, entry_of(name, bytes).get()), name);
  archive_->check(archive_write_data(tar, bytes.data(), bytes.size()), name);
  archive_->check(archive_write_finish_entry(tar), name);
  archive_->hand_on();
}

void TarWriter::finish() {
  archive_->check(archive_write_close(archive_->tar), "end");
  archive_->hand_on();
}

std::int64_t TarWriter::size() const {
  return archive_->seen;
}

}  // namespace trireme
