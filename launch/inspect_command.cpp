#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "src/image/picture.h"
#include "src/output/commit.h"
#include "src/report/human.h"
#include "src/report/table.h"
#include "src/weights/inspect.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

void print_checkpoint(const CheckpointFacts& facts) {
  if (!facts.family.empty())
    std::cout << fmt::format("family       {}\nnative size  {} pixels\n", facts.family,
                             facts.native_size);
  if (facts.max_size > 0) std::cout << fmt::format("at most      {} pixels\n", facts.max_size);
  std::vector<std::vector<std::string>> rows = {
      {"component", "class", "parameters", "bytes", "dtypes", "files"}};
  for (const auto& [name, c] : facts.components)
    rows.push_back({name, c.class_name, std::to_string(c.parameters),
                    human_bytes(static_cast<double>(c.bytes)),
                    fmt::format("{}", fmt::join(c.dtypes, " ")), std::to_string(c.files.size())});
  std::cout << table(rows);
  if (!facts.missing.empty())
    std::cout << fmt::format("missing      {}\n", fmt::join(facts.missing, ", "));
}

void inspect_checkpoint_at(const InspectOptions& options) {
  const auto facts = inspect_checkpoint(options.path);
  if (options.json) {
    std::cout << to_json(facts).dump(2) << '\n';
  } else {
    print_checkpoint(facts);
  }
}

void inspect_picture(const InspectOptions& options) {
  const auto header = read_picture_header(options.path);
  if (options.json) {
    nlohmann::json json = {{"height", header.size.height}, {"width", header.size.width}};
    for (const auto& text : header.texts)
      json[text.key] = text.key == "trireme" ? nlohmann::json::parse(text.text, nullptr, false)
                                             : nlohmann::json(text.text);
    std::cout << json.dump(2) << '\n';
    return;
  }
  std::cout << fmt::format("{} x {} pixels\n", header.size.width, header.size.height);
  for (const auto& text : header.texts) std::cout << '\n' << text.key << ":\n" << text.text << '\n';
}

void inspect_output(const InspectOptions& options) {
  const fs::path folder = options.path;
  const auto job = nlohmann::json::parse(read_file(folder / "job.json"), nullptr, false);
  const auto report_path = folder / "report.json";
  const auto report = fs::exists(report_path)
                          ? nlohmann::json::parse(read_file(report_path), nullptr, false)
                          : nlohmann::json();
  if (options.json) {
    std::cout << nlohmann::json{{"job", job}, {"report", report}}.dump(2) << '\n';
    return;
  }
  std::cout << job.dump(2) << '\n';
  if (!report.is_null()) std::cout << report.dump(2) << '\n';
}

bool is_picture(const fs::path& path) {
  constexpr std::array<const char*, 4> kExtensions = {".png", ".jpg", ".jpeg", ".webp"};
  return std::find(kExtensions.begin(), kExtensions.end(), path.extension()) != kExtensions.end();
}

}  // namespace

Exit inspect_command(const InspectOptions& options) {
  const fs::path path = options.path;
  if (fs::exists(path / "job.json")) {
    inspect_output(options);
  } else if (is_picture(path)) {
    inspect_picture(options);
  } else {
    inspect_checkpoint_at(options);
  }
  return Exit::kDone;
}

}  // namespace trireme
