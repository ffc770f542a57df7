// make_output OUT SAMPLES SHARD_SIZE [MADE...]: renders nothing, but writes OUT as a job does. Only
// the samples MADE are written (none named: all), as in a run that was broken off.
#include <string>
#include <vector>

#include "src/image/png.h"
#include "src/report/output_folder.h"

namespace {

trireme::MetadataRow row(std::int64_t index) {
  return {.index = index,
          .prompt = "prompt \"" + std::to_string(index) + "\", 猫\n",
          .negative_prompt = "",
          .seed = 1000 + static_cast<std::uint64_t>(index),
          .height = 16,
          .width = 32,
          .num_inference_steps = 20,
          .guidance_scale = index % 2 == 0 ? 7.0 : 4.5,
          .model = "some/model"};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  const std::int64_t samples = std::stoll(argv[2]);
  const auto folder = trireme::OutputFolder::open(
      argv[1],
      {.samples = samples, .shard_size = std::stoll(argv[3]), .job = "{}", .fingerprint = "f0"});
  std::vector<std::int64_t> indices;
  for (int i = 4; i < argc; ++i) indices.push_back(std::stoll(argv[i]));
  for (std::int64_t i = 0; argc == 4 && i < samples; ++i) indices.push_back(i);

  std::vector<trireme::MetadataRow> rows;
  for (const std::int64_t index : indices) {
    const std::vector<std::uint8_t> pixels(16 * 32 * 3, static_cast<std::uint8_t>(index));
    folder.write(index, trireme::encode_png(pixels, {16, 32}, {{"parameters", "a cat"}}));
    rows.push_back(row(index));
  }
  folder.write_metadata(rows);
}
