// Engine: all of the program that stands on LibTorch and MPI, in libtrireme_engine.so. Loading it
// takes a third of a second, so it is loaded when there is something to do: help and mistakes in a
// job file are told at once.
#pragma once

#include "launch/commands.h"

namespace trireme {

// What the shared object offers: its one exported function, trireme_engine(), returns this table.
struct Engine {
  decltype(&render_command) render;
  decltype(&plan_command) plan;
  decltype(&learn_command) learn;
  decltype(&calibrate_command) calibrate;
  decltype(&bench_command) bench;
  decltype(&inspect_command) inspect;

  // Error (kBug) if the file beside the program is missing or broken.
  static const Engine& open();
};

}  // namespace trireme
