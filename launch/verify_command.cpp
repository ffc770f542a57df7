#include "launch/verify_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "src/image/check.h"
#include "src/output/verify.h"
#include "src/report/human.h"
#include "src/report/report.h"
#include "src/weights/safetensors_header.h"

namespace trireme {
namespace {

constexpr double kSecondsBetweenLines = 0.2;

void check_safetensors(std::string_view bytes, const std::string& name) {
  constexpr std::size_t kStart = 8;
  const auto size = static_cast<std::int64_t>(bytes.size());
  const auto length = safetensors_header_length(bytes.substr(0, kStart), size, name);
  parse_safetensors_header(bytes.substr(kStart, static_cast<std::size_t>(length)), size, name);
}

void check_sample(std::string_view bytes, const std::string& name) {
  name.ends_with(".safetensors") ? check_safetensors(bytes, name) : check_picture(bytes, name);
}

// A line that is rewritten, on a terminal.
class Line {
 public:
  Line() : is_shown_(isatty(STDERR_FILENO) == 1) {}
  ~Line() { clear(); }

  void show(const VerifyProgress& progress) {
    if (!is_shown_ || steady_seconds() - last_ < kSecondsBetweenLines) return;
    last_ = steady_seconds();
    std::cerr << fmt::format("\r\x1b[K{} of {} samples, {}", progress.samples, progress.total,
                             human_bytes(static_cast<double>(progress.bytes)));
  }
  void clear() {
    if (is_shown_ && last_ > 0) std::cerr << "\r\x1b[K";
    last_ = 0;
  }

 private:
  bool is_shown_;
  double last_ = 0;
};

void print(const Verified& verified) {
  for (const auto& [file, index, what] : verified.damages)
    std::cout << fmt::format("{}: {}{}\n", file, index ? fmt::format("sample {}: ", *index) : "",
                             what);
  if (verified.more_damages > 0) std::cout << fmt::format("and {} more\n", verified.more_damages);
  const auto& [done, failed, skipped] = verified.verdicts;
  std::cout << fmt::format(
      "{} of {} samples in {} shards: {} done, {} failed, {} skipped; {} read\n",
      verified.verdicts.all(), verified.total, verified.shards + verified.open_shards, done, failed,
      skipped, human_bytes(static_cast<double>(verified.bytes)));
  if (verified.open() > 0)
    std::cout << fmt::format("{} samples are open, {} shards are not sealed\n", verified.open(),
                             verified.open_shards);
  std::cout << (verified.ok() ? "ok\n" : "damaged: the next render makes damaged samples again\n");
}

}  // namespace

CLI::App* add_verify(CLI::App& app, VerifyRequest& request) {
  auto* command = app.add_subcommand("verify", "Check what an output folder promises");
  command->add_option("out", request.out, "The output folder of a job")->required();
  command->add_flag("--deep", request.deep, "Decode every sample, not some");
  command->add_option("--threads", request.threads, "By default one a processor")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--json", request.json, "For machines");
  return command;
}

Exit verify_command(const VerifyRequest& request) {
  Disk disk;
  Line line;
  const auto processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const auto verified =
      verify_output(disk, request.out,
                    {.deep = request.deep,
                     .threads = request.threads > 0 ? request.threads : processors,
                     .decode = check_sample,
                     .progress = [&](const VerifyProgress& progress) { line.show(progress); }});
  line.clear();
  if (request.json) {
    std::cout << to_json(verified).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
              << '\n';
  } else {
    print(verified);
  }
  return verified.ok() ? Exit::kDone : Exit::kBadData;
}

}  // namespace trireme
