// The engine's side of engine.h.
#include "launch/engine.h"

extern "C" const trireme::Engine* trireme_engine() {
  static constexpr trireme::Engine table = {
      .render = trireme::render_command,
      .plan = trireme::plan_command,
      .learn = trireme::learn_command,
      .calibrate = trireme::calibrate_command,
      .bench = trireme::bench_command,
      .inspect = trireme::inspect_command,
  };
  return &table;
}
