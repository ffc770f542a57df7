// ModelDisk: a disk in memory for tests of what must survive anything. Names and bytes have two
// states each, what the system shows and what a power cut leaves: bytes become durable with sync(),
// names with sync_folder(). One call can be made to fail, to be cut short, or to be the last one
// of a process that is killed there; what is left can be looked at, cut from its power in
// every way, and gone on with. Deterministic, without threads of its own, cheap to copy.
//
// As strict as POSIX lets a disk be: unsynced names get to the disk in any order or not at all,
// unsynced bytes likewise, and a synced file needs its folder's sync to be found again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/output/file_system.h"

namespace trireme {

// Thrown by the call at which the process is killed; nothing but a test may catch it.
struct Killed {};

struct Fault {
  enum class Kind {
    kNone,
    kError,      // nothing happens, and `error` is told
    kLateError,  // it happens, and `error` is told all the same, as networks do
    kShort,      // a write takes half
    kKill,       // the process ends before the call
    kTornKill,   // the process ends when half of a write is done
    kFull,       // from here on nothing new fits: `error` from all that makes names or bytes
  };
  Kind kind = Kind::kNone;
  std::int64_t at = 0;  // number of the call, from 0
  int error = 0;
};

class ModelDisk : public FileSystem {
 public:
  // Called after each call that changes names or bytes, with the path.
  using Watch = std::function<void(const ModelDisk&, const std::string&)>;

  void fail(Fault fault);  // counts calls from here
  void watch(Watch watch) { watch_ = std::move(watch); }
  void forbid_links() { has_links_ = false; }
  std::int64_t calls() const { return calls_; }
  bool is_killed() const { return is_killed_; }
  // What the call of this number was: "sync /out/a".
  const std::string& last_call() const { return last_call_; }

  // The process is gone, the system is not: nothing is lost, nothing becomes durable. Hidden files
  // of this process get the name of a dead one.
  void restart();
  // All disks that a power cut may leave: each of the last few unsynced names separately, those
  // before all or none; with unsynced bytes lost, half there, zero and there. Where there are few
  // names this is every possibility.
  std::vector<ModelDisk> after_power_cuts() const;
  // Nothing that was not synced is left.
  ModelDisk after_worst_power_cut() const;

  std::map<std::string, std::string> contents() const;  // of all files, as they are seen
  void for_each_file(
      const std::function<void(const std::string& path, const std::string& bytes)>& see) const;
  std::vector<std::string> folders() const;
  bool has(const std::string& path) const { return names_.contains(path); }
  std::string content(const std::string& path) const;
  void damage(const std::string& path, const std::string& bytes);  // durably
  void lose(const std::string& path);                              // durably
  // Equal for disks on which the same happens next.
  std::size_t fingerprint() const;

  std::int64_t create(const Path& file) override;
  std::int64_t open_to_read(const Path& file) override;
  std::int64_t close(std::int64_t descriptor) override;
  std::int64_t write(std::int64_t descriptor, std::string_view bytes) override;
  std::int64_t read(std::int64_t descriptor, std::span<char> bytes, std::int64_t at) override;
  std::int64_t sync(std::int64_t descriptor) override;
  std::int64_t link(const Path& from, const Path& to) override;
  std::int64_t rename(const Path& from, const Path& to) override;
  std::int64_t remove(const Path& file) override;
  std::int64_t make_folder(const Path& folder) override;
  std::int64_t remove_folder(const Path& folder) override;
  std::int64_t sync_folder(const Path& folder) override;
  FileStatus status(const Path& path) override;
  FolderNames list(const Path& folder) override;

 private:
  struct Content {
    std::string text;
    std::size_t hash;
  };
  using Bytes = std::shared_ptr<const Content>;
  struct Node {
    bool is_folder = false;
    Bytes seen, durable;
  };
  using Names = std::map<std::string, std::size_t>;  // to nodes
  struct Change {                                    // of names: unsynced
    std::string from;                                // loses its node; or empty
    std::string to;                                  // gets the node; or empty
    std::size_t node;
  };
  struct Opened {
    std::size_t node;
    std::string path;
  };
  enum class Data { kLost, kHalf, kZero, kKept };

  template <class Effect>
  std::int64_t call(const char* what, const std::string& path, bool makes_more, Effect effect);
  void die();
  static Bytes bytes_of(std::string text);
  std::size_t add_node(bool is_folder);
  void change(Change change);
  bool is_folder(const std::string& path) const;
  ModelDisk cut(std::uint64_t kept, Data data) const;
  void keep_bytes(Data data);
  bool has_unsynced_bytes() const;
  static void apply(const Change& change, Names& names);
  static void drop_orphans(Names& names);

  std::vector<Node> nodes_;
  Names names_, durable_names_;
  std::vector<Change> changes_;
  std::vector<Opened> opened_;
  Fault fault_;
  std::int64_t calls_ = 0;
  bool is_killed_ = false;
  bool has_links_ = true;
  std::string last_call_;
  Watch watch_;
};

}  // namespace trireme
