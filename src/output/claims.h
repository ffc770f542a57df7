// Claims: which process works on which portion, told in a folder that all of them see. A claim
// saves work; nothing that must be right rests on it: two who make the same portion make the same
// bytes. Claims carry a counter, not a clock: whoever holds one moves it now and then, and one that
// has not moved for a while, as the onlooker's own steady clock has it, is taken over: that process
// is dead, cut off or stopped. One of this host that is dead is known to be so at once.
//
//   UNIT.3       the claim of generation 3: "WRITER COUNTER"; who creates the file holds the unit;
//   "-": let go of UNIT.done    all of it is recorded
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "src/output/file_system.h"
#include "src/output/writer.h"

namespace trireme {

struct ClaimOptions {
  std::string writer;  // who claims
  double seconds_to_live = 15;
  std::function<double()> now;  // steady
};

// A claim as an onlooker sees it, who takes none. Of a unit the last one counts.
struct ClaimSeen {
  std::string unit;
  std::string writer;
  std::string counter;
  Life life = Life::kUnknown;
};
// Those that are held, by whomever; none where there is no folder.
std::vector<ClaimSeen> claims_in(FileSystem& files, const std::filesystem::path& folder);

class Claims {
 public:
  // Makes the folder.
  Claims(FileSystem& files, std::filesystem::path folder, ClaimOptions options);
  ~Claims();  // lets go of what is held and not done
  Claims(const Claims&) = delete;

  enum class State { kFree, kHeld, kDone };
  // Of units as the folder tells them now; what is not named is free. kHeld by someone who may
  // live, or by us.
  std::map<std::string, State> look();
  // Makes the unit, which was free in the last look(), ours if nobody was quicker: which generation
  // of its claims that is, from 0.
  std::optional<std::int64_t> take(const std::string& unit);
  // All of the unit is recorded. May be called by a process other than the one that took it.
  void done(const std::string& unit);
  // The opposite, where it turns out that something is missing.
  void reopen(const std::string& unit);
  // Moves the counters of what we hold. To be called every few seconds, by any thread.
  void beat();
  // Forgets all units that begin so: their shard is sealed. With what beats that were broken off
  // left.
  void forget(const std::string& prefix);

 private:
  struct Seen {
    std::string text;
    double since = 0;
  };
  bool may_live(const std::string& name);
  bool is_gone(const std::string& name);
  void write(const std::string& name, const std::string& text);

  FileSystem& files_;
  std::filesystem::path folder_;
  ClaimOptions options_;
  std::mutex mutex_;
  std::int64_t counter_ = 0;
  std::set<std::string> held_;                      // names of our claims
  std::map<std::string, Seen> seen_;                // others' claims, as they last moved
  std::map<std::string, std::int64_t> generation_;  // the highest of each unit, at the last look
};

}  // namespace trireme
