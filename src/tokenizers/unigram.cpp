#include "src/tokenizers/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "parallel/error.h"
#include "src/tokenizers/unicode.h"

namespace trireme {

namespace {
constexpr double kUnknownPenalty = 10.0;
constexpr uint32_t kNowhere = UINT32_MAX;
}  // namespace

struct Unigram::Step {
  double score = 0.0;
  uint32_t from = kNowhere;
  int32_t id = 0;
};

Unigram::Unigram(const std::vector<std::pair<std::string, double>>& pieces, int64_t unknown,
                 const std::filesystem::path& folder)
    : piece_at_{-1}, unknown_(unknown) {
  if (unknown >= static_cast<int64_t>(pieces.size()))
    throw Error(Exit::kBadData,
                fmt::format("[{}] {} pieces -> more than {}, the id of <unk> in T5 -> the "
                            "tokenizer's file is damaged or of another model",
                            folder.string(), pieces.size(), unknown));
  double lowest = std::numeric_limits<double>::infinity();
  for (size_t id = 0; id < pieces.size(); ++id) {
    const auto& [piece, score] = pieces[id];
    ids_[piece] = static_cast<int64_t>(id);
    scores_.push_back(score);
    lowest = std::min(lowest, score);
    uint64_t node = 0;
    for (const char c : piece) {
      const auto [child, added] = children_.try_emplace(node << 8 | static_cast<unsigned char>(c),
                                                        static_cast<uint32_t>(piece_at_.size()));
      if (added) piece_at_.push_back(-1);
      node = child->second;
    }
    if (node != 0) piece_at_[node] = static_cast<int64_t>(id);
  }
  unknown_score_ = lowest - kUnknownPenalty;
}

int64_t Unigram::id(const std::string& piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? -1 : found->second;
}

std::vector<Unigram::Step> Unigram::best_path(std::string_view word) const {
  std::vector<Step> steps(word.size() + 1);
  for (size_t at = 0; at < word.size();) {
    const double so_far = steps[at].score;
    const auto offer = [&](size_t end, double score, int64_t id) {
      Step& step = steps[end];
      const double total = score + so_far;
      if (step.from == kNowhere || total > step.score)
        step = {total, static_cast<uint32_t>(at), static_cast<int32_t>(id)};
    };
    const size_t next = decode(word, at).end;
    bool single = false;  // some piece is just this character
    uint64_t node = 0;
    for (size_t end = at; end < word.size();) {
      const auto child = children_.find(node << 8 | static_cast<unsigned char>(word[end]));
      if (child == children_.end()) break;
      node = child->second;
      ++end;
      const int64_t id = piece_at_[node];
      if (id < 0) continue;
      offer(end, scores_[static_cast<size_t>(id)], id);
      single = single || end == next;
    }
    if (!single) offer(next, unknown_score_, unknown_);
    at = next;
  }
  return steps;
}

void Unigram::append_ids(std::string_view word, std::vector<int64_t>& ids) const {
  const std::vector<Step> steps = best_path(word);
  const auto first = static_cast<std::ptrdiff_t>(ids.size());
  for (size_t end = word.size(); end > 0;) {
    size_t begin = steps[end].from;
    if (steps[end].id != unknown_) {
      ids.push_back(steps[end].id);
    } else {  // neighbouring unknowns are one token
      while (begin > 0 && steps[begin].id == unknown_) begin = steps[begin].from;
      const int64_t fused = id(std::string(word.substr(begin, end - begin)));
      ids.push_back(fused < 0 ? unknown_ : fused);
    }
    end = begin;
  }
  std::reverse(ids.begin() + first, ids.end());
}

}  // namespace trireme
