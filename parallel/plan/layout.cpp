#include "parallel/plan/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace trireme {
namespace {

std::string ranks_in_words(const std::vector<int>& ranks) {
  const bool in_a_row = ranks.back() - ranks.front() + 1 == static_cast<int>(ranks.size());
  if (ranks.size() == 1) return fmt::format("rank {}", ranks.front());
  if (in_a_row) return fmt::format("ranks {}-{}", ranks.front(), ranks.back());
  return fmt::format("ranks {}", fmt::join(ranks, ", "));
}

}  // namespace

std::optional<Coordinate> place_among(const std::vector<int>& ranks, int rank) {
  const auto found = std::find(ranks.begin(), ranks.end(), rank);
  if (found == ranks.end()) return std::nullopt;
  return Coordinate{static_cast<int>(found - ranks.begin()), static_cast<int>(ranks.size())};
}

// Guidance, pipeline, sequence, tensor: a rank's place in the mesh says what it holds.
Roles roles_of(const Layout& layout) {
  Roles roles(layout.replica_size);
  for (const int rank : layout.text_encoders) roles[rank].encodes = true;
  for (const int rank : layout.vae) roles[rank].decodes = true;
  const int inner = layout.mesh.sequence * layout.mesh.tensor, stages = layout.mesh.pipeline;
  for (int place = 0; place < static_cast<int>(layout.transformer.size()); ++place) {
    auto& role = roles[layout.transformer[place]];
    role.stage = place / inner % stages;
    role.place = place / (inner * stages) * inner + place % inner;
  }
  return roles;
}

MeshCoordinates coordinates_of(const Layout& layout, int rank) {
  const auto place = place_among(layout.transformer, rank);
  if (!place) return {};
  const auto& mesh = layout.mesh;
  const int ulysses = mesh.sequence / mesh.ring;
  const int outer = place->rank / mesh.tensor, sequence = outer % mesh.sequence;
  return {.pipeline = {outer / mesh.sequence % mesh.pipeline, mesh.pipeline},
          .ulysses = {sequence % ulysses, ulysses},
          .ring = {sequence / ulysses, mesh.ring},
          .tensor = {place->rank % mesh.tensor, mesh.tensor}};
}

std::string to_string(const Layout& layout) {
  const auto& mesh = layout.mesh;
  auto text = fmt::format(
      "{{replicas: {}, batch_size: {}, text_encoders: {{ranks: [{}], tensor: {}}}, transformer: "
      "{{ranks: [{}], guidance: {}, pipeline: {}, sequence: {}, ring: {}, tensor: {}",
      layout.replicas, layout.batch_size, fmt::join(layout.text_encoders, ", "),
      layout.text_encoders.size(), fmt::join(layout.transformer, ", "), mesh.guidance,
      mesh.pipeline, mesh.sequence, mesh.ring, mesh.tensor);
  if (!mesh.blocks.empty()) text += fmt::format(", blocks: [{}]", fmt::join(mesh.blocks, ", "));
  text += fmt::format("}}, vae: {{ranks: [{}], patch: {}}}", fmt::join(layout.vae, ", "),
                      layout.vae.size());
  if (layout.offload == Offload::kModel) text += ", offload: model";
  if (layout.offload == Offload::kStaged) text += ", offload: staged";
  if (layout.window) text += fmt::format(", window: {}", *layout.window);
  return text + "}";
}

std::string in_words(const Layout& layout) {
  auto text =
      layout.replicas == 1 ? std::string() : fmt::format("{} replicas of ", layout.replicas);
  text += layout.replica_size == 1 ? "one rank" : fmt::format("{} ranks", layout.replica_size);
  if (layout.replica_size > 1)
    text += fmt::format(": encoders on {}, transformer on {} ({}), VAE on {}",
                        ranks_in_words(layout.text_encoders), ranks_in_words(layout.transformer),
                        to_string(layout.mesh), ranks_in_words(layout.vae));
  if (layout.batch_size > 1) text += fmt::format(", batches of {}", layout.batch_size);
  if (layout.offload == Offload::kModel) text += ", components wait on the host";
  if (layout.offload == Offload::kStaged) text += ", one component at a time";
  return text;
}

}  // namespace trireme
