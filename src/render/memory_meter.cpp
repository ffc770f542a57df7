#include "src/render/memory_meter.h"

#include <malloc.h>

#include <algorithm>
#include <numeric>

#include "src/weights/read_only_file.h"

namespace trireme {
namespace {

struct Component {
  Stage stage;
  bool Parts::*part;
};
constexpr Component kComponents[] = {{Stage::kEncode, &Parts::text},
                                     {Stage::kDenoise, &Parts::transformer},
                                     {Stage::kDecode, &Parts::vae}};

}  // namespace

MemoryMeter::MemoryMeter(TensorMemory memory, Group world)
    : memory_(std::move(memory)), world_(std::move(world)), program_bytes_(host_bytes()) {}

int64_t MemoryMeter::held() const {
  return std::accumulate(now_.begin(), now_.end(), int64_t{0},
                         [](int64_t sum, const auto& part) { return sum + part.second.allocated; });
}

void MemoryMeter::hold(Pipeline& pipeline, const Parts& parts) {
  for (const auto& [stage, part] : kComponents) {
    if (parts.*part) continue;
    parts_.*part = false;
    now_.erase(stage);
  }
  pipeline.hold(parts_);
  malloc_trim(0);  // what a stage used and freed is the next one's
  for (const auto& [stage, part] : kComponents) {
    if (!(parts.*part) || parts_.*part) continue;
    parts_.*part = true;
    const auto allocated = memory_.bytes(), mapped = ReadOnlyFile::mapped_bytes();
    memory_.mark();
    pipeline.hold(parts_);
    load_peak_ = std::max(load_peak_, memory_.peak() - memory_.bytes());
    known_[stage] =
        now_[stage] = {memory_.bytes() - allocated, ReadOnlyFile::mapped_bytes() - mapped};
  }
}

void MemoryMeter::left(std::optional<Stage> stage) {
  if (stage) {
    auto& most = most_[*stage];
    const auto buffers = world_.under_way().peak;
    most.buffers = std::max(most.buffers, buffers);
    most.activations = std::max(most.activations, memory_.peak() - held() - buffers);
  }
  memory_.mark();
  world_.under_way().mark();
}

void MemoryMeter::fill(RankReport& report) const {
  report.program_bytes = program_bytes_;
  report.load_peak_bytes = load_peak_;
  for (const auto& [stage, part] : kComponents) {
    auto& told = report.stages[stage_name(stage)];
    if (const auto at = known_.find(stage); at != known_.end())
      told.weights_bytes = at->second.allocated + at->second.mapped;
    if (const auto at = most_.find(stage); at != most_.end()) {
      told.activations_bytes = at->second.activations;
      told.buffers_bytes = at->second.buffers;
    }
  }
}

}  // namespace trireme
