// What a plan counts: FLOPs to the last one those that the models say of themselves, and bytes
// between ranks those of the formulas (tests/goldens/traffic.json), on every kind of mesh.
#include <gtest/gtest.h>

#include <numeric>

#include "parallel/plan/cost.h"
#include "src/transformers/pixart_flops.h"
#include "src/transformers/pixart_work.h"
#include "src/transformers/sd3_flops.h"
#include "src/transformers/sd3_work.h"
#include "tests/src/transformers/real_models.h"
#include "tests/support/recipe.h"

namespace trireme {
namespace {

constexpr int64_t kSteps = 28, kBatch = 3;

struct Model {
  std::string name;
  TransformerWork work;
  int64_t text_tokens;
};

std::vector<Model> models() {
  std::vector<Model> all{{"PixArt-Sigma XL/2", pixart_work(real_pixart()), 300}};
  for (const auto* name : {"SD3-medium", "SD3.5-medium", "SD3.5-large"})
    all.push_back({name, sd3_work(*real_sd3(name)), 333});
  return all;
}

Shape shape_of(const Model& model, int64_t pixels) {
  return {.pictures = 1,
          .latent_height = pixels / 8,
          .latent_width = pixels / 8,
          .image_tokens = pixels * pixels / 256,
          .text_tokens = model.text_tokens,
          .branches = 2,
          .steps = kSteps};
}

OperationCosts costs(const Model& model, int64_t pixels, MeshShape mesh, int batch,
                     const Cluster& cluster) {
  Layout layout{.replica_size = mesh.ranks(), .batch_size = batch, .mesh = mesh};
  layout.transformer.resize(mesh.ranks());
  std::iota(layout.transformer.begin(), layout.transformer.end(), 0);
  const Workload work{.transformer = model.work, .element_bytes = 2};
  return OperationCosts(work, shape_of(model, pixels), layout, cluster, 0);
}

struct Counts {
  int64_t begin = 0, step = 0;
  bool operator==(const Counts&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Counts& c) {
  return out << "begin " << c.begin << ", step " << c.step;
}

// Of the first rank of a stage.
Counts said_by(const Model& model, const MeshShape& mesh, int stage) {
  const MeshCoordinates at{.pipeline = {stage, mesh.pipeline},
                           .ulysses = {0, mesh.sequence / mesh.ring},
                           .ring = {0, mesh.ring},
                           .tensor = {0, mesh.tensor}};
  const auto blocks = stages_of(mesh, model.work.block_costs)[stage];
  const int64_t rows = kBatch * 2 / mesh.guidance, image = 4096;
  if (const auto sd3 = real_sd3(model.name)) {
    const Sd3Flops f(
        *sd3, at, blocks,
        {.rows = rows, .steps = kSteps, .image_tokens = image, .text_tokens = model.text_tokens});
    return {f.begin(), f.step()};
  }
  const PixArtFlops f(real_pixart(), at, blocks,
                      {.rows = rows,
                       .steps = kSteps,
                       .image_tokens = image,
                       .text_tokens = rows * model.text_tokens});
  return {f.begin(), f.step()};
}

TEST(FlopsOfPlans, AreThoseOfTheModels) {
  const auto cluster = cluster_of(*device_by_name("h100"), 64);
  const MeshShape meshes[] = {
      {},
      {.guidance = 2},
      {.pipeline = 4},
      {.sequence = 2},
      {.sequence = 4, .ring = 4},
      {.sequence = 6, .ring = 3},
      {.tensor = 7},
      {.guidance = 2, .pipeline = 3, .sequence = 4, .ring = 2, .tensor = 2}};
  for (const auto& model : models())
    for (const auto& mesh : meshes) {
      const auto of = costs(model, 1024, mesh, kBatch, cluster);
      for (int stage = 0; stage < mesh.pipeline; ++stage) {
        const int rank = stage * mesh.sequence * mesh.tensor;
        const Counts planned{of.effort(OperationCosts::kBegin, rank).flops,
                             of.effort(OperationCosts::kForward, rank).flops};
        EXPECT_EQ(planned, said_by(model, mesh, stage))
            << model.name << ", " << to_string(mesh) << ", stage " << stage;
      }
    }
}

MeshShape mesh_of(const std::string& layout) {
  if (layout == "TP8") return {.tensor = 8};
  if (layout == "Ulysses8") return {.sequence = 8};
  if (layout == "Ring8") return {.sequence = 8, .ring = 8};
  if (layout == "USP u4 x r2") return {.sequence = 8, .ring = 2};
  if (layout == "CFG2") return {.guidance = 2};
  if (layout == "CFG2 x Ulysses4") return {.guidance = 2, .sequence = 4};
  if (layout == "CFG2 x Ring4") return {.guidance = 2, .sequence = 4, .ring = 4};
  return {.guidance = 2, .sequence = 4, .ring = 2};
}

// The text of SD3's last block ends at its keys and values: formulas that count whole blocks say
// more, by the sums of its stream, or by its queries and what they see.
double unsaid(const Model& model, const MeshShape& mesh) {
  if (!model.work.text_travels) return 0;
  const double text = 2.0 / mesh.guidance * static_cast<double>(model.text_tokens) *
                      static_cast<double>(model.work.width) * 2;
  const double u = mesh.sequence / mesh.ring;
  if (mesh.tensor > 1) return 2 * 2 * (mesh.tensor - 1.0) / mesh.tensor * text;
  return 2 * (u - 1) / (u * u) * text / mesh.ring;
}

// The ranks of a sequence also gather patches of the prediction, which the formulas leave out; and
// tokens that do not divide make the first rank send a little more than the mean.
TEST(TrafficOfPlans, IsThatOfTheFormulas) {
  const auto cluster = cluster_of(*device_by_name("h100"), 8);
  int checked = 0;
  const auto goldens = read_goldens("traffic.json");
  for (const auto& row : goldens.at("comm_per_step"))
    for (const auto& model : models()) {
      if (model.name != row.at("model")) continue;
      const auto mesh = mesh_of(row.at("layout"));
      if (mesh.guidance == 2 && mesh.sequence == 1) continue;  // below
      const auto of = costs(model, row.at("px"), mesh, 1, cluster);
      const auto& sent = of.effort(OperationCosts::kForward, 0).sent;
      const auto bytes = row.at("bytes_sent_per_gpu").get<double>();
      const bool divides = mesh.sequence == 1 || !model.work.text_travels;
      EXPECT_NEAR(sent.all_reduce + sent.all_to_all + sent.send + unsaid(model, mesh), bytes,
                  bytes * (divides ? 1e-9 : 2e-3))
          << row;
      ++checked;
    }
  EXPECT_EQ(checked, 39);
}

// float32 where the formulas count half types: a branch's prediction goes to the other half.
TEST(TrafficOfPlans, OfGuidanceIsAPrediction) {
  const auto cluster = cluster_of(*device_by_name("h100"), 8);
  for (const auto& model : models()) {
    const auto of = costs(model, 1024, {.guidance = 2}, 1, cluster);
    EXPECT_EQ(of.effort(OperationCosts::kStep, 0).sent.all_gather,
              static_cast<double>(model.work.latent_channels * 128 * 128 * 4));
  }
}

}  // namespace
}  // namespace trireme
