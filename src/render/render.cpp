#include "src/render/render.h"

#include <fmt/format.h>

#include <exception>

#include "parallel/out_of_memory.h"
#include "src/render/freed_memory.h"
#include "src/render/lanes.h"
#include "src/render/memory_note.h"
#include "src/render/renderer.h"
#include "src/render/set_up.h"
#include "src/render/settle.h"

namespace trireme {
namespace {

template <class Listener>
void tell(const Listener& listener, const std::string& line) {
  if (listener && !line.empty()) listener(line);
}

// Where no layout is smaller than what failed, that failure is what there is to tell.
Settled smaller(const Job& job, const Machine& machine, int64_t most_bytes,
                const std::exception_ptr& failure) {
  try {
    return settle(job, machine, most_bytes);
  } catch (const Error& error) {
    if (error.exit() == Exit::kUnavailable) std::rethrow_exception(failure);
    throw;
  }
}

// A place where it cannot be written is found before the work.
void check_trace(const Machine& machine, const RenderReports& reports) {
  if (!reports.trace.empty() && machine.world.rank() == kSpeaker)
    write_atomically(reports.trace, to_chrome_json(std::vector<ReplicaLanes>{}));
}

// For the next run: other ranks may hang in the middle of a message to this one, so none of them
// can go on.
[[noreturn]] void end_for_the_next_run(const Settled& settled) {
  note_memory(settled.job.output.path.resolved, to_string(settled.layout), settled.peak_bytes,
              settled.limit_bytes);
  throw Error(
      Exit::kTryElsewhere,
      fmt::format("[memory] an allocation failed with {} -> more memory, or smaller batches "
                  "or sizes -> run the same command again: it will take a layout that "
                  "needs less",
                  in_words(settled.layout)));
}

}  // namespace

Exit render(const Job& job, const Machine& machine, const RenderReports& reports) {
  const c10::InferenceMode inference;
  const auto wanted = for_device(job, machine.device);
  check_trace(machine, reports);
  auto settled = settle(wanted, machine);
  while (true) {
    tell(reports.choice, settled.choice);
    std::exception_ptr failure;
    try {
      const auto inputs =
          settled.inputs ? settled.inputs : std::make_shared<const Inputs>(settled.job);
      const auto exit = Renderer(*inputs, settled, machine, reports).run();
      if (exit == Exit::kDone && machine.world.rank() == kSpeaker)
        forget_memory(settled.job.output.path.resolved);
      return exit;
    } catch (...) {
      failure = std::current_exception();
      if (!is_out_of_memory(failure)) throw;
    }
    if (!machine.world.alone()) end_for_the_next_run(settled);
    give_back_freed_memory();
    // Alone it goes on with what is not there yet.
    const auto tried = in_words(settled.layout);
    settled = smaller(wanted, machine, settled.peak_bytes, failure);
    settled.ran_out = true;
    tell(reports.warning,
         fmt::format("[memory] an allocation failed with {} -> more memory -> goes "
                     "on with a layout that needs less",
                     tried));
  }
}

}  // namespace trireme
