#include "src/report/html_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "src/report/html_text.h"
#include "src/report/human.h"

namespace trireme {
namespace {

constexpr double kHeight = 100;          // of drawings, in their own units
constexpr double kLeastPart = 0.005;     // of a slot, to be drawn
constexpr std::size_t kMostMemory = 64;  // ranks

std::string axis(double seconds) {
  return fmt::format("<div class=axis><span>0</span><span>{}</span><span>{}</span></div>",
                     human_duration(seconds / 2), human_duration(seconds));
}

// Steps, so that a slot in which nothing was made is seen as one.
std::string rate_path(const std::vector<double>& rate, double most) {
  std::string path = fmt::format("M0 {}", kHeight);
  for (std::size_t slot = 0; slot < rate.size(); ++slot)
    path += fmt::format("V{:.1f}H{}", kHeight - rate[slot] / most * kHeight, slot + 1);
  return path + fmt::format("V{}Z", kHeight);
}

// Where runs after the first one began.
std::string restarts(const Timeline& timeline) {
  std::string lines;
  for (std::size_t run = 1; run < timeline.runs.size() && timeline.runs.size() <= 200; ++run) {
    const double x =
        timeline.runs[run].at / timeline.seconds * static_cast<double>(timeline.rate.size());
    if (x > 0)
      lines += fmt::format(
          "<path d=\"M{:.2f} 0V{}\" stroke=\"var(--ink)\" stroke-dasharray=\"3 3\" "
          "vector-effect=\"non-scaling-stroke\"/>",
          x, kHeight);
  }
  return lines;
}

// All slots of a stage in one path, on top of the stages before it.
std::string stage_path(const TimedLane& lane, std::size_t stage) {
  std::string path;
  for (std::size_t slot = 0; slot < lane.parts.size(); ++slot) {
    const auto& parts = lane.parts[slot];
    const double below = std::accumulate(parts.begin(), parts.begin() + stage, 0.0);
    const double top = std::min(1.0, below + parts[stage]);
    if (top - below < kLeastPart) continue;
    path +=
        fmt::format("M{} {:.0f}h1V{:.0f}h-1z", slot, kHeight * (1 - below), kHeight * (1 - top));
  }
  if (path.empty()) return "";
  return fmt::format("<path fill=\"var(--{})\" d=\"{}\"/>", stage_name(static_cast<Stage>(stage)),
                     path);
}

double busy_part(const TimedLane& lane) {
  double busy = 0;
  for (const auto& parts : lane.parts)
    busy += std::min(1.0, std::accumulate(parts.begin(), parts.end(), 0.0));
  return lane.parts.empty() ? 0 : busy / static_cast<double>(lane.parts.size());
}

std::string lane_row(const TimedLane& lane) {
  std::string paths;
  for (std::size_t stage = 0; stage < kStages; ++stage) paths += stage_path(lane, stage);
  return fmt::format(
      "<div class=lane><span>rank {}</span><svg viewBox=\"0 0 {} {}\" preserveAspectRatio=none "
      "role=img aria-label=\"rank {}: busy {:.0f} %\">{}</svg><b>{:.0f} %</b></div>\n",
      lane.rank, lane.parts.size(), kHeight, lane.rank, busy_part(lane) * 100, paths,
      busy_part(lane) * 100);
}

std::string stage_legend() {
  std::string items;
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    const auto name = stage_name(static_cast<Stage>(stage));
    items += fmt::format("<li><i style=\"background:var(--{0})\"></i>{0}</li>", name);
  }
  return fmt::format("<ul class=legend>{}<li>empty: waiting</li></ul>", items);
}

std::string memory_row(const PageRank& rank, double whole) {
  const auto percent = [&](std::int64_t bytes) {
    return std::clamp(static_cast<double>(bytes) / whole * 100, 0.0, 100.0);
  };
  std::string planned, words = human_bytes(static_cast<double>(rank.peak_bytes));
  if (rank.planned_bytes) {
    planned = fmt::format("<u style=\"left:{:.2f}%\"></u>", percent(*rank.planned_bytes));
    words += fmt::format(", planned {}", human_bytes(static_cast<double>(*rank.planned_bytes)));
  }
  if (rank.limit_bytes)
    words += fmt::format(", of {}", human_bytes(static_cast<double>(*rank.limit_bytes)));
  return fmt::format(
      "<div class=memory><span>rank {}</span><div class=track><i style=\"width:{:.2f}%\"></i>{}"
      "</div><span>{}</span></div>\n",
      rank.rank, percent(rank.peak_bytes), planned, words);
}

}  // namespace

std::string rate_chart(const Timeline& timeline) {
  if (timeline.rate.empty()) return "";
  const double most = *std::max_element(timeline.rate.begin(), timeline.rate.end());
  if (most <= 0) return "";
  return fmt::format(
             "<div class=axis><span>up to {}</span></div><svg class=chart viewBox=\"0 0 {} {}\" "
             "preserveAspectRatio=none role=img aria-label=\"pictures over time\">"
             "<path fill=\"var(--accent)\" fill-opacity=\"0.85\" d=\"{}\"/>{}</svg>",
             human_rate(most), timeline.rate.size(), kHeight, rate_path(timeline.rate, most),
             restarts(timeline)) +
         axis(timeline.seconds);
}

std::string lanes_chart(const Timeline& timeline) {
  if (timeline.lanes.empty()) return "";
  std::string rows;
  for (const auto& lane : timeline.lanes) rows += lane_row(lane);
  return stage_legend() + rows + "<div class=lane><span></span>" + axis(timeline.seconds) +
         "<b>busy</b></div>";
}

// As wide as the fullest rank, or its plan, where limits are far away.
std::string memory_chart(const std::vector<PageRank>& ranks) {
  double whole = 0;
  for (const auto& rank : ranks)
    whole = std::max({whole, static_cast<double>(rank.peak_bytes),
                      static_cast<double>(rank.planned_bytes.value_or(0))});
  if (whole <= 0) return "";
  std::string rows;
  for (std::size_t rank = 0; rank < std::min(ranks.size(), kMostMemory); ++rank)
    rows += memory_row(ranks[rank], whole * 1.05);
  if (ranks.size() > kMostMemory)
    rows += fmt::format("<p class=note>and {} more ranks</p>", ranks.size() - kMostMemory);
  return rows;
}

}  // namespace trireme
