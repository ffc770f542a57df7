#include "src/render/batches.h"

#include <algorithm>

#include "parallel/error.h"
#include "src/config/text.h"

namespace trireme {
namespace {

constexpr size_t kLongestReason = 1000;  // a row may be of any length

// The batch that still has room for this recipe, a new one if there is none.
Batch& batch_for(std::vector<Batch>& batches, const Recipe& recipe, int64_t batch_size) {
  const auto last = std::find_if(batches.rbegin(), batches.rend(),
                                 [&](const Batch& batch) { return batch.recipe == recipe; });
  if (last != batches.rend() && static_cast<int64_t>(last->samples.size()) < batch_size)
    return *last;
  batches.push_back({.samples = {}, .recipe = recipe, .recorded = {}});
  return batches.back();
}

}  // namespace

PortionBatches batches_of(const Inputs& inputs, const Portion& portion, int64_t batch_size,
                          const std::vector<bool>& recorded) {
  PortionBatches out;
  for (auto position = portion.first; position < portion.end; ++position) {
    const bool is_recorded = recorded[static_cast<size_t>(position - portion.first)];
    auto [sample, recipe, problem] = inputs.read(position);
    if (problem.empty()) {
      auto& batch = batch_for(out.batches, recipe, batch_size);
      batch.samples.push_back(std::move(sample));
      batch.recorded.push_back(is_recorded);
    } else if (inputs.job().output.on_error == OnError::kStop) {
      throw Error(Exit::kBadData, problem);
    } else if (!is_recorded) {
      out.failed.push_back({.index = inputs.index(position),
                            .verdict = Verdict::kFailed,
                            .code = "bad_row",
                            .reason = shorten(problem, kLongestReason)});
    }
  }
  inputs.let_go();  // a file of rows may be larger than memory
  std::erase_if(out.batches, [](const Batch& batch) {
    return std::find(batch.recorded.begin(), batch.recorded.end(), false) == batch.recorded.end();
  });
  return out;
}

}  // namespace trireme
