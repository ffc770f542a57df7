#include <fmt/format.h>

#include <cctype>

#include "src/config/location.h"
#include "src/config/read_sampling.h"
#include "src/config/read_sections.h"

namespace trireme {
namespace {

void read_row_range(Fields& in, DatasetChoice& out) {
  const Node* node = in.find("rows");
  if (!node) return;
  auto bound = [](std::string_view text) {
    Node number;
    number.kind = Node::Kind::kScalar;
    number.text = text;
    Whole read = read_whole(number, {0, int64_t{1} << 53});
    return read.problem.empty() ? std::optional(read.value) : std::nullopt;
  };
  std::string_view text = node->text;
  size_t dash = text.find('-');
  auto first = bound(text.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : bound(text.substr(dash + 1));
  bool good = node->kind == Node::Kind::kScalar && first && last && *first <= *last;
  if (!good) return in.refuse("rows", "row numbers from zero, both ends included, such as 0-999");
  out.first_row = first;
  out.last_row = last;
}

}  // namespace

std::vector<PromptRow> read_prompts(Fields& job, const Sampling& sampling) {
  std::vector<PromptRow> rows;
  const Node* node = job.find("prompts");
  if (!node) return rows;
  if (node->kind != Node::Kind::kList || node->items.empty()) {
    job.refuse("prompts", "a list of at least one prompt, such as [a photo of a cat]");
    return rows;
  }
  for (const Node& item : node->items) {
    auto number = static_cast<int64_t>(rows.size());
    std::string place = fmt::format("prompts.{}", number);
    PromptRow row{number, "", "", "", sampling, false};
    if (item.kind == Node::Kind::kScalar) {
      row.prompt = item.text;
    } else if (item.kind == Node::Kind::kMap) {
      row = read_row(item, place, number, sampling, job.problems());
    } else if (item.kind != Node::Kind::kBroken) {
      job.refuse(item, place, "a prompt or a map with one -> an empty prompt is written \"\"");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<DatasetChoice> read_dataset(Fields& job, const std::filesystem::path& folder) {
  auto in = job.section("dataset", "{path: prompts.jsonl}");
  if (!in) return std::nullopt;
  DatasetChoice out;
  in->require("path", "path: prompts.txt, prompts.jsonl or prompts.csv");
  out.path = read_location(*in, "path", folder, Names::kPath).value_or(Location{});
  std::string ending = std::filesystem::path(out.path.written).extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  bool known = ending == ".txt" || ending == ".jsonl" || ending == ".csv";
  if (!known && !out.path.written.empty()) {
    in->refuse("path", "a file that ends in .txt (a prompt a line), .jsonl or .csv");
  }
  read_row_range(*in, out);
  in->finish(keys_of_sections());
  return out;
}

}  // namespace trireme
