#include "src/tokenizers/bpe.h"

#include <fmt/format.h>

#include <queue>

#include "parallel/error.h"
#include "src/tokenizers/unicode.h"

namespace trireme {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// GPT-2's printable stand-in for a byte: itself where it is visible Latin-1, else 256 and up.
std::array<std::string, 256> byte_symbols() {
  std::array<std::string, 256> symbols;
  char32_t spare = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool visible =
        (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    append_utf8(symbols[byte], visible ? static_cast<char32_t>(byte) : spare++);
  }
  return symbols;
}

uint64_t pair_key(uint32_t left, uint32_t right) {
  return uint64_t{left} << 32 | right;
}

struct Symbol {
  uint32_t id;  // kNone: swallowed by the symbol to its left
  uint32_t previous, next;
};

struct Candidate {
  uint32_t rank;
  uint32_t at;
  uint32_t id;
  // std::priority_queue pops the largest: lowest rank first, then the leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : at > other.at;
  }
};

}  // namespace

Bpe::Bpe(const BpeFiles& files, const std::string& unknown, const std::filesystem::path& folder) {
  const auto bad = [&](const std::string& what) {
    return Error(Exit::kBadData, fmt::format("[{}] {} -> a vocabulary that holds its own merges -> "
                                             "vocab.json and merges.txt are of different models or "
                                             "damaged",
                                             folder.string(), what));
  };
  const auto id_of = [&](const std::string& token) {
    const auto found = files.vocabulary.find(token);
    if (found == files.vocabulary.end()) throw bad(fmt::format("no token \"{}\"", token));
    return static_cast<uint32_t>(found->second);
  };
  const auto symbol_id = [&](const std::string& symbol) {
    return files.vocabulary.contains(symbol) ? id_of(symbol) : id_of(unknown);
  };
  const auto symbols = byte_symbols();
  for (size_t byte = 0; byte < 256; ++byte) {
    inner_[byte] = symbol_id(symbols[byte]);
    last_[byte] = symbol_id(symbols[byte] + "</w>");
  }
  merges_.reserve(files.merges.size());
  uint32_t rank = 0;
  for (const auto& [left, right] : files.merges)
    merges_[pair_key(id_of(left), id_of(right))] = {rank++, id_of(left + right)};
}

void Bpe::append_ids(std::string_view word, std::vector<int64_t>& ids) const {
  const auto size = static_cast<uint32_t>(word.size());
  std::vector<Symbol> symbols(size);
  for (uint32_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    symbols[i] = {i + 1 == size ? last_[byte] : inner_[byte], i == 0 ? kNone : i - 1,
                  i + 1 == size ? kNone : i + 1};
  }

  std::vector<Candidate> start;
  const auto candidate = [&](uint32_t at, auto&& add) {
    const auto& symbol = symbols[at];
    if (symbol.next == kNone) return;
    const auto merge = merges_.find(pair_key(symbol.id, symbols[symbol.next].id));
    if (merge != merges_.end()) add(Candidate{merge->second.rank, at, merge->second.id});
  };
  for (uint32_t i = 0; i < size; ++i) candidate(i, [&](const Candidate& c) { start.push_back(c); });
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(start));

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.at];
    if (left.id == kNone || left.next == kNone) continue;
    // An entry is stale if its pair has changed since it was queued.
    const auto merge = merges_.find(pair_key(left.id, symbols[left.next].id));
    if (merge == merges_.end() || merge->second.id != best.id) continue;
    Symbol& right = symbols[left.next];
    left.id = best.id;
    left.next = right.next;
    right.id = kNone;
    if (left.next != kNone) symbols[left.next].previous = best.at;
    const auto add = [&](const Candidate& c) { queue.push(c); };
    if (left.previous != kNone) candidate(left.previous, add);
    candidate(best.at, add);
  }
  for (uint32_t at = 0; at != kNone && at < size; at = symbols[at].next)
    ids.push_back(symbols[at].id);
}

}  // namespace trireme
