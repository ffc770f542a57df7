#include "src/render/settle.h"

#include <nlohmann/json.hpp>

#include "src/config/read_layout.h"
#include "src/config/yaml.h"
#include "src/render/gather.h"
#include "src/render/memory_note.h"
#include "src/render/planning.h"
#include "src/render/running_cluster.h"
#include "src/report/plan_report.h"

namespace trireme {
namespace {

constexpr int kRivals = 3;  // to tell of in report.json

// What the speaker tells the others: {"layout": "{...}", "quantized": {component: kind}}.
std::string told(const Candidate& chosen, const std::map<std::string, Quantize>& quantized) {
  nlohmann::json message = {{"layout", to_string(chosen.layout)},
                            {"peak_bytes", chosen.peak_bytes},
                            {"quantized", nlohmann::json::object()}};
  for (const auto& [component, kind] : quantized)
    message["quantized"][component] = static_cast<int>(kind);
  return message.dump();
}

Layout layout_in(const std::string& text, int ranks) {
  std::vector<Problem> problems;
  return written_layout(read_layout(parse_yaml(text).root, problems), ranks).value();
}

std::optional<int64_t> least(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::min(a, b) : (a ? a : b);
}

std::string planned_by_speaker(const Job& job, const Cluster& cluster,
                               std::optional<int64_t> most_bytes, Settled& settled) {
  auto inputs = std::make_shared<const Inputs>(job);
  const auto limit = cluster.device(0).memory_bytes;
  const auto planned = plan_job(*inputs, cluster, kRivals,
                                least(most_bytes, noted_memory(job.output.path.resolved, limit)));
  if (const auto* nothing = std::get_if<NothingFits>(&planned.result))
    throw nothing_fits_error(*nothing);
  const auto& plan = std::get<Plan>(planned.result);
  settled.predicted = to_json(plan, planned.request);
  const auto written = written_layout(job.layout, cluster.ranks());
  if (written != plan.chosen.layout) settled.choice = in_one_line(plan);
  if (planned.quantized.empty()) settled.inputs = std::move(inputs);
  return told(plan.chosen, planned.quantized);
}

}  // namespace

Settled settle(Job job, const Machine& machine, std::optional<int64_t> most_bytes) {
  const auto& world = machine.world;
  Settled settled;
  const auto cluster = running_cluster(machine, machine.calibrated);
  std::string message;
  if (world.rank() == kSpeaker) message = planned_by_speaker(job, cluster, most_bytes, settled);
  const auto heard = nlohmann::json::parse(broadcast_text(world, message, kSpeaker));
  for (const auto& [component, kind] : heard["quantized"].items())
    job.model.components[component].quantize = static_cast<Quantize>(kind.get<int>());
  settled.limit_bytes = cluster.device(0).memory_bytes;
  settled.peak_bytes = heard["peak_bytes"].get<int64_t>();
  settled.layout = layout_in(heard["layout"].get<std::string>(), world.size());
  settled.job = std::move(job);
  return settled;
}

}  // namespace trireme
