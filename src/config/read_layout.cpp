#include "src/config/read_layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/config/fields.h"

namespace trireme {
namespace {

constexpr Range<int64_t> kDegree = {1, 65536};
constexpr Range<int64_t> kRank = {0, 65535};
constexpr const char* kRanksExample = "ranks as 0, 0-3, [0, 2] or all";

std::optional<int> rank_number(std::string_view text) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.text = text;
  Whole read = read_whole(node, kRank);
  if (!read.problem.empty()) return std::nullopt;
  return static_cast<int>(read.value);
}

// `3` or `0-3`; empty if it is neither.
std::vector<int> rank_range(std::string_view text) {
  size_t dash = text.find('-', 1);
  auto first = rank_number(text.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : rank_number(text.substr(dash + 1));
  std::vector<int> ranks;
  if (!first || !last) return ranks;
  for (int rank = *first; rank <= *last; ++rank) ranks.push_back(rank);
  return ranks;
}

RankChoice read_ranks(Fields& in) {
  const Node* node = in.find("ranks");
  if (!node) return {};
  if (node->kind == Node::Kind::kScalar) {
    if (node->text == "all") return {};
    std::vector<int> ranks = rank_range(node->text);
    if (ranks.empty()) in.refuse("ranks", kRanksExample);
    return {ranks.empty(), ranks};
  }
  std::vector<int> ranks;
  for (int64_t rank : in.wholes("ranks", {}, kRank)) ranks.push_back(static_cast<int>(rank));
  std::vector<int> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  bool doubled = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  if (doubled) in.refuse("ranks", "each rank once");
  if (ranks.empty()) in.refuse("ranks", kRanksExample);
  return {ranks.empty(), ranks};
}

int read_degree(Fields& in, std::string_view axis, Range<int64_t> range = kDegree) {
  return static_cast<int>(in.whole(axis, int64_t{1}, range));
}

// The component's map, or nothing: it is then placed automatically.
std::optional<Fields> component(Fields& layout, std::string_view name) {
  const Node* node = layout.find(name);
  if (!node) return std::nullopt;
  std::string place = layout.place_of(name);
  if (!is_map(*node, place, "{ranks: all}", layout.problems())) return std::nullopt;
  return Fields(*node, place, layout.problems());
}

std::optional<TextEncodersChoice> read_text_encoders(Fields& layout) {
  auto in = component(layout, "text_encoders");
  if (!in) return std::nullopt;
  TextEncodersChoice out;
  out.ranks = read_ranks(*in);
  out.tensor = read_degree(*in, "tensor");
  in->finish();
  return out;
}

std::optional<TransformerChoice> read_transformer(Fields& layout) {
  auto in = component(layout, "transformer");
  if (!in) return std::nullopt;
  TransformerChoice out;
  out.ranks = read_ranks(*in);
  out.guidance = read_degree(*in, "guidance", {1, 2});
  out.pipeline = read_degree(*in, "pipeline");
  out.sequence = read_degree(*in, "sequence");
  out.ring = read_degree(*in, "ring");
  if (out.sequence % out.ring != 0) in->refuse("ring", "a divisor of sequence");
  out.tensor = read_degree(*in, "tensor");
  out.blocks = in->wholes("blocks", {}, kDegree);
  if (!out.blocks.empty() && static_cast<int>(out.blocks.size()) != out.pipeline)
    in->refuse("blocks", "as many numbers of blocks as the pipeline has stages");
  in->finish();
  return out;
}

std::optional<VaeChoice> read_vae(Fields& layout) {
  auto in = component(layout, "vae");
  if (!in) return std::nullopt;
  VaeChoice out;
  out.ranks = read_ranks(*in);
  out.patch = read_degree(*in, "patch");
  in->finish();
  return out;
}

std::optional<int> read_count(Fields& in, std::string_view key) {
  auto value = in.whole(key, std::optional<int64_t>(), kDegree);
  return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

// quantize: [int8, nf4], or one word.
std::vector<Quantize> read_may_quantize(Fields& in) {
  const Node* node = in.find("quantize");
  if (!node) return {};
  const std::vector<Node> one = {*node};
  const auto& items = node->kind == Node::Kind::kList ? node->items : one;
  std::vector<Quantize> out;
  for (const Node& item : items) {
    if (item.text == "int8")
      out.push_back(Quantize::kInt8);
    else if (item.text == "nf4")
      out.push_back(Quantize::kNf4);
    else if (item.text == "fp8")
      out.push_back(Quantize::kFp8);
    else
      in.refuse_word(item, in.place_of("quantize"), {"int8", "nf4", "fp8"});
  }
  return out;
}

}  // namespace

LayoutChoice read_layout(const Node& node, std::vector<Problem>& problems) {
  using Mode = LayoutChoice::Mode;
  using Offload = LayoutChoice::Offload;
  using Goal = LayoutChoice::Goal;
  LayoutChoice out;
  Fields in(node, "layout", problems);
  if (node.kind == Node::Kind::kScalar) {
    if (node.text == "balanced") out.mode = Mode::kBalanced;
    bool known = node.text == "balanced" || node.text == "auto";
    if (!known) in.refuse_word(node, "layout", {"auto", "balanced", "keys such as {replicas: 2}"});
    return out;
  }
  if (!is_map(node, "layout", "{replicas: 2}", problems)) return out;
  out.mode = Mode::kExplicit;
  out.replicas = read_count(in, "replicas");
  out.batch_size = read_count(in, "batch_size");
  out.text_encoders = read_text_encoders(in);
  out.transformer = read_transformer(in);
  out.vae = read_vae(in);
  if (in.find("offload"))
    out.offload = in.word<Offload>(
        "offload", Offload::kNone,
        {{"none", Offload::kNone}, {"model", Offload::kModel}, {"staged", Offload::kStaged}});
  if (in.find("for"))
    out.goal = in.word<Goal>("for", Goal::kThroughput,
                             {{"throughput", Goal::kThroughput},
                              {"latency", Goal::kLatency},
                              {"memory", Goal::kMemory}});
  out.may_quantize = read_may_quantize(in);
  out.window = read_count(in, "window");
  if (out.window && out.offload != Offload::kStaged)
    in.refuse("window", "a window only beside offload: staged");
  in.finish({"layout.transformer.guidance", "layout.transformer.pipeline",
             "layout.transformer.sequence", "layout.transformer.tensor", "layout.vae.patch"});
  return out;
}

}  // namespace trireme
