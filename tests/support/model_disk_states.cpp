// ModelDisk: what is left of a disk when its process or its power is gone.
#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "src/output/writer.h"
#include "tests/support/model_disk.h"

namespace trireme {
namespace {

constexpr std::size_t kSeparately = 4;  // unsynced names of which every subset is tried

// A process of this host that never was: its number is above the highest that there can be.
std::string dead_writer() {
  static const std::string host = this_writer().substr(0, this_writer().find('-'));
  return host + "-4194999-1";
}

}  // namespace

void ModelDisk::restart() {
  static const std::string mine = ".tmp-" + this_writer() + "-";
  const auto buried = [](const std::string& name, std::size_t node) {
    const auto at = name.find(mine);
    if (at == std::string::npos) return name;
    return name.substr(0, at) + ".tmp-" + dead_writer() + "-" + std::to_string(node);
  };
  for (auto* names : {&names_, &durable_names_}) {
    Names renamed;
    for (const auto& [name, node] : *names) renamed[buried(name, node)] = node;
    *names = std::move(renamed);
  }
  for (auto& change : changes_) {
    change.from = buried(change.from, change.node);
    change.to = buried(change.to, change.node);
  }
  opened_.clear();
  is_killed_ = false;
  fail({});
}

bool ModelDisk::has_unsynced_bytes() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const Node& node) { return node.seen != node.durable; });
}

// What is in a folder that is gone is gone.
void ModelDisk::drop_orphans(Names& names) {
  for (auto at = names.begin(); at != names.end();) {
    const auto folder = at->first.substr(0, at->first.rfind('/'));
    at = folder.empty() || names.contains(folder) ? std::next(at) : names.erase(at);
  }
}

void ModelDisk::keep_bytes(Data data) {
  for (auto& node : nodes_) {
    if (node.seen == node.durable) continue;
    const auto synced = node.durable->text.size(), all = node.seen->text.size();
    auto bytes = node.durable->text;
    if (data == Data::kHalf) bytes = node.seen->text.substr(0, synced + (all - synced) / 2);
    if (data == Data::kZero) bytes.resize(all, '\0');
    if (data == Data::kKept) bytes = node.seen->text;
    node.seen = node.durable = bytes_of(std::move(bytes));
  }
}

ModelDisk ModelDisk::cut(std::uint64_t kept, Data data) const {
  ModelDisk left;
  left.has_links_ = has_links_;
  left.nodes_ = nodes_;
  left.names_ = durable_names_;
  for (std::size_t i = 0; i < changes_.size(); ++i)
    if (kept >> std::min<std::size_t>(i, 63) & 1) apply(changes_[i], left.names_);
  drop_orphans(left.names_);
  left.keep_bytes(data);
  left.restart();
  left.durable_names_ = left.names_;
  return left;
}

ModelDisk ModelDisk::after_worst_power_cut() const {
  return cut(0, Data::kLost);
}

std::vector<ModelDisk> ModelDisk::after_power_cuts() const {
  const auto all = std::min<std::size_t>(changes_.size(), 63);
  const auto separately = std::min(all, kSeparately);
  const auto before = (std::uint64_t{1} << (all - separately)) - 1;
  std::vector<Data> datas = {Data::kLost};
  if (has_unsynced_bytes()) datas = {Data::kLost, Data::kHalf, Data::kZero, Data::kKept};
  std::vector<ModelDisk> disks;
  std::set<std::size_t> known;
  for (const auto older : std::set{std::uint64_t{0}, before})
    for (std::uint64_t last = 0; last < std::uint64_t{1} << separately; ++last)
      for (const auto data : datas) {
        auto disk = cut(older | last << (all - separately), data);
        if (known.insert(disk.fingerprint()).second) disks.push_back(std::move(disk));
      }
  return disks;
}

void ModelDisk::for_each_file(
    const std::function<void(const std::string&, const std::string&)>& see) const {
  for (const auto& [name, node] : names_)
    if (!nodes_[node].is_folder) see(name, nodes_[node].seen->text);
}

std::map<std::string, std::string> ModelDisk::contents() const {
  std::map<std::string, std::string> contents;
  for_each_file([&](const auto& path, const auto& bytes) { contents[path] = bytes; });
  return contents;
}

std::vector<std::string> ModelDisk::folders() const {
  std::vector<std::string> folders;
  for (const auto& [name, node] : names_)
    if (nodes_[node].is_folder) folders.push_back(name);
  return folders;
}

std::string ModelDisk::content(const std::string& path) const {
  return nodes_[names_.at(path)].seen->text;
}

void ModelDisk::damage(const std::string& path, const std::string& bytes) {
  auto& node = nodes_[names_.at(path)];
  node.seen = node.durable = bytes_of(bytes);
}

void ModelDisk::lose(const std::string& path) {
  names_.erase(path);
  durable_names_.erase(path);
}

std::size_t ModelDisk::fingerprint() const {
  constexpr std::size_t kPrime = 0x100000001b3;
  const std::hash<std::string> hash_of;
  std::size_t all = has_links_ ? 1 : 2;
  const auto add = [&](std::size_t hash) { all = (all ^ hash ^ all >> 29) * kPrime; };
  for (const auto* names : {&names_, &durable_names_}) {
    for (const auto& [name, node] : *names) {
      add(hash_of(name));
      add(nodes_[node].seen->hash);
      add(nodes_[node].durable->hash);
    }
    add(names->size());
  }
  for (const auto& change : changes_) {
    add(hash_of(change.from));
    add(hash_of(change.to));
  }
  return all;
}

}  // namespace trireme
