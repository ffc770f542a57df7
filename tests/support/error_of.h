// What a call refuses: its exit code and text, or "no error".
#pragma once

#include <string>

#include "parallel/error.h"

namespace trireme {

struct Refusal {
  Exit exit = Exit::kDone;
  std::string text = "no error";
};

template <class Call>
Refusal error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.exit(), error.what()};
  }
  return {};
}

}  // namespace trireme
