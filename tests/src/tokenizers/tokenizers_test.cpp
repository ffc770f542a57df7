// Tokenizers without Python: what the demo checkpoints' folders give, every message, and that long
// or hostile prompts cost no more than their length. Ids of any text: test_tokenizers.py.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "parallel/error.h"
#include "src/tokenizers/clean_caption.h"
#include "src/tokenizers/clip.h"
#include "src/tokenizers/tokenizer.h"
#include "src/tokenizers/unicode.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

fs::path scratch(const std::string& name) {
  const auto folder = fs::path(testing::TempDir()) / "tokenizers_test" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void write(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(Exit::kDone, "");
}

void expect_error(Exit exit, const std::vector<std::string>& parts,
                  const std::function<void()>& act) {
  const Error error = error_of(act);
  EXPECT_EQ(error.exit(), exit);
  for (const auto& part : parts)
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
}

double seconds(const std::function<void()>& act) {
  const auto start = std::chrono::steady_clock::now();
  act();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string repeat(const std::string& text, size_t bytes) {
  std::string result;
  while (result.size() < bytes) result += text;
  return result;
}

TEST(Clip, FramesAndPadsByTheFoldersRule) {
  const auto first = load_tokenizer("demo/sd3/tokenizer");
  const auto second = load_tokenizer("demo/sd3/tokenizer_2");
  const Ids empty = first->ids("");
  ASSERT_EQ(empty.size(), 2U);
  EXPECT_EQ(first->max_length(), 16);

  const Tokens padded = first->encode("a", 6);
  EXPECT_EQ(padded.ids.size(), 6U);
  EXPECT_EQ(padded.ids.back(), first->pad_id());
  EXPECT_EQ(first->pad_id(), first->end_id());
  EXPECT_EQ(padded.mask, (Ids{1, 1, 1, 0, 0, 0}));
  EXPECT_EQ(second->encode("a", 6).ids.back(), 0);
  EXPECT_EQ(second->ids("a!b!!"),
            (Ids{empty[0], second->ids("a")[1], 0, second->ids("b")[1], 0, 0, empty[1]}));
}

TEST(Clip, KeepsTheEndWhenTruncating) {
  const auto tokenizer = load_tokenizer("demo/sd3/tokenizer");
  const Tokens tokens = tokenizer->encode(repeat("red star ", 900), 16);
  EXPECT_EQ(tokens.ids.back(), tokenizer->end_id());
  EXPECT_EQ(tokens.mask, Ids(16, 1));
}

TEST(Clip, LiteralSpecialTokensBecomeTheirIds) {
  const auto tokenizer = load_tokenizer("demo/sd3/tokenizer");
  const Ids ids = tokenizer->ids("a<|endoftext|>a");
  EXPECT_EQ(ids, (Ids{ids[0], ids[1], tokenizer->end_id(), ids[1], tokenizer->end_id()}));
}

TEST(Clip, NormalisesAndSplitsAsThePatternSays) {
  EXPECT_EQ(clip_normalize(Nfc(), "  A\t\n B\u00a0E\u0301\u0130 "), " a b \u00e9i\u0307 ");
  EXPECT_EQ(
      clip_words("it's 42 c++, \u00e9t\u00e9!"),
      (std::vector<std::string_view>{"it", "'s", "4", "2", "c", "++,", "\u00e9t\u00e9", "!"}));
}

TEST(T5, AppendsTheEndAndPadsWithZero) {
  const auto tokenizer = load_tokenizer("demo/sd3/tokenizer_3");
  EXPECT_EQ(tokenizer->ids(""), Ids{1});
  EXPECT_EQ(tokenizer->ids("  \n"), Ids{1});
  EXPECT_EQ(tokenizer->ids("</s> <pad>"), (Ids{1, 0, 1}));
  const Tokens tokens = tokenizer->encode("red", 8);
  EXPECT_EQ(tokens.ids.back(), 0);
  EXPECT_EQ(tokens.mask.front(), 1);
  EXPECT_EQ(tokens.mask.back(), 0);
  EXPECT_EQ(tokenizer->encode(repeat("red star ", 900), 8).ids.back(), 1);
}

TEST(T5, UnknownNeighboursAreOneToken) {
  const auto tokenizer = load_tokenizer("demo/sd3/tokenizer_3");
  EXPECT_EQ(tokenizer->ids("\u65e5\u672c").size(), tokenizer->ids("\u65e5").size());
}

TEST(Messages, MissingFilesNameTheFolderAndWhatItShouldHold) {
  const auto folder = scratch("empty");
  expect_error(Exit::kMissingInput, {folder.string(), "vocab.json", "merges.txt", "spiece.model"},
               [&] { load_tokenizer(folder); });
  expect_error(Exit::kMissingInput, {"no/such", "no such folder"},
               [&] { load_tokenizer("no/such"); });
  write(folder / "vocab.json", "{}");
  expect_error(Exit::kMissingInput, {"merges.txt"}, [&] { load_tokenizer(folder); });
}

TEST(Messages, DamagedFilesAreNamed) {
  const auto folder = scratch("damaged");
  write(folder / "tokenizer.json", "{\"model\": ");
  expect_error(Exit::kBadData, {"tokenizer.json", "JSON"}, [&] { load_tokenizer(folder); });
  write(folder / "tokenizer.json", "{\"model\": {\"type\": \"BPE\"}}");
  expect_error(Exit::kBadData, {folder.string(), "vocab"}, [&] { load_tokenizer(folder); });

  const auto t5 = scratch("damaged_t5");
  write(t5 / "spiece.model", "version https://git-lfs.github.com/spec/v1");
  expect_error(Exit::kBadData, {"spiece.model", "LFS"}, [&] { load_tokenizer(t5); });

  const auto clip = scratch("damaged_clip");
  fs::copy("demo/sd3/tokenizer", clip);
  write(clip / "merges.txt", "#version: 0.2\nno such\n");
  expect_error(Exit::kBadData, {clip.string(), "\"such\""}, [&] { load_tokenizer(clip); });
  write(clip / "merges.txt", "#version: 0.2\na b c\n");
  expect_error(Exit::kBadData, {"merges.txt", "a b c"}, [&] { load_tokenizer(clip); });
  write(clip / "tokenizer_config.json", R"({"tokenizer_class": "GemmaTokenizer"})");
  expect_error(Exit::kBadData, {"GemmaTokenizer", "CLIPTokenizer"}, [&] { load_tokenizer(clip); });
}

TEST(Messages, PromptsThatAreNoUtf8NameByteAndOffset) {
  const auto tokenizer = load_tokenizer("demo/sd3/tokenizer");
  expect_error(Exit::kBadData, {"[prompt]", "byte 0xe9 at offset 3", "UTF-8"},
               [&] { tokenizer->ids("caf\xe9 au lait"); });
  for (const char* bad :
       {"\xff", "a\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
    expect_error(Exit::kBadData, {"UTF-8"}, [&] { require_utf8(bad, "rows.jsonl:7"); });
  expect_error(Exit::kBadData, {"[rows.jsonl:7]"}, [&] { require_utf8("\xff", "rows.jsonl:7"); });
  expect_error(Exit::kBadData, {"UTF-8"}, [&] { lower_strip("\xff"); });
  EXPECT_NO_THROW(require_utf8(std::string("\0\x7f \xf0\x9f\x90\x88 \xef\xbf\xbf", 13)));
}

TEST(Messages, LengthsTooShortForTheSpecialTokens) {
  expect_error(Exit::kBadJob, {"1", "at least 2"},
               [&] { load_tokenizer("demo/sd3/tokenizer")->encode("a", 1); });
}

TEST(Time, GrowsWithTheLengthOfAPrompt) {
  const auto clip = load_tokenizer("demo/sd3/tokenizer_2");
  const auto t5 = load_tokenizer("demo/sd3/tokenizer_3");
  for (const std::string& part :
       {std::string("a"), std::string("star"), std::string("a red star "), std::string("!"),
        std::string("<|endoftext|>"), std::string("</s>"), std::string("\u65e5"), std::string(" "),
        std::string("e\u0301"), std::string(1, '\0')}) {
    const std::string text = repeat(part, 10'000'000);
    EXPECT_LT(seconds([&] { clip->encode(text, 77); }), 30) << part;
    EXPECT_LT(seconds([&] { t5->encode(text, 256); }), 30) << part;
  }
}

TEST(Time, OfCleaningGrowsWithTheLengthOfACaption) {
  const CaptionCleaner clean;
  for (const std::string part : {"a", "a red star ", "a.", "a-", " ", "1", "1.", "<a ", "<",
                                 "&amp;", "a.coma", "\u65e5", "\"", "x@", "/"}) {
    const std::string text = repeat(part, 200'000);
    EXPECT_LT(seconds([&] { clean(text); }), 5) << part;
  }
}

TEST(CleanCaption, ReadsAsDiffusersDocumentsIt) {
  const CaptionCleaner clean;
  EXPECT_EQ(clean("  A Photo of <b>two</b> cats at https://example.com/cats.jpg #12  "),
            "a photo of two cats at .");
  EXPECT_EQ(clean("this-is-my-cute-cat"), "this is my cute cat");
  EXPECT_EQ(clean("wall art 1024x768, free shipping!"), "wall art , !");
  EXPECT_EQ(lower_strip(" \u039f\u0394\u039f\u03a3 \u00a0"), "\u03bf\u03b4\u03bf\u03c2");
}

}  // namespace
}  // namespace trireme
