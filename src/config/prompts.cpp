#include "src/config/prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/config/describe_job.h"
#include "src/config/hash.h"
#include "src/config/text.h"

namespace trireme {
namespace {

constexpr size_t kShownProblems = 20;
constexpr int64_t kFirstLook = 1000;  // rows

// Problems of the dataset, as many as one can read at once, in one error.
class RowProblems {
 public:
  void add(std::vector<Problem> problems) {
    for (Problem& problem : problems) {
      ++count_;
      if (shown_.size() < kShownProblems) shown_.push_back(std::move(problem));
    }
  }

  size_t count() const { return count_; }

  void raise(const std::string& file, std::string_view text) const {
    if (count_ == 0) return;
    Error error = all_problems(Exit::kBadData, Source{file, std::string(text), {}, {}}, shown_);
    std::string more = count_ == shown_.size()
                           ? ""
                           : fmt::format("\n{}: and {} more", file, count_ - shown_.size());
    throw Error(Exit::kBadData, error.what() + more);
  }

 private:
  std::vector<Problem> shown_;
  size_t count_ = 0;
};

void check_range(const Job& job, int64_t count) {
  int64_t last = job.dataset->last_row.value_or(count - 1);
  if (last < count) return;
  std::string rows = fmt::format("{}-{}", job.dataset->first_row.value_or(0), last);
  throw job_error(job.source,
                  {{"dataset.rows",
                    fmt::format("{} -> rows 0 to {}, as {} has {} row{}", rows, count - 1,
                                job.dataset->path.written, count, count == 1 ? "" : "s"),
                    {}}});
}

std::string describe_rows(const std::vector<PromptRow>& rows, const Sampling& base) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const PromptRow& row : rows) list.push_back(to_json(row, base));
  return list.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

Prompts::Prompts(const Job& job) : sampling_(job.sampling), inline_(job.prompts) {
  if (!job.dataset) {
    last_ = static_cast<int64_t>(inline_.size()) - 1;
    fingerprint_ = xxh3_128(describe_rows(inline_, sampling_));
    return;
  }
  find_rows(job);
  check_first_rows(job);
  const auto count = static_cast<int64_t>(index_.starts.size()) - 1;
  std::string which = fmt::format("{} {} {} {}", static_cast<int>(kind_), first_, last_, count);
  fingerprint_ = xxh3_128(which + ' ' + xxh3_128(text_));
  mapped_.let_go();
}

void Prompts::find_rows(const Job& job) {
  const Location& path = job.dataset->path;
  file_ = path.written;
  mapped_ = MappedText(path.resolved, "dataset.path", "a file of prompts");
  text_ = without_bom(mapped_.text());
  kind_ = dataset_kind(file_);
  index_ = index_dataset(kind_, text_);
  const auto count = static_cast<int64_t>(index_.starts.size()) - 1;
  RowProblems problems;
  problems.add(index_.problems);
  bool empty = count == 0 && index_.problems.empty();
  if (empty) problems.add({{"dataset", "no rows -> at least one -> an empty file", Mark{0, 0}}});
  problems.raise(file_, text_);
  check_range(job, count);
  first_ = job.dataset->first_row.value_or(0);
  last_ = job.dataset->last_row.value_or(count - 1);
}

// Mistakes that are everywhere are told before the work. A job that says how many may fail means
// it.
void Prompts::check_first_rows(const Job& job) const {
  if (job.output.says_max_failed && job.output.on_error == OnError::kQuarantine) return;
  RowProblems problems;
  int64_t bad = 0;
  for (int64_t row = first_; row <= std::min(last_, first_ + kFirstLook - 1); ++row) {
    const auto found = read(row).problems;
    if (!found.empty()) ++bad;
    problems.add(found);
  }
  const bool may_go_on =
      job.output.on_error == OnError::kQuarantine && job.output.max_failed.allows(bad, row_count());
  if (!may_go_on) problems.raise(file_, text_);
}

DatasetRow Prompts::read(int64_t row) const {
  if (index_.starts.empty()) return {inline_.at(static_cast<size_t>(row)), {}};
  return read_dataset_row(kind_, text_, index_, row, sampling_);
}

ReadRow Prompts::read_row(int64_t n) const {
  if (n < 0 || n >= row_count()) {
    throw Error(Exit::kBug, fmt::format("[prompts] row {} -> 0 to {}", n, row_count() - 1));
  }
  auto [row, problems] = read(first_ + n);
  row.row = first_ + n;
  if (problems.empty()) return {std::move(row), ""};
  const auto& problem = problems.front();
  const auto start = offset(n).value();
  const auto line = problem.mark.line + 1;
  return {std::move(row), fmt::format("{}:{}: [{}] {} (byte {} of the file)", file_, line,
                                      problem.place, problem.message, start)};
}

std::optional<int64_t> Prompts::offset(int64_t n) const {
  if (index_.starts.empty()) return std::nullopt;
  return index_.starts[static_cast<size_t>(first_ + n)];
}

PromptRow Prompts::row(int64_t n) const {
  auto [row, problem] = read_row(n);
  if (!problem.empty()) throw Error(Exit::kBadData, problem);
  return row;
}

Sample Prompts::sample(int64_t n) const {
  const auto pictures = sampling_.num_images_per_prompt;
  return sample_of(row(n / pictures), n % pictures);
}

Sample sample_of(PromptRow row, int64_t number) {
  Sample out;
  out.row = row.row;
  out.number = number;
  out.index = row.row * row.sampling.num_images_per_prompt + number;
  // Seeds count modulo 2^64, as unsigned numbers do.
  const auto step = row.own_seed ? out.number : out.index;
  out.seed = row.sampling.seed + static_cast<uint64_t>(step);
  out.prompt = std::move(row.prompt);
  out.prompt_2 = std::move(row.prompt_2);
  out.prompt_3 = std::move(row.prompt_3);
  out.sampling = std::move(row.sampling);
  return out;
}

}  // namespace trireme
