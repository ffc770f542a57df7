#include "src/calibration/learn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "parallel/error.h"

namespace trireme {
namespace {

using Json = nlohmann::json;

constexpr double kMost = 4;  // times, of one change

double stage_seconds(const Json& report, const char* stage) {
  double seconds = 0;
  for (const auto& rank : report.at("ranks"))
    if (const auto& stages = rank.at("stages"); stages.contains(stage))
      seconds += stages.at(stage).at("seconds").get<double>();
  return seconds;
}

// Measured over predicted; one where the stage was not there.
double slower(const Json& report, const char* stage) {
  const double measured = stage_seconds(report, stage),
               predicted = stage_seconds(report.at("predicted"), stage);
  return measured <= 0 || predicted <= 0 ? 1 : measured / predicted;
}

// A run is one sample, and its machine may have been busy: half of the way, and not too far.
double damped(double times) {
  return std::clamp(std::sqrt(times), 1 / kMost, kMost);
}

// The part of a stage's predicted seconds that a term is.
double part_of(const Json& predicted, const char* operation, const char* term) {
  double all = 0, part = 0;
  for (const auto& rank : predicted.at("ranks")) {
    const auto terms = rank.at("terms").value(operation, Json::object());
    for (const auto& [name, seconds] : terms.items()) {
      all += seconds.get<double>();
      if (name == term) part += seconds.get<double>();
    }
  }
  return all > 0 ? part / all : 0;
}

std::vector<Learned> changed(Cluster& cluster, const Json& report) {
  const double measured_denoise = slower(report, "denoise"), decode = slower(report, "decode");
  // Denoising sets what both stages need; what is left of decoding is the convolutions'.
  const double convolutions = part_of(report["predicted"], "decode", "convolutions");
  double left = decode;
  if (convolutions > 0) left = (decode - (1 - convolutions) * measured_denoise) / convolutions;
  const double denoise = damped(measured_denoise), convolution = damped(std::max(left, 0.0));
  std::vector<Learned> learned;
  for (auto& node : cluster.nodes) {
    auto& rates = node.device.rates;
    const bool first = &node == &cluster.nodes.front();
    const auto change = [&](const char* name, double& rate, double times) {
      if (first) learned.push_back({name, rate, rate * times});
      rate *= times;
    };
    change("matmul", rates.matmul, 1 / denoise);
    change("copy", rates.copy, 1 / denoise);
    change("launch", rates.launch, denoise);
    for (auto& [dim, rate] : rates.attention)
      change(fmt::format("attention of {}", dim).c_str(), rate, 1 / denoise);
    change("convolution", rates.convolution, 1 / convolution);
  }
  return learned;
}

}  // namespace

std::vector<Learned> learn(Cluster& cluster, const std::string& text, const std::string& file) {
  const Error useless(
      Exit::kBadData,
      fmt::format("[--learn] {} -> the report.json of a run that made something, with what was "
                  "predicted -> another file, or a run that found all done",
                  file));
  try {
    const auto report = Json::parse(text);
    if (report.at("samples").at("done").get<int64_t>() == 0) throw useless;
    return changed(cluster, report);
  } catch (const Json::exception&) {
    throw useless;
  }
}

}  // namespace trireme
