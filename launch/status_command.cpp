#include "launch/status_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "src/report/report.h"
#include "src/report/status.h"

namespace trireme {
namespace {

constexpr double kWatchSeconds = 2;
constexpr double kBetweenTwoLooks = 1;

void wait(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// Where no log says how fast it goes, two looks do.
class Pace {
 public:
  void complete(Status& status) {
    const auto now = steady_seconds();
    const auto made = status.verdicts.all();
    const bool is_later = begun_ && now > begun_->seconds;
    if (!begun_) begun_ = {now, made};
    if (status.images_per_hour || status.complete() || !is_later) return;
    const auto more = static_cast<double>(made - begun_->made);
    if (more > 0) status.images_per_hour = 3600 * more / (now - begun_->seconds);
  }

 private:
  struct Look {
    double seconds;
    std::int64_t made;
  };
  std::optional<Look> begun_;
};

std::string text_of(const Status& status, bool json, int indent) {
  if (!json) return in_words(status);
  return to_json(status).dump(indent, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// On a terminal over what was drawn last.
class Screen {
 public:
  explicit Screen(bool json) : is_redrawn_(!json && isatty(STDOUT_FILENO) == 1) {}

  void show(const std::string& text) {
    if (text == last_) return;
    const auto lines = std::count(last_.begin(), last_.end(), '\n');
    if (is_redrawn_ && lines > 0) std::cout << fmt::format("\x1b[{}A\x1b[J", lines);
    std::cout << text << std::flush;
    last_ = text;
  }

 private:
  bool is_redrawn_;
  std::string last_;
};

Exit watch(StatusReader& reader, const StatusRequest& request) {
  constexpr int kOneLine = -1;
  Pace pace;
  Screen screen(request.json);
  while (std::cout) {
    auto status = reader.look();
    pace.complete(status);
    screen.show(text_of(status, request.json, kOneLine));
    if (status.complete()) break;
    wait(*request.watch);
  }
  return Exit::kDone;
}

}  // namespace

CLI::App* add_status(CLI::App& app, StatusRequest& request) {
  auto* command = app.add_subcommand("status", "Say how far the job of an output folder is");
  command->add_option("out", request.out, "The output folder of a job")->required();
  command
      ->add_option_function<double>(
          "--watch", [&](double seconds) { request.watch = seconds; },
          "Look again, every 2 seconds or so many, until the job is complete")
      ->expected(0, 1)
      ->default_str(fmt::format("{}", kWatchSeconds))
      ->check(CLI::Range(0.05, 1e6));
  command->add_flag("--json", request.json, "For machines");
  return command;
}

Exit status_command(const StatusRequest& request) {
  constexpr int kIndent = 2;
  Disk disk;
  StatusReader reader(disk, request.out);
  if (request.watch) return watch(reader, request);
  Pace pace;
  auto status = reader.look();
  pace.complete(status);
  if (!status.images_per_hour && !status.complete() && status.at_work()) {
    wait(kBetweenTwoLooks);
    status = reader.look();
    pace.complete(status);
  }
  std::cout << text_of(status, request.json, kIndent);
  return Exit::kDone;
}

}  // namespace trireme
