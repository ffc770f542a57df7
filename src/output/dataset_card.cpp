#include "src/output/dataset_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace trireme {
namespace {

struct SizeClass {
  std::int64_t below;
  const char* name;
};

// The hub's words.
std::string size_category(std::int64_t samples) {
  constexpr std::array<SizeClass, 7> kClasses = {{{1'000, "n<1K"},
                                                  {10'000, "1K<n<10K"},
                                                  {100'000, "10K<n<100K"},
                                                  {1'000'000, "100K<n<1M"},
                                                  {10'000'000, "1M<n<10M"},
                                                  {100'000'000, "10M<n<100M"},
                                                  {1'000'000'000, "100M<n<1B"}}};
  const auto fits = [&](const SizeClass& c) { return samples < c.below; };
  const auto* found = std::find_if(kClasses.begin(), kClasses.end(), fits);
  return found != kClasses.end() ? found->name : "n>1B";
}

bool are_pictures(const DatasetFacts& facts) {
  return facts.extension != "safetensors";
}

bool has_loader(const DatasetFacts& facts) {
  return facts.webdataset || are_pictures(facts);
}

// Sub-folders are shards, and no classes.
std::string loader_config(const DatasetFacts& facts) {
  if (!has_loader(facts)) return "";
  std::string files = facts.webdataset ? "      - \"*.tar\"\n" : "";
  if (!facts.webdataset && facts.metadata) files += "      - metadata.jsonl\n";
  if (!facts.webdataset) {
    files += fmt::format("      - \"*.{0}\"\n      - \"*/*.{0}\"\n", facts.extension);
  }
  return fmt::format(
      "configs:\n"
      "- config_name: default\n"
      "  data_files:\n"
      "  - split: train\n"
      "    path:\n{}{}",
      files, facts.webdataset ? "" : "  drop_labels: true\n");
}

std::string header(const DatasetFacts& facts) {
  return fmt::format(
      "---\n"
      "{}size_categories:\n- {}\n"
      "tags:\n- synthetic\n- trireme\n"
      "{}---\n",
      are_pictures(facts) ? "task_categories:\n- text-to-image\n" : "",
      size_category(facts.samples), loader_config(facts));
}

// In a code span, which nothing but a backtick ends and no line break survives.
std::string as_code(std::string text) {
  const auto ends_it = [](unsigned char c) { return c < ' ' || c == '`'; };
  std::replace_if(text.begin(), text.end(), ends_it, '?');
  return "`" + text + "`";
}

std::string members(const DatasetFacts& facts) {
  if (!facts.webdataset) {
    return fmt::format(
        "* one `.{}` a sample, named by its index{}\n", facts.extension,
        facts.metadata ? "; `metadata.jsonl` has its prompt, seed and settings" : "");
  }
  return fmt::format(
      "* shards `*.tar`, in which a sample has the members {}{}`.{}`; "
      "beside each a `.json` with counts and sha256\n",
      facts.metadata ? "`.json` (prompt, seed and settings), " : "",
      facts.captions ? "`.txt` (the prompt), " : "", facts.extension);
}

std::string how_to_read(const DatasetFacts& facts) {
  if (!has_loader(facts)) {
    return "from safetensors.torch import load_file\n\n"
           "tensors = load_file(\"00000000.safetensors\")\n";
  }
  return "from datasets import load_dataset\n\n"
         "samples = load_dataset(\"path/of/this/folder\", split=\"train\")\n";
}

}  // namespace

std::string dataset_card(const DatasetFacts& facts) {
  const char* what = are_pictures(facts) ? "Pictures" : "Tensors";
  return fmt::format(
      "{}\n# {} rendered by trireme\n\n"
      "* {} samples by {}\n{}"
      "* `job.json` holds the job that makes them again, byte for byte\n\n"
      "```python\n{}```\n",
      header(facts), what, facts.samples, as_code(facts.model), members(facts), how_to_read(facts));
}

}  // namespace trireme
