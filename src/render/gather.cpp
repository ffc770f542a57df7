#include "src/render/gather.h"

namespace trireme {
namespace {

at::Tensor to_tensor(const std::string& text) {
  return at::tensor(std::vector<uint8_t>(text.begin(), text.end()), at::kByte);
}

}  // namespace

std::vector<std::string> gather_texts(const Group& world, const std::string& mine) {
  const auto sizes = world.all_gather(at::tensor({static_cast<int64_t>(mine.size())}), 0);
  const auto* counts = sizes.const_data_ptr<int64_t>();
  const std::vector<int64_t> lengths(counts, counts + sizes.numel());
  const auto all = world.all_gather(to_tensor(mine), 0, Split::of_lengths(lengths));
  std::vector<std::string> texts;
  const auto* begin = reinterpret_cast<const char*>(all.const_data_ptr<uint8_t>());
  for (const auto length : lengths) {
    texts.emplace_back(begin, static_cast<size_t>(length));
    begin += length;
  }
  return texts;
}

std::string broadcast_text(const Group& world, const std::string& text, int root) {
  const auto size =
      world.broadcast(at::tensor({static_cast<int64_t>(text.size())}), root).item<int64_t>();
  const auto bytes =
      world.broadcast(world.rank() == root ? to_tensor(text) : at::empty({size}, at::kByte), root);
  return {reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
          static_cast<size_t>(size)};
}

std::vector<RankReport> gather_reports(const Group& world, const RankReport& mine) {
  std::vector<RankReport> reports;
  for (const auto& text : gather_texts(world, to_text(mine))) reports.push_back(rank_report(text));
  return reports;
}

}  // namespace trireme
