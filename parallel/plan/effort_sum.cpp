// How efforts add up (effort.h).
#include <algorithm>

#include "parallel/plan/effort.h"

namespace trireme {

void finish(Effort& effort, const Rates& rates) {
  const bool host_is_device = rates.host_to_device == 0;
  effort.late = host_is_device ? effort.launches
                               : std::max(effort.launches - effort.device() - effort.talk(), 0.0);
}

Effort& Effort::operator+=(const Effort& more) {
  products += more.products;
  weights += more.weights;
  attention += more.attention;
  convolutions += more.convolutions;
  element_wise += more.element_wise;
  launches += more.launches;
  sums += more.sums;
  gathers += more.gathers;
  trades += more.trades;
  exchange += more.exchange;
  passing += more.passing;
  unhidden += more.unhidden;
  late += more.late;
  flops += more.flops;
  sent.all_reduce += more.sent.all_reduce;
  sent.all_gather += more.sent.all_gather;
  sent.all_to_all += more.sent.all_to_all;
  sent.send += more.sent.send;
  return *this;
}

Effort operator*(double times, const Effort& e) {
  return {.products = times * e.products,
          .weights = times * e.weights,
          .attention = times * e.attention,
          .convolutions = times * e.convolutions,
          .element_wise = times * e.element_wise,
          .launches = times * e.launches,
          .sums = times * e.sums,
          .gathers = times * e.gathers,
          .trades = times * e.trades,
          .exchange = times * e.exchange,
          .passing = times * e.passing,
          .unhidden = times * e.unhidden,
          .late = times * e.late,
          .flops = static_cast<int64_t>(times * static_cast<double>(e.flops)),
          .sent = {.all_reduce = times * e.sent.all_reduce,
                   .all_gather = times * e.sent.all_gather,
                   .all_to_all = times * e.sent.all_to_all,
                   .send = times * e.sent.send}};
}

}  // namespace trireme
