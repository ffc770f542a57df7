// ShardStore: the shards of an output folder: which are sealed, what is recorded of the others, and
// how one becomes sealed. A handle on names; every process has its own, and all of them may do the
// same at the same time. Knows no model and no job.
//
//   OUT/000042.json                the manifest: the shard is sealed
//   OUT/000042.tar                 container kTar: its samples
//   OUT/00042/00042000.png         container kFiles: a file a sample, in OUT itself if there is but
//                                  one shard
//   OUT/.trireme/000042/*.journal  what is recorded before it is sealed; gone afterwards
//   OUT/.trireme/sealed/000042     sizes and dates as they were when its hashes were last true, or
//                                  "damaged INDEX ...": samples that are to be made again
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/output/file_system.h"
#include "src/output/journal.h"
#include "src/output/manifest.h"
#include "src/output/shards.h"

namespace trireme {

struct StoreOptions {
  enum class Container { kFiles, kTar };
  Container container = Container::kFiles;
  std::string extension = "png";
  std::int64_t shard_size = 1000;
  std::int64_t files = 0;  // of the whole job
  std::function<std::int64_t(std::int64_t position)> index_of;
  // Nothing for a file of another job.
  std::function<std::optional<std::int64_t>(std::int64_t index)> position_of;
};

class ShardStore {
 public:
  using Records = std::map<std::int64_t, SampleRecord>;  // by position

  ShardStore(FileSystem& files, std::filesystem::path path, StoreOptions options);

  const Shards& shards() const { return shards_; }
  bool is_tar() const { return options_.container == StoreOptions::Container::kTar; }
  std::int64_t position_of(std::int64_t index) const { return *options_.position_of(index); }
  std::string file_name(std::int64_t index) const;  // relative to OUT, or in the tar
  std::filesystem::path file_for(std::int64_t index) const { return path_ / file_name(index); }
  std::filesystem::path work_folder() const { return path_ / ".trireme"; }
  std::filesystem::path manifest_path(std::int64_t place) const;
  std::filesystem::path tar_path(std::int64_t place) const;

  // Looks through all manifests and takes those back that do not match what they promise, with what
  // is damaged, so that it is made again, alone. Of files that look as they did when their hashes
  // were true, sizes and dates are enough. Names of the files that were taken back.
  std::vector<std::string> take_back_what_is_damaged();
  // What somebody else found to be damaged: the next look compares hashes, and takes these samples,
  // which hashes do not tell, for missing.
  void suspect(std::int64_t place, const std::vector<std::int64_t>& indices) const;

  bool is_sealed(std::int64_t place) const;
  // Of a sealed shard: from its note if that is there, else from its manifest.
  Verdicts verdicts(std::int64_t place) const;
  Manifest manifest(std::int64_t place) const;
  // What is durable of a shard that is not sealed.
  Records recorded(std::int64_t place) const;
  // The same at a glance, for those who only want to know how far it is: no file is hashed and no
  // journal checked, so it costs little however much is recorded.
  Records glance(std::int64_t place) const;
  // Seals the shard if all of it is recorded; whether it is sealed now. Removes what is left of the
  // work on it, also where another sealed it.
  bool seal(std::int64_t place) const;

  // A new journal of the shard, the next of this writer's, whose name is this process's own.
  JournalWriter open_journal(std::int64_t place, const std::string& writer) const;
  // A sample's place in its container, made ready: the folder is there.
  void make_folder_for(std::int64_t index) const;

 private:
  bool has_sub_folders() const { return options_.files > options_.shard_size; }
  std::filesystem::path sample_folder(std::int64_t place) const;
  std::filesystem::path journal_folder(std::int64_t place) const;
  std::filesystem::path note_path(std::int64_t place) const;
  std::int64_t number(std::int64_t place) const { return shards_[place].number; }

  struct Journaled;
  std::map<std::int64_t, Journaled> journaled(std::int64_t place) const;
  void adopt_files(std::int64_t place, Records& records) const;
  std::optional<Manifest> make_tar(std::int64_t place) const;
  std::optional<Manifest> gather_files(std::int64_t place) const;
  void clean_up(std::int64_t place) const;

  std::string looks_of(const Manifest& manifest, std::int64_t place) const;
  void write_note(const Manifest& manifest, std::int64_t place) const;
  bool looks_as_noted(std::int64_t place) const;
  bool is_of(const Manifest& manifest, std::int64_t place) const;
  void remove_suspects(std::int64_t place) const;
  std::vector<std::string> take_back(std::int64_t place);
  std::vector<std::string> take_back_files(const Manifest& manifest, std::int64_t place);
  std::vector<std::string> take_back_tar(std::int64_t place);
  void take_away_tar(std::int64_t place) const;

  FileSystem& files_;
  std::filesystem::path path_;
  StoreOptions options_;
  Shards shards_;
};

// The hash of a file's bytes, in hex, and how many there are.
struct FileSum {
  std::string sha256;
  std::int64_t bytes = 0;
};
FileSum sum_of_file(FileSystem& files, const std::filesystem::path& path);

}  // namespace trireme
