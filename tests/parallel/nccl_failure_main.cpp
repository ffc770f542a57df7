// How a process really ends when its device waits for ever: two ranks as threads over NCCL's
// stand-in, of which rank 1 does not take part. `nccl_failure absent`, or `hangs`: the abort too.
#include "tests/support/nccl_stand_in.h"

int main(int argc, char** argv) {
  using namespace trireme;
  NcclStandIn machine(/*host_goes_on=*/true);
  machine.set({.abort_hangs = argc > 1 && std::string(argv[1]) == "hangs"});
  auto x = at::ones({4});
  run_nccl_ranks(2, machine,
                 [&](const auto& transport) {
                   if (transport->rank() == 0) transport->all_reduce(x);
                   std::this_thread::sleep_for(std::chrono::seconds(30));
                 },
                 {.deadline = std::chrono::milliseconds(500)});
}
