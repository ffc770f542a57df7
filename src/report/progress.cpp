#include "src/report/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "src/report/human.h"
#include "src/report/table.h"

namespace trireme {
namespace {

constexpr double kSecondsBetweenRewrites = 0.2;
constexpr double kMostSecondsBetweenLines = 60;
constexpr double kFirstEstimate = 0.02;  // pictures: below this a rate says nothing

void to_standard_error(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

// A message may quote a prompt, and a prompt may hold anything.
std::string without_control_characters(std::string_view text) {
  std::string clean(text);
  std::replace_if(
      clean.begin(), clean.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return clean;
}

}  // namespace

Voice voice_for(const Surroundings& surroundings) {
  if (surroundings.quiet || surroundings.rank != 0) return Voice::kQuiet;
  const bool ours = surroundings.is_terminal && !surroundings.under_launcher;
  return ours ? Voice::kTerminal : Voice::kLines;
}

Progress::Progress(ProgressOptions options)
    : options_(std::move(options)), begun_(options_.now()), last_shown_(begun_) {
  if (!options_.out) options_.out = to_standard_error;
}

Progress::~Progress() {
  if (on_line_ > 0) options_.out("\n");
}

// Pictures that are half denoised count as halves, so that a rate is known before the first one.
double Progress::pictures_made() const {
  const auto whole = static_cast<double>(counts_.done + counts_.failed);
  if (options_.steps_per_picture <= 0) return whole;
  const double stepped =
      static_cast<double>(counts_.steps) / static_cast<double>(options_.steps_per_picture);
  return std::max(whole, stepped);
}

std::string Progress::line() const {
  const std::int64_t finished = counts_.skipped + counts_.done + counts_.failed;
  std::string text = fmt::format("{}/{} pictures", finished, options_.pictures);
  if (options_.steps_per_picture > 0) {
    const std::int64_t steps = (options_.pictures - counts_.skipped) * options_.steps_per_picture;
    text += fmt::format(", {}/{} steps", counts_.steps, steps);
  }
  if (counts_.failed > 0) text += fmt::format(", {} failed", counts_.failed);
  const double made = pictures_made();
  const double passed = seconds();
  if (made < kFirstEstimate || passed <= 0) return text;
  const double rate = made / passed;
  const double open = static_cast<double>(options_.pictures - counts_.skipped) - made;
  return text +
         fmt::format(", {}, {} left", human_rate(rate), human_duration(std::max(open, 0.0) / rate));
}

std::string Progress::summary() const {
  if (counts_.done + counts_.failed == 0 && counts_.skipped > 0)
    return fmt::format("nothing to do: {} pictures were there already", counts_.skipped);
  const double passed = seconds();
  std::string text = fmt::format("{} picture{} in {}", counts_.done, counts_.done == 1 ? "" : "s",
                                 human_duration(passed));
  if (counts_.done > 0 && passed > 0) {
    text += fmt::format(", {}", human_rate(static_cast<double>(counts_.done) / passed));
  }
  if (counts_.skipped > 0) text += fmt::format(", {} were there already", counts_.skipped);
  if (counts_.failed > 0) text += fmt::format(", {} failed", counts_.failed);
  return text;
}

// Blanks wipe what an earlier, longer text left. The last column stays free: writing there makes
// some terminals begin a new line.
void Progress::rewrite(std::string_view text) {
  const std::string shown = fitted(text, std::max<std::size_t>(options_.columns, 2) - 1);
  const std::size_t width = display_width(shown);
  const std::size_t blanks = on_line_ > width ? on_line_ - width : 0;
  options_.out(fmt::format("\r{}{}", shown, std::string(blanks, ' ')));
  on_line_ = width;
}

void Progress::write_line(std::string_view text) {
  if (on_line_ > 0) {
    options_.out(fmt::format("\r{}\r", std::string(on_line_, ' ')));
    on_line_ = 0;
  }
  options_.out(fmt::format("{}\n", text));
}

void Progress::update(ProgressCounts counts) {
  counts_ = counts;
  if (options_.voice == Voice::kQuiet || finished_) return;
  const bool terminal = options_.voice == Voice::kTerminal;
  const double rarer = std::min(seconds() / 60, kMostSecondsBetweenLines);
  const double pause =
      terminal ? kSecondsBetweenRewrites : std::max(options_.seconds_between_lines, rarer);
  const double now = options_.now();
  if (now - last_shown_ < pause && !(terminal && on_line_ == 0)) return;
  last_shown_ = now;
  terminal ? rewrite(line()) : write_line(line());
}

void Progress::message(std::string_view text) {
  const bool shown = on_line_ > 0;
  write_line(without_control_characters(text));
  if (shown) rewrite(line());
}

void Progress::finish() {
  if (std::exchange(finished_, true) || options_.voice == Voice::kQuiet) return;
  write_line(summary());
}

}  // namespace trireme
