#include "src/render/outcome.h"

namespace trireme {

Fate Outcome::of(int64_t position) const {
  return static_cast<Fate>(fates_.const_data_ptr<int64_t>()[position]);
}

int64_t Outcome::count(Fate fate) const {
  return fates_.eq(static_cast<int64_t>(fate)).sum().item<int64_t>();
}

Outcome Outcome::over(const Group& world) const {
  Outcome all(0);
  all.fates_ = std::get<0>(world.all_gather(fates_.unsqueeze(0), 0).max(0));
  return all;
}

std::vector<MetadataRow> metadata_rows(const Inputs& inputs, const Outcome& outcome) {
  std::vector<MetadataRow> rows;
  for (int64_t n = 0; n < inputs.sample_count(); ++n) {
    const auto sample = inputs.sample(n);
    if (!inputs.has_file(sample)) continue;
    const auto fate = outcome.of(inputs.position(sample));
    if (fate == Fate::kNotMade) continue;
    const auto recipe = inputs.recipe(sample);
    rows.push_back({.index = inputs.file_index(sample),
                    .prompt = sample.prompt,
                    .negative_prompt = sample.sampling.negative_prompt,
                    .seed = sample.seed,
                    .height = recipe.asked.height,
                    .width = recipe.asked.width,
                    .num_inference_steps = recipe.num_inference_steps,
                    .guidance_scale = recipe.guidance.scale,
                    .model = inputs.job().model.path.written,
                    .status = fate == Fate::kFailed ? "failed" : "done"});
  }
  return rows;
}

std::vector<RankReport> gather_reports(const Group& world, const RankReport& mine) {
  const auto text = to_text(mine);
  const auto bytes = at::tensor(std::vector<uint8_t>(text.begin(), text.end()), at::kByte);
  const auto sizes = world.all_gather(at::tensor({static_cast<int64_t>(text.size())}), 0);
  const auto* counts = sizes.const_data_ptr<int64_t>();
  const std::vector<int64_t> lengths(counts, counts + sizes.numel());
  const auto all = world.all_gather(bytes, 0, Split::of_lengths(lengths));
  std::vector<RankReport> reports;
  const auto* begin = reinterpret_cast<const char*>(all.const_data_ptr<uint8_t>());
  for (const auto length : lengths) {
    reports.push_back(rank_report(std::string(begin, static_cast<size_t>(length))));
    begin += length;
  }
  return reports;
}

}  // namespace trireme
