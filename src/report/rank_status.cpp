// What the ends of logs tell of each rank.
#include <algorithm>
#include <deque>
#include <fstream>
#include <system_error>

#include "src/report/event_log.h"
#include "src/report/status.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTail = 256 << 10;  // bytes of a log
constexpr double kPaceSeconds = 600;       // that a rate is of
constexpr std::size_t kLeastLines = 5;     // that it is of, however long ago

std::vector<LoggedEvent> last_events(const fs::path& log) {
  std::ifstream file(log, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::int64_t>(file.tellg());
  file.seekg(std::max<std::int64_t>(size - kTail, 0));
  std::string line;
  if (size > kTail) std::getline(file, line);  // cut
  std::vector<LoggedEvent> events;
  while (std::getline(file, line))
    if (auto event = parse_event(line)) events.push_back(std::move(*event));
  return events;
}

// When how many samples were at their end.
struct Mark {
  double seconds;
  std::int64_t samples;
};

void set_pace(RankStatus& rank, const std::deque<Mark>& marks) {
  if (marks.size() < 2) return;
  auto begin = marks.begin();
  while (marks.back().seconds - begin->seconds > kPaceSeconds &&
         marks.end() - begin > static_cast<std::ptrdiff_t>(kLeastLines))
    ++begin;
  rank.paced_seconds = marks.back().seconds - begin->seconds;
  for (auto mark = begin + 1; mark != marks.end(); ++mark) rank.paced_samples += mark->samples;
}

RankStatus status_from(const std::vector<LoggedEvent>& events) {
  RankStatus rank;
  std::deque<Mark> marks;
  for (const auto& event : events) {
    if (event.run != rank.run) {
      rank = {.rank = event.rank, .run = event.run};
      marks.clear();
    }
    rank.seconds = event.seconds;
    if (const auto* started = std::get_if<RunStarted>(&event.event)) {
      rank.host = started->host;
      rank.device = started->device;
      marks.push_back({event.seconds, 0});
    } else if (const auto* batch = std::get_if<BatchDone>(&event.event)) {
      marks.push_back({event.seconds, batch->samples});
    } else if (const auto* ended = std::get_if<RunEnded>(&event.event)) {
      rank.exit_code = ended->exit_code;
    }
  }
  set_pace(rank, marks);
  return rank;
}

}  // namespace

std::optional<double> RankStatus::images_per_hour() const {
  if (paced_samples == 0 || paced_seconds <= 0) return std::nullopt;
  return 3600 * static_cast<double>(paced_samples) / paced_seconds;
}

std::vector<RankStatus> read_rank_status(const fs::path& out) {
  std::vector<RankStatus> ranks;
  std::error_code none;
  for (fs::directory_iterator at(out / "logs", none), end; !none && at != end; at.increment(none)) {
    if (at->path().extension() != ".jsonl") continue;
    const auto events = last_events(at->path());
    if (!events.empty()) ranks.push_back(status_from(events));
  }
  std::sort(ranks.begin(), ranks.end(), [](auto& a, auto& b) { return a.rank < b.rank; });
  return ranks;
}

}  // namespace trireme
