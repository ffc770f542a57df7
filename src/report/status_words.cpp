// A status as JSON and as text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "src/report/human.h"
#include "src/report/status.h"

namespace trireme {
namespace {

using nlohmann::ordered_json;

constexpr double kHour = 3600;
constexpr std::size_t kRanksShown = 16;  // that people are shown

template <class T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

const char* to_string(Life life) {
  return life == Life::kAlive ? "alive" : life == Life::kDead ? "dead" : "unknown";
}

ordered_json to_json(const RankStatus& rank) {
  return {{"rank", rank.rank},       {"host", rank.host},
          {"device", rank.device},   {"exit", or_null(rank.exit_code)},
          {"seconds", rank.seconds}, {"images_per_hour", or_null(rank.images_per_hour())}};
}

std::string rate_words(const std::optional<double>& images_per_hour) {
  return images_per_hour ? human_rate(*images_per_hour / kHour) : "rate not known";
}

std::string state_words(const Status& status) {
  if (status.complete()) return "complete";
  if (!status.at_work()) return "nobody is at work";
  const auto left = status.seconds_left();
  return "at work" + (left ? fmt::format(", {} left", human_duration(*left)) : "");
}

std::string rank_words(const RankStatus& rank, bool slowest) {
  const auto how = rank.exit_code ? fmt::format("ended with {}", *rank.exit_code)
                                  : fmt::format("heard of at {}", human_duration(rank.seconds));
  const auto rate = rank.images_per_hour() ? rate_words(rank.images_per_hour()) + ", " : "";
  return fmt::format("  rank {} on {}: {}{}{}\n", rank.rank, rank.host.empty() ? "?" : rank.host,
                     rate, how, slowest ? ", the slowest" : "");
}

}  // namespace

ordered_json to_json(const Status& status) {
  auto ranks = ordered_json::array();
  for (const auto& rank : status.ranks) ranks.push_back(to_json(rank));
  auto claims = ordered_json::array();
  for (const auto& claim : status.claims)
    claims.push_back(
        {{"unit", claim.unit}, {"writer", claim.writer}, {"life", to_string(claim.life)}});
  return {{"done", status.verdicts.done},
          {"failed", status.verdicts.failed},
          {"skipped", status.verdicts.skipped},
          {"total", status.total},
          {"images_per_hour", or_null(status.images_per_hour)},
          {"seconds_left", or_null(status.seconds_left())},
          {"shards", {{"done", status.shards_done}, {"open", status.shards_open}}},
          {"complete", status.complete()},
          {"at_work", status.at_work()},
          {"failures", status.failures},
          {"slowest_rank", or_null(status.slowest_rank())},
          {"ranks", ranks},
          {"claims", claims}};
}

std::string in_words(const Status& status) {
  const auto& verdicts = status.verdicts;
  const double part = status.total == 0 ? 100.0
                                        : 100.0 * static_cast<double>(verdicts.all()) /
                                              static_cast<double>(status.total);
  auto text = fmt::format("{} of {} ({:.1f} %), {} failed, {} skipped; {} of {} shards\n",
                          verdicts.done, status.total, part, verdicts.failed, verdicts.skipped,
                          status.shards_done, status.shards_done + status.shards_open);
  text += fmt::format("{}; {}\n", state_words(status), rate_words(status.images_per_hour));
  for (const auto& [code, count] : status.failures)
    text += fmt::format("  {}: {} failed\n", code, count);
  const auto slowest = status.slowest_rank();
  std::size_t shown = 0;
  for (const auto& rank : status.ranks)
    if (++shown <= kRanksShown || rank.rank == slowest)
      text += rank_words(rank, rank.rank == slowest);
  if (shown > kRanksShown) text += fmt::format("  {} ranks in all\n", shown);
  return text;
}

}  // namespace trireme
