#include "parallel/plan/talk.h"

#include <algorithm>
#include <cmath>

namespace trireme {
namespace {

double collective_rate(const Link& link) {
  return link.collective > 0 ? link.collective : link.rate;
}

// Between two numbers of ranks in a line of logarithms; beyond them as at the end.
double all_to_all_rate(const Link& link, int ranks) {
  if (link.all_to_all.empty()) return collective_rate(link);
  const auto above = link.all_to_all.lower_bound(ranks);
  if (above == link.all_to_all.end()) return link.all_to_all.rbegin()->second;
  if (above->first == ranks || above == link.all_to_all.begin()) return above->second;
  const auto below = std::prev(above);
  const double part = std::log(static_cast<double>(ranks) / below->first) /
                      std::log(static_cast<double>(above->first) / below->first);
  return below->second * std::pow(above->second / below->second, part);
}

double count_on(const std::vector<int>& nodes, int node) {
  return static_cast<double>(std::count(nodes.begin(), nodes.end(), node));
}

}  // namespace

Talk::Talk(const Cluster& cluster, const std::vector<int>& nodes, const std::vector<int>& at_once)
    : ranks_(static_cast<int>(nodes.size())) {
  if (ranks_ < 2) return;
  const int node = nodes.front();
  const auto& inside = cluster.nodes[node].link;
  latency_ = inside.latency;
  hidden_ = inside.hidden;
  collective_ = collective_rate(inside);
  pass_on_ = inside.rate;
  all_to_all_ = all_to_all_rate(inside, ranks_);
  if (node == nodes.back()) return;
  // A ring of ranks leaves a node once; an all-to-all as often as there are ranks on it.
  const auto& between = cluster.between;
  const double here = count_on(nodes, node), all = count_on(at_once, node);
  const double rings = all / here, leaving = (ranks_ - here) / (ranks_ - 1);
  const double trading = all_to_all_rate(between, ranks_);
  // One connection need not fill the link: what several reach is known from the fastest kind.
  const double link = std::max({between.rate, collective_rate(between), trading});
  latency_ = std::max(latency_, between.latency);
  hidden_ = std::min(hidden_, between.hidden);
  collective_ = std::min({collective_, collective_rate(between), link / rings});
  pass_on_ = std::min({pass_on_, between.rate, link / rings});
  const double out = trading / (all * leaving);
  all_to_all_ = here > 1 ? std::min(all_to_all_, out) : out;
}

double Talk::reduce_or_gather(double bytes) const {
  return alone() ? 0 : latency_ + bytes / collective_;
}

double Talk::all_to_all(double bytes) const {
  return alone() ? 0 : latency_ + bytes / all_to_all_;
}

double Talk::pass_on(double bytes) const {
  return alone() ? 0 : latency_ + bytes / pass_on_;
}

double side_by_side(double a, double b, double hidden) {
  return std::max(a, b) + (1 - hidden) * std::min(a, b);
}

}  // namespace trireme
