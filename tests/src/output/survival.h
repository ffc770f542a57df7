// Survival: a small job brought to its end from every disk that an accident can leave, and what
// must hold then and at each instant before. Disks that were seen before are not gone on with
// again.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/src/output/small_job.h"
#include "tests/support/model_disk.h"

namespace trireme {

class Survival {
 public:
  explicit Survival(SmallJob job, bool has_links = true);

  // Files that are damaged from the start, with their shards: not held against a run until it has
  // made them again.
  void excuse(const std::string& file, const std::string& bytes) { excused_[file] = bytes; }

  const std::map<std::string, std::string>& expected() const { return expected_; }
  const ModelDisk& nothing() const { return nothing_; }  // an empty disk
  // A disk on which the job is done.
  const ModelDisk& done() const { return done_; }

  // How many calls a run makes from here on.
  std::int64_t calls_from(const ModelDisk& disk);
  // Kills at call n of a run, and the power cuts there: all disks that may be left.
  std::vector<ModelDisk> after_kill_at(const ModelDisk& start, Fault fault);
  // A run with an error at one call: it ends well, or says why with exit code 74.
  ModelDisk after_error_at(const ModelDisk& start, Fault fault);
  // What is on this disk is good so far, and the job can be brought to its end from it. False where
  // that is known already.
  bool settle(const ModelDisk& disk);
  // Runs that were broken off before the next one, which so has a name of its own.
  void count_runs(int more) { runs_ += more; }

  void check_so_far(const ModelDisk& disk);
  void check_done(const ModelDisk& disk);
  void check_nothing_is_left(const ModelDisk& disk);
  void problem(const std::string& what);
  void count_state() { ++states_; }
  void set_context(const std::string& context) { context_ = context; }

  const SmallJob& job() const { return job_; }
  std::int64_t states() const { return states_; }
  std::size_t different() const { return settled_.size(); }
  const std::set<std::string>& problems() const { return problems_; }

 private:
  bool run_on(ModelDisk& disk);
  void check_manifest(const ModelDisk& disk, const std::string& path);

  SmallJob job_;
  std::map<std::string, std::string> expected_, excused_;
  ModelDisk nothing_, done_;
  std::set<std::size_t> settled_;
  std::int64_t states_ = 0;
  int runs_ = 0;
  std::string context_;
  std::set<std::string> problems_;
};

}  // namespace trireme
