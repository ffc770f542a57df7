#include "src/output/metadata.h"

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

}  // namespace
}  // namespace trireme
