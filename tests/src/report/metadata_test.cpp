#include "src/report/metadata.h"

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

MetadataRow cat() {
  return {.index = 3,
          .prompt = "a \"cat\" 猫\n",
          .negative_prompt = "blurry",
          .seed = 18446744073709551615u,
          .height = 64,
          .width = 128,
          .num_inference_steps = 20,
          .guidance_scale = 7,
          .model = "sd3"};
}

TEST(Metadata, ARowIsALineWithThePromisedKeysInTheirOrder) {
  EXPECT_EQ(metadata_line(cat(), "00000003.png", MetadataDetail::kFull),
            R"({"file_name":"00000003.png","index":3,"prompt":"a \"cat\" 猫\n",)"
            R"("negative_prompt":"blurry","seed":18446744073709551615,"height":64,"width":128,)"
            R"("num_inference_steps":20,"guidance_scale":7.0,"model":"sd3","status":"done"})");
}

TEST(Metadata, MinimalKeepsWhatLoadersNeed) {
  EXPECT_EQ(metadata_line(cat(), "00000003.png", MetadataDetail::kMinimal),
            R"({"file_name":"00000003.png","index":3,"prompt":"a \"cat\" 猫\n",)"
            R"("seed":18446744073709551615,"status":"done"})");
}

TEST(Metadata, LinesComeBackByIndex) {
  const std::string line = metadata_line(cat(), "00000003.png", MetadataDetail::kFull);
  const auto lines = parse_metadata(line + "\n", "metadata.jsonl");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines.at(3).line, line);
  EXPECT_EQ(lines.at(3).status, "done");
  EXPECT_TRUE(parse_metadata("", "metadata.jsonl").empty());
}

TEST(Metadata, ADamagedLineIsNamed) {
  const Error error = error_of([] {
    parse_metadata("{\"index\":0,\"status\":\"done\"}\n{\"index\":1\n", "out/metadata.jsonl");
  });
  EXPECT_EQ(error.exit(), Exit::kBadData);
  EXPECT_NE(std::string(error.what()).find("[out/metadata.jsonl:2]"), std::string::npos);
}

}  // namespace
}  // namespace trireme
