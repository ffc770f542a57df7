#include "src/config/read_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "src/config/fields.h"
#include "src/config/text.h"
#include "src/config/yaml.h"

namespace trireme {
namespace {

constexpr double kTera = 1e12, kGiga = 1e9, kMicro = 1e-6;
constexpr Range<int64_t> kCount = {1, 65536};
constexpr Range<double> kAny = {0, 1e9};
constexpr Range<double> kPositive = {1e-9, 1e9};
constexpr const char* kNodesExample = "nodes: [{devices: 8, device: {like: h200}}]";

// A number in the unit of its key.
double scaled(Fields& in, std::string_view key, double fallback, double unit,
              Range<double> range = kPositive) {
  const auto value = in.real(key, std::optional<double>(), range);
  return value ? *value * unit : fallback;
}

// {64: 123, 128: 156}: numbers by whole numbers.
template <class Key>
std::map<Key, double> by_number(Fields& in, std::string_view key, std::map<Key, double> fallback,
                                double unit) {
  const Node* node = in.find(key);
  const auto place = in.place_of(key);
  if (!node || !is_map(*node, place, "{64: 123}", in.problems())) return fallback;
  std::map<Key, double> values;
  for (const auto& item : node->items) {
    Node number;
    number.kind = Node::Kind::kScalar;
    number.text = item.key;
    const auto read = read_whole(number, kCount);
    if (!read.problem.empty())
      in.problems().push_back(
          {join_place(place, item.key), "the key -> " + read.problem, item.key_mark});
    const auto value = read_real(item, kPositive);
    if (!value.problem.empty()) in.refuse(item, join_place(place, item.key), value.problem);
    values[static_cast<Key>(read.value)] = value.value * unit;
  }
  return values;
}

void read_rates(Fields& in, Rates& rates) {
  const double before = rates.matmul;
  rates.matmul = scaled(in, "matmul_TFLOPs", rates.matmul, kTera);
  // Who knows nothing of convolutions knows them from products.
  if (before > 0) rates.convolution *= rates.matmul / before;
  rates.convolution = scaled(in, "convolution_TFLOPs", rates.convolution, kTera);
  rates.attention = by_number(in, "attention_TFLOPs", std::move(rates.attention), kTera);
  rates.copy = scaled(in, "copy_GBps", rates.copy, kGiga);
  rates.host_to_device = scaled(in, "host_to_device_GBps", rates.host_to_device, kGiga, kAny);
  rates.launch = scaled(in, "launch_us", rates.launch, kMicro, kAny);
  rates.traffic = scaled(in, "traffic", rates.traffic, 1, kAny);
  rates.half_rows = scaled(in, "half_rows", rates.half_rows, 1, kAny);
  rates.half_keys = scaled(in, "half_keys", rates.half_keys, 1, kAny);
  rates.load = scaled(in, "load_GBps", rates.load, kGiga);
}

Device read_device(Fields& node) {
  Device device;
  node.require("device", "device: {like: h200}");
  auto in = node.section("device", "{like: h200, memory_GB: 140}");
  if (!in) return device;
  const auto like = in->text("like", "");
  if (!like.empty()) {
    const auto known = device_by_name(like);
    if (!known) {
      const auto names = device_names();
      in->refuse_word(*in->find("like"), in->place_of("like"), {names.begin(), names.end()});
    }
    device = known.value_or(device);
  } else {
    in->require("memory_GB", "memory_GB: 80, or like: h100");
    in->require("matmul_TFLOPs", "matmul_TFLOPs: 700, or like: h100");
    in->require("convolution_TFLOPs", "convolution_TFLOPs: 280, or like: h100");
    in->require("attention_TFLOPs", "attention_TFLOPs: {64: 320}, or like: h100");
    in->require("copy_GBps", "copy_GBps: 2900, or like: h100");
    in->require("load_GBps", "load_GBps: 3, or like: h100");
  }
  device.name = in->text("name", device.name.empty() ? "device" : device.name);
  const auto memory = in->real("memory_GB", std::optional<double>(), kPositive);
  if (memory) device.memory_bytes = std::llround(*memory * kGiga);
  read_rates(*in, device.rates);
  in->finish();
  return device;
}

Link read_link(Fields& map, std::string_view key, Link link) {
  auto in = map.section(key, "{latency_us: 12, GBps: 370}");
  if (!in) return link;
  link.latency = scaled(*in, "latency_us", link.latency, kMicro, kAny);
  const double before = link.rate;
  link.rate = scaled(*in, "GBps", link.rate, kGiga);
  // What was known beside another rate does not hold beside this one.
  if (before != link.rate) link.collective = 0, link.all_to_all = {};
  link.collective = scaled(*in, "collective_GBps", link.collective, kGiga, kAny);
  link.all_to_all = by_number(*in, "all_to_all_GBps", std::move(link.all_to_all), kGiga);
  link.hidden = in->real("hidden", link.hidden, {0, 1});
  in->finish();
  return link;
}

// Nodes that are alike stand there once; `written` says for each node which entry it comes from.
struct Nodes {
  std::vector<ClusterNode> nodes;
  std::vector<size_t> written;
};

void read_node(const Node& entry, size_t index, Nodes& all, std::vector<Problem>& problems) {
  const auto place = fmt::format("nodes.{}", index);
  if (!is_map(entry, place, "{devices: 8, device: {like: h200}}", problems)) return;
  Fields in(entry, place, problems);
  const auto count = in.whole("count", int64_t{1}, kCount);
  ClusterNode node;
  node.name = in.text("name", "node");
  node.devices = static_cast<int>(in.whole("devices", int64_t{1}, kCount));
  node.device = read_device(in);
  // The links that such devices have, if it is not said.
  const auto usual = cluster_of(node.device, 2);
  node.link = read_link(in, "link", usual.nodes.front().link);
  in.finish();
  for (int64_t i = 0; i < count; ++i) {
    all.nodes.push_back(node);
    all.written.push_back(index);
    if (count > 1 || node.name == "node")
      all.nodes.back().name = fmt::format("{}{}", node.name, all.nodes.size() - 1);
  }
}

Nodes read_nodes(Fields& in) {
  Nodes all;
  in.require("nodes", kNodesExample);
  const Node* list = in.find("nodes");
  if (!list) return all;
  if (list->kind != Node::Kind::kList || list->items.empty()) {
    in.refuse("nodes", std::string("a list, such as ") + kNodesExample);
    return all;
  }
  for (size_t i = 0; i < list->items.size(); ++i) read_node(list->items[i], i, all, in.problems());
  return all;
}

// Of contradictions that stand in a node, the entry that it was made from.
std::string written_place(const std::string& place, const Nodes& all) {
  constexpr std::string_view kNodes = "nodes.";
  if (!place.starts_with(kNodes)) return place;
  const auto dot = place.find('.', kNodes.size());
  const auto number = std::stoul(place.substr(kNodes.size(), dot - kNodes.size()));
  return fmt::format("nodes.{}{}", all.written[number],
                     dot == std::string::npos ? "" : place.substr(dot));
}

void add_contradictions(const Cluster& cluster, const Nodes& all, std::vector<Problem>& problems) {
  for (const auto& found : contradictions(cluster)) {
    Problem problem{written_place(found.place, all), found.message, {}};
    const bool told = std::any_of(problems.begin(), problems.end(), [&](const Problem& other) {
      return other.place == problem.place && other.message == problem.message;
    });
    if (!told) problems.push_back(std::move(problem));
  }
}

Cluster read_tree(const Node& root, std::vector<Problem>& problems) {
  Fields in(root, "", problems);
  Cluster cluster;
  cluster.name = in.text("name", "");
  auto all = read_nodes(in);
  cluster.nodes = all.nodes;
  const bool several = cluster.nodes.size() > 1;
  const auto usual = several ? cluster_of(cluster.nodes.front().device, 2).between : Link{};
  cluster.between = read_link(in, "between", usual);
  in.finish();
  if (problems.empty()) add_contradictions(cluster, all, problems);
  return cluster;
}

// The shortest text that reads back as the same number in this unit.
std::string number(double value, double unit) {
  const auto in_unit = value / unit;
  const auto rounded = fmt::format("{:.12g}", in_unit);
  return rounded.find('e') == std::string::npos ? rounded : fmt::format("{:.12f}", in_unit);
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();  // a YAML string too
}

template <class Key>
std::string map_text(const std::map<Key, double>& values, double unit) {
  std::string text;
  for (const auto& [key, value] : values)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, number(value, unit));
  return "{" + text + "}";
}

std::string link_text(const Link& link, std::string_view indent) {
  auto text = fmt::format("{0}latency_us: {1}\n{0}GBps: {2}\n", indent,
                          number(link.latency, kMicro), number(link.rate, kGiga));
  if (link.collective > 0)
    text += fmt::format("{}collective_GBps: {}\n", indent, number(link.collective, kGiga));
  text += fmt::format("{}all_to_all_GBps: {}\n", indent, map_text(link.all_to_all, kGiga));
  return text + fmt::format("{}hidden: {}\n", indent, number(link.hidden, 1));
}

std::string device_text(const Device& device, std::string_view indent) {
  const auto& r = device.rates;
  std::string text;
  const auto add = [&](std::string_view key, const std::string& value) {
    text += fmt::format("{}{}: {}\n", indent, key, value);
  };
  add("name", quoted(device.name));
  add("memory_GB", number(static_cast<double>(device.memory_bytes), kGiga));
  add("matmul_TFLOPs", number(r.matmul, kTera));
  add("convolution_TFLOPs", number(r.convolution, kTera));
  add("attention_TFLOPs", map_text(r.attention, kTera));
  add("copy_GBps", number(r.copy, kGiga));
  add("host_to_device_GBps", number(r.host_to_device, kGiga));
  add("launch_us", number(r.launch, kMicro));
  add("traffic", number(r.traffic, 1));
  add("half_rows", number(r.half_rows, 1));
  add("half_keys", number(r.half_keys, 1));
  add("load_GBps", number(r.load, kGiga));
  return text;
}

std::string comment_text(std::string_view comment) {
  std::string text;
  while (!comment.empty()) {
    const auto end = std::min(comment.find('\n'), comment.size());
    text += "# " + std::string(comment.substr(0, end)) + "\n";
    comment.remove_prefix(std::min(end + 1, comment.size()));
  }
  return text;
}

}  // namespace

Cluster parse_cluster(std::string_view text, const std::string& path) {
  Source source{path, std::string(without_bom(text)), {}, {}};
  ParsedYaml parsed = parse_yaml(source.text);
  if (!parsed.readable) throw job_error(source, parsed.problems);
  auto problems = std::move(parsed.problems);
  source.places = places_of(parsed.root);
  Cluster cluster;
  if (is_map(parsed.root, "cluster", kNodesExample, problems))
    cluster = read_tree(parsed.root, problems);
  if (!problems.empty()) throw job_error(source, std::move(problems));
  return cluster;
}

Cluster read_cluster(const std::string& path) {
  return parse_cluster(read_text(path, "cluster", "a cluster file"), path);
}

std::string to_yaml(const Cluster& cluster, std::string_view comment) {
  auto text = comment_text(comment);
  if (!cluster.name.empty()) text += fmt::format("name: {}\n", quoted(cluster.name));
  text += "nodes:\n";
  for (const auto& node : cluster.nodes) {
    text += fmt::format("  - name: {}\n    devices: {}\n    device:\n{}", quoted(node.name),
                        node.devices, device_text(node.device, "      "));
    if (node.link.rate > 0) text += "    link:\n" + link_text(node.link, "      ");
  }
  if (cluster.between.rate > 0) text += "between:\n" + link_text(cluster.between, "  ");
  return text;
}

}  // namespace trireme
