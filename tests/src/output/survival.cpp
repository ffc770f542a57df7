#include "tests/src/output/survival.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "parallel/error.h"
#include "src/output/commit.h"

namespace trireme {
namespace {

constexpr std::size_t kMostProblems = 40;

std::string described(const Fault& fault) {
  const char* kinds[] = {"none", "error", "late error", "short", "kill", "torn kill", "full"};
  return fmt::format("{} {} at {}", kinds[static_cast<int>(fault.kind)], fault.error, fault.at);
}

}  // namespace

Survival::Survival(SmallJob job, bool has_links) : job_(std::move(job)) {
  if (!has_links) done_.forbid_links();
  nothing_ = done_;
  run_on(done_);
  expected_ = visible(done_.contents());
  done_.restart();
}

void Survival::problem(const std::string& what) {
  if (problems_.size() < kMostProblems) problems_.insert(context_ + ": " + what);
}

// A writer of a name of its own each time: that of a process that is dead by the next time. Whether
// it went to its end.
bool Survival::run_on(ModelDisk& disk) {
  if (!expected_.empty())
    disk.watch([this](const ModelDisk& now, const std::string& path) {
      if (is_visible(path)) check_so_far(now);
    });
  run(job_, disk, dead_writer(runs_));
  disk.watch({});
  return !disk.is_killed();
}

std::int64_t Survival::calls_from(const ModelDisk& start) {
  auto disk = start;
  disk.fail({});
  run_on(disk);
  return disk.calls();
}

// Visible means complete; a manifest that is there is kept.
void Survival::check_so_far(const ModelDisk& disk) {
  disk.for_each_file([&](const std::string& path, const std::string& bytes) {
    if (!is_visible(path)) return;
    const auto wanted = expected_.find(path);
    const auto excused = excused_.find(path);
    if (excused != excused_.end() && excused->second == bytes) return;
    if (wanted == expected_.end() || wanted->second != bytes)
      problem(fmt::format("{} is visible with {} bytes", path, bytes.size()));
    check_manifest(disk, path);
  });
}

// OUT/000001.json promises OUT/00001/... or OUT/000001.tar.
void Survival::check_manifest(const ModelDisk& disk, const std::string& path) {
  const auto stem = path.substr(0, path.size() - 5);
  if (!path.ends_with(".json") || !expected_.contains(path) || stem.find("/00") == stem.npos)
    return;
  const auto folder = kOut + "/" + stem.substr(kOut.size() + 2) + "/";
  for (const auto& [file, bytes] : expected_)
    if ((file == stem + ".tar" || file.starts_with(folder)) && !disk.has(file) &&
        !excused_.contains(file))
      problem(fmt::format("{} is there without {}", path, file));
}

std::vector<ModelDisk> Survival::after_kill_at(const ModelDisk& start, Fault fault) {
  auto disk = start;
  disk.fail(fault);
  context_ = described(fault);
  try {
    run_on(disk);
  } catch (const Killed&) {
  } catch (const Error& error) {
    if (!disk.is_killed()) problem(error.what());
  }
  disk.watch({});
  context_ += " " + disk.last_call();
  if (fault.kind == Fault::Kind::kTornKill && !disk.is_killed()) return {};  // no write
  auto disks = disk.after_power_cuts();
  disk.restart();
  disks.push_back(std::move(disk));
  return disks;
}

ModelDisk Survival::after_error_at(const ModelDisk& start, Fault fault) {
  auto disk = start;
  disk.fail(fault);
  const bool must_go_on = fault.error == EINTR || fault.kind == Fault::Kind::kShort;
  context_ = described(fault);
  try {
    run_on(disk);
    context_ += " " + disk.last_call();
    check_done(disk);
  } catch (const Error& error) {
    context_ += " " + disk.last_call();
    const bool names = std::string(error.what()).starts_with("[/");
    if (must_go_on || error.exit() != Exit::kInputOutput || !names)
      problem(fmt::format("exit {}: {}", static_cast<int>(error.exit()), error.what()));
  }
  disk.watch({});
  disk.restart();
  return disk;
}

bool Survival::settle(const ModelDisk& left) {
  ++states_;
  if (!settled_.insert(left.fingerprint()).second) return false;
  const auto context = std::exchange(context_, context_ + ", then on");
  auto disk = left;
  check_so_far(disk);
  ++runs_;
  try {
    run_on(disk);
    check_done(disk);
    check_nothing_is_left(disk);
  } catch (const Error& error) {
    problem(error.what());
  }
  --runs_;
  context_ = context;
  return true;
}

// All of it, also if the power goes now.
void Survival::check_done(const ModelDisk& disk) {
  if (visible(disk.contents()) != expected_) problem("not the same in the end");
  if (visible(disk.after_worst_power_cut().contents()) != expected_)
    problem("lost by a power cut after the end");
}

void Survival::check_nothing_is_left(const ModelDisk& disk) {
  const auto notes = kOut + "/.trireme/sealed/";
  for (const auto& [path, bytes] : disk.contents())
    if (!is_visible(path) && (!path.starts_with(notes) || path.find(".tmp-") != path.npos))
      problem(path + " is left");
  for (const auto& folder : disk.folders())
    if (folder.starts_with(kOut + "/.trireme/0")) problem(folder + " is left");
}

}  // namespace trireme
