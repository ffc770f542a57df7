// Journal: the samples of one shard that one process is done with, in the order in which it was. A
// frame a sample: its record and, where the shard becomes a tar, its members' bytes. What was
// synced stays; a frame that a kill or a power cut left half-written ends the journal, and so costs
// what was in flight. Of several journals of a shard any may hold a sample: the bytes are the same.
//
//   frame: "TRJ1" | bytes of the record | bytes of the members | CRC-32 of both | record (JSON) |
//          members; integers of 32, 32, 64 and 32 bits, little-endian
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "src/output/file_system.h"
#include "src/output/record.h"

namespace trireme {

class JournalWriter {
 public:
  // A new journal; its folder must be there.
  JournalWriter(FileSystem& files, std::filesystem::path path);
  ~JournalWriter();
  JournalWriter(JournalWriter&& other) noexcept;

  void append(const SampleRecord& record, std::string_view members);
  void sync();  // what was appended is there after a power cut

 private:
  FileSystem* files_;
  std::filesystem::path path_;
  std::int64_t descriptor_;
  bool is_named_ = false;  // also after a power cut
  std::string waiting_;    // appended, not written
};

struct JournalEntry {
  SampleRecord record;
  std::int64_t at = 0;  // of the members, in the file
};

// The entries whose frames are whole and true, up to the first that is not. A journal that is gone
// by now has none.
std::vector<JournalEntry> read_journal(FileSystem& files, const std::filesystem::path& path);

// Its records alone, of any size of members, for those who only want to know how far it is: not
// checked, but for their lengths.
std::vector<SampleRecord> glance_at_journal(FileSystem& files, const std::filesystem::path& path);

// So many bytes of the members of an entry; fewer where the journal is gone by now.
std::string read_members(FileSystem& files, const std::filesystem::path& path, std::int64_t at,
                         std::int64_t bytes);

}  // namespace trireme
