#include "src/render/job_output.h"

#include <algorithm>

#include "src/output/commit.h"
#include "src/output/writer.h"
#include "src/render/identity.h"
#include "src/report/report.h"

namespace trireme {
namespace {

ShardStore open_store(FileSystem& disk, const Inputs& inputs, const Machine& machine,
                      std::string& fingerprint, std::vector<std::string>& damaged) {
  const std::filesystem::path out = inputs.job().output.path.resolved;
  ShardStore store(disk, out, inputs.store_options());
  if (machine.world.rank() == kSpeaker) {
    const auto identity = identity_of(inputs, machine, disk);
    begin_output(disk, out, identity.output);
    note_hashes(inputs, identity, disk);
    fingerprint = identity.output.fingerprint;
    damaged = store.take_back_what_is_damaged();
  }
  machine.world.barrier();  // nobody looks before it is there
  return store;
}

}  // namespace

JobOutput::JobOutput(const Inputs& inputs, const Machine& machine, int64_t batch_size)
    : path(inputs.job().output.path.resolved),
      store(open_store(disk, inputs, machine, fingerprint, damaged)),
      claims(disk, store.work_folder() / "claims",
             {.writer = this_writer(), .now = steady_seconds}),
      portion_size(
          trireme::portion_size(inputs.file_count(), inputs.job().output.shard_size, batch_size)) {}

Verdicts JobOutput::verdicts() const {
  Verdicts sum;
  for (int64_t place = 0; place < store.shards().size(); ++place) {
    if (store.is_sealed(place)) {
      sum.add(store.verdicts(place));
    } else {
      for (const auto& [position, record] : store.glance(place)) sum.add(record.verdict);
    }
  }
  return sum;
}

namespace {

// Portions that are said to be done and are not all recorded are free again.
void reopen(const JobOutput& output, Claims& claims, int64_t place) {
  const auto records = output.store.recorded(place);
  for (const auto& portion : portions_of(output.store.shards(), place, output.portion_size)) {
    const auto recorded =
        std::distance(records.lower_bound(portion.first), records.lower_bound(portion.end));
    if (recorded < portion.size()) claims.reopen(portion_name(output.store.shards(), portion));
  }
}

Rest rest_of_shard(const JobOutput& output, Claims& claims, int64_t place,
                   const std::map<std::string, Claims::State>& states) {
  bool held = false;
  for (const auto& portion : portions_of(output.store.shards(), place, output.portion_size)) {
    const auto state = states.find(portion_name(output.store.shards(), portion));
    if (state == states.end() || state->second == Claims::State::kFree) return Rest::kSomeFree;
    held |= state->second == Claims::State::kHeld;
  }
  if (held) return Rest::kHeld;
  if (output.store.seal(place)) {
    claims.forget(shard_name(output.store.shards()[place].number) + ".");
    return Rest::kComplete;
  }
  reopen(output, claims, place);
  return Rest::kSomeFree;
}

}  // namespace

Rest rest_of(const JobOutput& output, Claims& claims) {
  const auto states = claims.look();
  auto rest = Rest::kComplete;
  for (int64_t place = 0; place < output.store.shards().size(); ++place) {
    if (output.store.is_sealed(place)) continue;
    const auto of_shard = rest_of_shard(output, claims, place, states);
    if (of_shard == Rest::kSomeFree) return of_shard;
    if (of_shard == Rest::kHeld) rest = of_shard;
  }
  if (rest == Rest::kComplete) claims.forget("");
  return rest;
}

}  // namespace trireme
