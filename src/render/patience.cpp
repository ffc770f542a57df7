#include "src/render/patience.h"

#include <algorithm>

#include "src/report/report.h"

namespace trireme {
namespace {

constexpr double kForgets = 0.9;  // a slow turn counts for a while

}  // namespace

void Patience::turn_ended() {
  const double now = steady_seconds();
  if (last_turn_ > 0)
    seconds_of_a_turn_ = std::max(seconds_of_a_turn_ * kForgets, now - last_turn_);
  last_turn_ = now;
}

bool Patience::has_time_for(int64_t turns) {
  const double now = steady_seconds();
  if (!stop_by_) stop_by_ = now + seconds_to_stop_();
  return now + static_cast<double>(turns) * seconds_of_a_turn_ <= *stop_by_;
}

}  // namespace trireme
