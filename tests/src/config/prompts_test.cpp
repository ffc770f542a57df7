// Rows from the job and from .txt, .jsonl and .csv files, and the samples they make.
#include "src/config/prompts.h"

#include <gtest/gtest.h>

#include "tests/src/config/temp_folder.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

const std::string kVersionAndModel = "version: 1\nmodel: {path: org/name}\n";

Job inline_job(const std::string& rest) {
  return parse_job(kVersionAndModel + rest, "/jobs/job.yaml");
}

// A job over a dataset file of this name and text.
class Dataset : public ::testing::Test {
 protected:
  Job job(const std::string& name, const std::string& text, const std::string& more = "",
          const std::string& rest = "") {
    folder_.write(name, text);
    return parse_job(kVersionAndModel + "dataset: {path: " + name + more + "}\n" + rest,
                     (folder_ / "job.yaml").string());
  }
  Prompts prompts(const std::string& name, const std::string& text, const std::string& more = "",
                  const std::string& rest = "") {
    return Prompts(job(name, text, more, rest));
  }
  Refusal refusal(const std::string& name, const std::string& text, const std::string& more = "") {
    return error_of([&] { prompts(name, text, more); });
  }

  TempFolder folder_;
};

TEST(Samples, SeedsFollowTheIndexAndARowsOwnSeedThePicture) {
  Prompts prompts(inline_job(R"(
prompts: [a cat, {prompt: a dog, seed: 50}]
sampling: {seed: 100, num_images_per_prompt: 3}
)"));
  ASSERT_EQ(prompts.row_count(), 2);
  ASSERT_EQ(prompts.sample_count(), 6);
  std::vector<uint64_t> seeds;
  for (int64_t i = 0; i < 6; ++i) {
    Sample sample = prompts.sample(i);
    EXPECT_EQ(sample.index, i);
    EXPECT_EQ(sample.row, i / 3);
    EXPECT_EQ(sample.number, i % 3);
    seeds.push_back(sample.seed);
  }
  EXPECT_EQ(seeds, (std::vector<uint64_t>{100, 101, 102, 50, 51, 52}));
}

TEST(Samples, SeedsWrapAround) {
  Prompts prompts(inline_job("prompts: [a, b]\nsampling: {seed: 18446744073709551615}\n"));
  EXPECT_EQ(prompts.sample(1).seed, 0u);
}

TEST(Samples, ASampleHasItsRowsSampling) {
  Prompts prompts(
      inline_job("prompts: [{prompt: a, prompt_3: c, width: 512}]\n"
                 "sampling: {width: 1024, negative_prompt: n}\n"));
  Sample sample = prompts.sample(0);
  EXPECT_EQ(sample.prompt_2, "");
  EXPECT_EQ(sample.prompt_3, "c");
  EXPECT_EQ(sample.sampling.width, 512);
  EXPECT_EQ(sample.sampling.negative_prompt, "n");
}

TEST_F(Dataset, EveryLineOfATextIsARow) {
  Prompts p = prompts("p.txt", "a cat\r\n\n  {\"prompt\": 1}, as it stands\nlast");
  ASSERT_EQ(p.row_count(), 4);
  EXPECT_EQ(p.row(0).prompt, "a cat");
  EXPECT_EQ(p.row(1).prompt, "");
  EXPECT_EQ(p.row(2).prompt, "  {\"prompt\": 1}, as it stands");
  EXPECT_EQ(p.row(3).prompt, "last");
  EXPECT_EQ(prompts("q.txt", "\xEF\xBB\xBFone\n").row(0).prompt, "one");
}

TEST_F(Dataset, JsonLines) {
  Prompts p =
      prompts("p.jsonl",
              "{\"prompt\": \"a \\\"cat\\\" \\ud83d\\ude00\", \"seed\": 9, \"width\": 512}\r\n"
              "{\"prompt\": \"\", \"sigmas\": [1, 0.5], \"seed\": null}\n\n",
              "", "sampling: {num_inference_steps: 28, width: 1024}\n");
  ASSERT_EQ(p.row_count(), 2);
  EXPECT_EQ(p.row(0).prompt, "a \"cat\" 😀");
  EXPECT_EQ(p.row(0).sampling.seed, 9u);
  EXPECT_EQ(p.row(0).sampling.width, 512);
  EXPECT_TRUE(p.row(0).own_seed);
  EXPECT_EQ(p.row(1).sampling.sigmas, (std::vector<double>{1, 0.5}));
  EXPECT_EQ(p.row(1).sampling.width, 1024);
  EXPECT_FALSE(p.row(1).own_seed);
}

TEST_F(Dataset, Csv) {
  Prompts p = prompts("p.csv",
                      "prompt,seed,negative_prompt,sigmas\r\n"
                      "a cat,7,,\r\n"
                      "\"two, \"\"quoted\"\"\nlines\",,blurry,\"[1.0, 0.5]\"\r\n"
                      "\r\n"
                      ",3,null,\n",
                      "", "sampling: {negative_prompt: pale, seed: 10}\n");
  ASSERT_EQ(p.row_count(), 3);
  EXPECT_EQ(p.row(0).prompt, "a cat");
  EXPECT_EQ(p.row(0).sampling.seed, 7u);
  EXPECT_EQ(p.row(0).sampling.negative_prompt, "pale");  // an empty cell says nothing
  EXPECT_EQ(p.row(1).prompt, "two, \"quoted\"\nlines");
  EXPECT_EQ(p.row(1).sampling.negative_prompt, "blurry");
  EXPECT_EQ(p.row(1).sampling.sigmas, (std::vector<double>{1, 0.5}));
  EXPECT_FALSE(p.row(1).own_seed);
  EXPECT_EQ(p.sample(1).seed, 11u);
  EXPECT_EQ(p.row(2).prompt, "");
  EXPECT_EQ(p.row(2).sampling.negative_prompt, "null");  // cells of text are text
}

TEST_F(Dataset, ASubsetKeepsNumbersSeedsAndNames) {
  std::string text = "zero\none\ntwo\nthree\n";
  std::string sampling = "sampling: {num_images_per_prompt: 2, seed: 5}\n";
  Prompts all = prompts("p.txt", text, "", sampling);
  Prompts some = prompts("p.txt", text, ", rows: 2-3", sampling);
  ASSERT_EQ(some.row_count(), 2);
  ASSERT_EQ(some.sample_count(), 4);
  EXPECT_EQ(some.row(0).row, 2);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(some.sample(i), all.sample(4 + i));
  EXPECT_EQ(some.sample(0).index, 4);
  EXPECT_EQ(prompts("p.txt", text, ", rows: 1").row(0).prompt, "one");
}

TEST_F(Dataset, RowsPastTheEnd) {
  Refusal refusal = this->refusal("p.txt", "zero\none\n", ", rows: 1-2");
  EXPECT_EQ(refusal.exit, Exit::kBadJob);
  EXPECT_NE(
      refusal.text.find("job.yaml:3:30: [dataset.rows] 1-2 -> rows 0 to 1, as p.txt has 2 rows\n"),
      std::string::npos)
      << refusal.text;
}

TEST_F(Dataset, FilesThatAreNotThere) {
  Job job =
      parse_job(kVersionAndModel + "dataset: {path: none.txt}\n", (folder_ / "job.yaml").string());
  EXPECT_EQ(error_of([&] { Prompts prompts(job); }).exit, Exit::kMissingInput);
}

struct BadRows {
  std::string name;
  std::string text;
  std::string message;
};

TEST_F(Dataset, BadRowsAreNamedByFileAndLine) {
  const std::vector<BadRows> corpus = {
      {"p.txt", "", "p.txt:1:1: [dataset] no rows -> at least one -> an empty file"},
      {"p.txt", "a\nb \xff\n",
       "p.txt:2:3: [rows.1] byte 0xff is not UTF-8, at byte 4 -> text in UTF-8 -> saved in "
       "another "
       "encoding\nb ?\n  ^"},
      {"p.jsonl", "{\"prompt\": \"a\"}\n{\"promt\": \"b\"}\n",
       "p.jsonl:2:2: [rows.1.promt] unknown key -> did you mean prompt?\n{\"promt\": \"b\"}\n ^"},
      {"p.jsonl", "{\"prompt\": 5, \"seed\": \"x\"}\n",
       "p.jsonl:1:15: [rows.0.seed] \"x\" -> a whole"},
      {"p.jsonl", "{\"prompt\": \"a\"\n",
       "p.jsonl:1:15: [rows.0] not JSON -> one JSON object a line\n{\"prompt\": \"a\"\n"},
      {"p.jsonl", "[1]\n", "p.jsonl:1:1: [rows.0] a list -> a JSON object, such as"},
      {"p.jsonl", "{\"prompt\": \"a\"}\n\n{\"prompt\": \"b\"}\n", "p.jsonl:2:1: [rows.1] not JSON"},
      {"p.jsonl", "{\"prompt\": \"a\", \"prompt\": \"b\"}\n", "[rows.0] prompt -> each key once"},
      {"p.jsonl", "{\"seed\": 1}\n", "p.jsonl:1:1: [rows.0] no prompt -> each row has a prompt"},
      {"p.csv", "promt,seed\na,1\n",
       "p.csv:1:1: [columns.promt] unknown column -> did you mean prompt?\npromt,seed\n^"},
      {"p.csv", "prompt,prompt\na,b\n", "p.csv:1:8: [columns.prompt] a column with the same name"},
      {"p.csv", "seed\n1\n", "p.csv:1:1: [columns] no prompt column"},
      {"p.csv", "prompt,seed\na,1\nb, c,2\n", "p.csv:3:1: [rows.1] 3 fields -> 2, as there are 2"},
      {"p.csv", "prompt,seed\n\"a\nb\",x\n", "p.csv:3:4: [rows.0.seed] x -> a whole number"},
      {"p.csv", "prompt\na \"b\" c\n", "p.csv:2:1: [rows] a quote inside a field"},
      {"p.csv", "prompt\n\"a\n", "p.csv:2:1: [rows] a quote that is not closed"},
      {"p.csv", "prompt\n\"a\"b\n", "p.csv:2:1: [rows] text after a closing quote"},
  };
  for (const BadRows& bad : corpus) {
    Refusal refusal = this->refusal(bad.name, bad.text);
    EXPECT_EQ(refusal.exit, Exit::kBadData) << bad.text;
    EXPECT_NE(refusal.text.find(bad.message), std::string::npos)
        << bad.text << "\nis refused with\n"
        << refusal.text;
  }
}

TEST_F(Dataset, OfManyBadRowsTwentyAreShown) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "{\"prompt\": \"a\", \"sed\": 1}\n";
  std::string message = refusal("p.jsonl", text).text;
  EXPECT_NE(message.find("p.jsonl:20:"), std::string::npos);
  EXPECT_EQ(message.find("p.jsonl:21:"), std::string::npos);
  EXPECT_NE(message.find("p.jsonl: and 80 more"), std::string::npos);
}

TEST_F(Dataset, FingerprintsFollowTheRows) {
  std::string first = prompts("p.txt", "a\nb\n").fingerprint();
  EXPECT_EQ(first.size(), 32u);
  EXPECT_EQ(prompts("other.txt", "a\nb\n").fingerprint(), first);  // a name is no content
  EXPECT_NE(prompts("p.txt", "a\nc\n").fingerprint(), first);
  EXPECT_NE(prompts("p.txt", "a\nb\n", ", rows: 0").fingerprint(), first);
}

}  // namespace
}  // namespace trireme
