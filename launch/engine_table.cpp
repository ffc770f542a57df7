// The engine's side of engine.h.
#include "launch/engine.h"

extern "C" const trireme::Engine* trireme_engine() {
  static constexpr trireme::Engine table = {trireme::render_command, trireme::inspect_command};
  return &table;
}
