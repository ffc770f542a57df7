#include "src/output/manifest.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "src/output/sha256.h"

namespace trireme {
namespace {

Manifest of_files() {
  Manifest manifest{.shard = 42, .first = 168};
  manifest.samples = {
      {.index = 168, .file = "00042/00000168.png", .bytes = 3, .sha256 = sha256_of("abc")},
      {.index = 169, .verdict = Verdict::kFailed, .code = "nan", .reason = "step 3"},
      {.index = 171, .verdict = Verdict::kSkipped, .code = "too_small"}};
  sum_files(manifest);
  return manifest;
}

Manifest of_tar() {
  auto manifest = of_files();
  manifest.file = "000042.tar";
  manifest.bytes = 3072;
  manifest.sha256 = sha256_of("a tar");
  return manifest;
}

// What only the text itself knows.
Manifest without_what_is_believed(Manifest manifest) {
  for (auto& sample : manifest.samples) {
    sample.code = sample.reason = "";
    sample.index = 0;
    if (!manifest.file.empty()) {
      sample.file = sample.sha256 = "";
      sample.bytes = 0;
    }
  }
  if (!manifest.file.empty()) {
    manifest.shard = manifest.first = manifest.bytes = 0;
    manifest.sha256 = "";
    manifest.file = "tar";
  }
  return manifest;
}

TEST(Manifest, IsReadAsItWasWritten) {
  for (const auto& manifest : {of_files(), of_tar()})
    EXPECT_EQ(manifest_from(to_text(manifest), "m"), manifest);
  EXPECT_EQ(of_files().verdicts(), (Verdicts{.done = 1, .failed = 1, .skipped = 1}));
}

// Hashes of tars are held against the tar, later; the lines of single files against the head, here.
TEST(Manifest, AnyChangedByteIsRefusedOrIsAWordForPeople) {
  for (const auto& manifest : {of_files(), of_tar()}) {
    const auto text = to_text(manifest);
    for (std::size_t at = 0; at < text.size(); ++at)
      for (const char flip : {'\1', '\x10', '\x80'}) {
        auto changed = text;
        changed[at] = static_cast<char>(changed[at] ^ flip);
        try {
          const auto read = manifest_from(changed, "OUT/000042.json");
          if (!manifest.file.empty() || read.shard != manifest.shard ||
              read.first != manifest.first)
            continue;  // against the shard's number and files
          EXPECT_EQ(without_what_is_believed(read), without_what_is_believed(manifest)) << changed;
        } catch (const Error& error) {
          EXPECT_EQ(error.exit(), Exit::kBadData);
          EXPECT_EQ(std::string(error.what()).find("[OUT/000042.json] "), 0U);
        }
      }
  }
}

TEST(Manifest, CutAnywhereIsRefused) {
  const auto text = to_text(of_files());
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_THROW(manifest_from(text.substr(0, size), "m"), Error) << size;
  EXPECT_THROW(manifest_from(text + " ", "m"), Error);
}

TEST(Manifest, SumsThatDisagreeAreNamed) {
  auto text = to_text(of_files());
  text.replace(text.find("\"failed\":1"), 10, "\"failed\":2");
  try {
    manifest_from(text, "m");
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[m] failed is not 1 -> a manifest as it was written -> damaged, cut or edited");
  }
}

// No place on a disk is a text of UTF-8 only.
TEST(Manifest, ReasonsMayBeAnyBytes) {
  auto manifest = of_files();
  manifest.samples[1].reason = "\xff\"\n\\";
  const auto text = to_text(manifest);
  EXPECT_EQ(to_text(manifest_from(text, "m")), text);
}

}  // namespace
}  // namespace trireme
