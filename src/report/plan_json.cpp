#include <nlohmann/json.hpp>

#include "src/report/plan_report.h"

namespace trireme {
namespace {

using Json = nlohmann::ordered_json;

Json layout_json(const Layout& layout) {
  const auto& mesh = layout.mesh;
  Json out = {
      {"replicas", layout.replicas},
      {"batch_size", layout.batch_size},
      {"text_encoders", {{"ranks", layout.text_encoders}, {"tensor", layout.text_encoders.size()}}},
      {"transformer",
       {{"ranks", layout.transformer},
        {"guidance", mesh.guidance},
        {"pipeline", mesh.pipeline},
        {"sequence", mesh.sequence},
        {"ring", mesh.ring},
        {"tensor", mesh.tensor}}},
      {"vae", {{"ranks", layout.vae}, {"patch", layout.vae.size()}}}};
  if (!mesh.blocks.empty()) out["transformer"]["blocks"] = mesh.blocks;
  if (layout.offload != Offload::kNone)
    out["offload"] = layout.offload == Offload::kModel ? "model" : "staged";
  if (layout.window) out["window"] = *layout.window;
  return out;
}

Json candidate_json(const Candidate& candidate) {
  return {{"layout", layout_json(candidate.layout)},
          {"seconds_per_image", candidate.prediction.seconds_per_image},
          {"images_per_hour", candidate.prediction.images_per_hour},
          {"job_seconds", candidate.prediction.job_seconds},
          {"bubble", candidate.prediction.bubble},
          {"peak_bytes", candidate.peak_bytes},
          {"limit_bytes", candidate.limit_bytes},
          {"fits", candidate.fits()},
          {"why", candidate.why}};
}

Json stage_json(const StageMemory& memory, double seconds, double flops) {
  return {{"weights_bytes", memory.weights},
          {"activations_bytes", memory.activations},
          {"buffers_bytes", memory.buffers},
          {"seconds", seconds},
          {"flops", flops}};
}

Json terms_json(const PlannedRank& rank) {
  Json out;
  const auto add = [&](const char* operation, const Terms& terms) {
    for (const auto& [name, seconds] : terms) out[operation][name] = seconds;
  };
  add("load", rank.load);
  add("encode", rank.encode);
  add("begin", rank.begin);
  add("forward", rank.forward);
  add("step", rank.step);
  add("decode", rank.decode);
  return out;
}

// Seconds of a whole job, as report.json has them.
Json rank_json(const PlannedRank& rank, double batches, double steps) {
  const double denoise = sum(rank.begin) + steps * (sum(rank.forward) + sum(rank.step));
  return {{"rank", rank.rank},
          {"replica", rank.replica},
          {"node", rank.node},
          {"weights_bytes",
           rank.memory.encode.weights + rank.memory.denoise.weights + rank.memory.decode.weights},
          {"peak_bytes", rank.peak_bytes},
          {"limit_bytes", rank.limit_bytes},
          {"load_peak_bytes", rank.memory.load_peak},
          {"program_bytes", rank.memory.program},
          {"stages",
           {{"encode", stage_json(rank.memory.encode, batches * sum(rank.encode),
                                  batches * rank.encode_flops)},
            {"denoise",
             stage_json(rank.memory.denoise, batches * denoise, batches * rank.denoise_flops)},
            {"decode", stage_json(rank.memory.decode, batches * sum(rank.decode),
                                  batches * rank.decode_flops)}}},
          {"sent_bytes",
           {{"all_reduce", batches * rank.sent.all_reduce},
            {"all_gather", batches * rank.sent.all_gather},
            {"all_to_all", batches * rank.sent.all_to_all},
            {"send", batches * rank.sent.send}}},
          {"terms", terms_json(rank)}};
}

}  // namespace

std::string to_json(const Plan& plan, const PlanRequest& request) {
  auto json = candidate_json(plan.chosen);
  json["considered"] = plan.considered;
  json["simulated"] = plan.simulated;
  const auto& layout = plan.chosen.layout;
  const double batches =
      static_cast<double>(request.workload.pictures()) / layout.batch_size / layout.replicas;
  const auto steps = static_cast<double>(request.workload.shapes.front().steps);
  json["ranks"] = Json::array();
  for (const auto& rank : plan.ranks) json["ranks"].push_back(rank_json(rank, batches, steps));
  json["candidates"] = Json::array();
  for (const auto& rival : plan.rivals) json["candidates"].push_back(candidate_json(rival));
  return json.dump(2) + "\n";
}

std::string to_json(const NothingFits& nothing) {
  auto json = candidate_json(nothing.nearest);
  json["remedies"] = Json::array();
  for (const auto& remedy : nothing.remedies)
    json["remedies"].push_back({{"change", remedy.change}, {"bytes", remedy.bytes}});
  return json.dump(2) + "\n";
}

}  // namespace trireme
