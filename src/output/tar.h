// Tar files as WebDataset reads them: plain ustar, no time, no owner, mode 0644, so that the same
// members give the same bytes. No member makes a tar of two empty blocks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

// Writes members one after the other; owns the archive's state. When member() or finish() returns,
// the sink has seen every byte so far, a multiple of kTarBlock: the bytes of a member do not depend
// on those before it, so a file cut off behind any member may be gone on with by a new writer.
// Without finish() the tar is incomplete.
inline constexpr std::int64_t kTarBlock = 512;

class TarWriter {
 public:
  using Sink = std::function<void(std::string_view bytes)>;

  explicit TarWriter(Sink sink);
  ~TarWriter();
  TarWriter(TarWriter&&) noexcept;
  TarWriter& operator=(TarWriter&&) noexcept;

  // `name` is KEY.EXTENSION: of letters, digits, - and _; the key ends at the first dot, as
  // WebDataset cuts it. At most 8 GiB. kBug where the name is none or the bytes are too many.
  void member(std::string_view name, std::string_view bytes);
  void finish();

  // What the sink has seen.
  std::int64_t size() const;

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

struct TarMember {
  std::string name;
  std::int64_t offset = 0;  // of its content in the file
  std::int64_t size = 0;

  bool operator==(const TarMember&) const = default;
};

// Reads such a file from its begin to its end, a member at a time, without holding more than asked
// for. Whatever TarWriter would not have written gives kBadData: cut off, more behind the end,
// damaged headers, folders, links, extensions. Damage inside a content is for hashes to find.
// kMissingInput or kNoPermission where the file cannot be had.
class TarReader {
 public:
  explicit TarReader(const std::filesystem::path& path);
  // From memory, which must outlive this; `name` stands in messages.
  TarReader(std::string_view bytes, const std::string& name);
  ~TarReader();
  TarReader(TarReader&&) noexcept;
  TarReader& operator=(TarReader&&) noexcept;

  // The next member; nothing behind the last one.
  std::optional<TarMember> next();
  // The content of the member that next() gave last. To be asked for once.
  std::string bytes();

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

// All members, in order.
std::vector<TarMember> list_tar(const std::filesystem::path& path);

}  // namespace trireme
