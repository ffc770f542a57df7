// Patience: once somebody wants a run to stop, whether there is time to finish the batch in flight.
// Goes by how long turns took until then; the time counts from the first question.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace trireme {

class Patience {
 public:
  // `seconds_to_stop`: asked once, with the first question.
  explicit Patience(std::function<double()> seconds_to_stop)
      : seconds_to_stop_(std::move(seconds_to_stop)) {}

  void turn_ended();
  bool has_time_for(int64_t turns);

 private:
  std::function<double()> seconds_to_stop_;
  double last_turn_ = 0;  // when it ended; 0: none has
  double seconds_of_a_turn_ = 0;
  std::optional<double> stop_by_;
};

}  // namespace trireme
