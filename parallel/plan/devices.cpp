// What is known of devices by name. Marks: [m] measured on that device, [p] published (data sheet,
// paper, vendor's test, or derived from published curves), [a] assumed for want of a source: the
// first to be replaced by `trireme bench --calibrate`. Rates of GPUs are those of half types.
#include <algorithm>
#include <array>
#include <cctype>

#include "parallel/plan/cluster.h"

namespace trireme {
namespace {

constexpr double kTera = 1e12, kGiga = 1e9;
constexpr int kDevicesOfANode = 8;

// NVLink 4 [p: ring bus rate, nccl-tests issue 212], NVLink 3 [a], PCIe 4 x16 without peer links
// [p: derived from xDiT's curves on 8 x L40; eight ranks cross sockets], consumer cards through the
// host [a], memory of one host [a].
const Link kNvlink4{.latency = 1.2e-5, .rate = 370e9, .all_to_all = {{2, 335e9}, {8, 335e9}}};
const Link kNvlink3{.latency = 1.4e-5, .rate = 230e9, .all_to_all = {{2, 200e9}, {8, 200e9}}};
const Link kPcie4{.latency = 2e-5, .rate = 14e9, .all_to_all = {{2, 18e9}, {4, 3e9}, {8, 1.2e9}}};
const Link kThroughHost{.latency = 2e-5, .rate = 11e9};
const Link kHostMemory{.latency = 2e-5, .rate = 4e9};
// Per node, all [a]: InfiniBand 400 where nodes have NVLink 4, 200 with NVLink 3, else 100;
// Ethernet of 10 Gbit/s between plain hosts.
const Link kInfiniband400{.latency = 2e-5, .rate = 45e9};
const Link kInfiniband200{.latency = 2e-5, .rate = 22e9};
const Link kInfiniband100{.latency = 2.5e-5, .rate = 10.9e9};
const Link kEthernet{.latency = 6e-5, .rate = 1.1e9};

// Rows of a product on a GPU that reach half its rate [a]; keys likewise [p: FA3's table for heads
// of 64: 0.80 of the plateau at 1k keys, 0.97 at 4k]. A launch through ATen [a].
constexpr double kHalfRows = 256, kHalfKeys = 250, kLaunch = 1e-5;
// Host to device [a: PCIe 4 x16]; weights from files as the slower of the two [a: local NVMe].
constexpr double kHostToDevice = 12e9, kLoad = 3e9;

struct Known {
  const char* name;
  double memory_gb;  // [p], all of them
  double matmul;     // TFLOP/s of a large product
  double attention;  // TFLOP/s with heads of 64
  double copy;       // GB/s
  const Link& link;
  const Link& between;
};

// Attention of PyTorch's own kernels, which are FA2's. Where A100's, L40's and 4090's figures are
// [a], H100's is [p: FA3 paper] and stands for H200 too. Products: H200 [m: 769-798 seen], others
// [a], as a part of the data sheet's peak. Copies: H200 [m], others [a].
const std::array<Known, 9> kGpus{{
    {"h200", 141, 790, 322, 4300, kNvlink4, kInfiniband400},
    {"h100", 80, 700, 322, 2900, kNvlink4, kInfiniband400},
    {"a100-80", 80, 255, 175, 1750, kNvlink3, kInfiniband200},
    {"a100-40", 40, 255, 175, 1350, kNvlink3, kInfiniband200},
    {"l40s", 48, 230, 165, 730, kPcie4, kInfiniband100},
    {"l40", 48, 140, 123, 730, kPcie4, kInfiniband100},
    {"l20", 48, 100, 92, 730, kPcie4, kInfiniband100},
    {"4090", 24, 150, 140, 920, kThroughHost, kInfiniband100},
    {"3090", 24, 65, 55, 820, kThroughHost, kInfiniband100},
}};

// Heads of 128 do 1/0.79 of what heads of 64 do [a: FA2-class kernels]. No such kernel takes the
// decoder's one head of 512: 0.6 [a]. Convolutions, NCHW: 0.4 of products [a].
Device gpu(const Known& known) {
  const double attention = known.attention * kTera;
  return {.name = known.name,
          .memory_bytes = static_cast<int64_t>(known.memory_gb * kGiga),
          .rates = {.matmul = known.matmul * kTera,
                    .convolution = 0.4 * known.matmul * kTera,
                    .attention = {{64, attention}, {128, attention / 0.79}, {512, 0.6 * attention}},
                    .copy = known.copy * kGiga,
                    .host_to_device = kHostToDevice,
                    .launch = kLaunch,
                    .half_rows = kHalfRows,
                    .half_keys = kHalfKeys,
                    .load = kLoad}};
}

// One thread of a server's CPU with AVX-512, float32 [m: one core of a shared Xeon: products of 512
// rows and more 131-148, of 32 rows 86, of 8 rows 32, attention 115, convolution 144 GFLOP/s; copy
// 10.8 GB/s; launch and load are assumed].
Device cpu() {
  return {.name = "cpu",
          .memory_bytes = 4'000'000'000,
          .rates = {.matmul = 140e9,
                    .convolution = 140e9,
                    .attention = {{64, 115e9}},
                    .copy = 10e9,
                    .host_to_device = 0,
                    .launch = 5e-6,
                    .half_rows = 22,
                    .half_keys = 0,
                    .load = 1e9}};
}

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

const Known* known_gpu(const std::string& name) {
  const auto found = std::find_if(kGpus.begin(), kGpus.end(),
                                  [&](const Known& known) { return known.name == name; });
  return found == kGpus.end() ? nullptr : &*found;
}

// As CUDA or people call them: "NVIDIA H200", "A100-SXM4-80GB", "NVIDIA GeForce RTX 4090".
std::string short_name(const std::string& name) {
  const auto words = lower(name);
  if (words.find("a100") != std::string::npos)
    return words.find("40") != std::string::npos ? "a100-40" : "a100-80";
  for (const char* known : {"h200", "h100", "h800", "l40s", "l40", "l20", "4090", "3090"})
    if (words.find(known) != std::string::npos)
      return std::string(known) == "h800" ? "h100" : known;
  return words;
}

}  // namespace

std::optional<Device> device_by_name(const std::string& name) {
  const auto wanted = short_name(name);
  if (wanted == "cpu") return cpu();
  const auto* known = known_gpu(wanted);
  return known ? std::optional(gpu(*known)) : std::nullopt;
}

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (const auto& known : kGpus) names.emplace_back(known.name);
  names.emplace_back("cpu");
  return names;
}

// Memory is shared: a few threads fill it [a].
void scale_to_threads(Rates& rates, int threads) {
  rates.matmul *= threads;
  rates.convolution *= threads;
  for (auto& [dim, rate] : rates.attention) rate *= threads;
  rates.copy *= std::min(threads, 4);
}

Cluster cluster_of(const Device& device, int devices) {
  const auto* known = known_gpu(short_name(device.name));
  const int most = known ? kDevicesOfANode : devices;
  Cluster cluster{.name = device.name, .nodes = {}, .between = known ? known->between : kEthernet};
  for (int left = devices; left > 0; left -= most)
    cluster.nodes.push_back({.name = "node" + std::to_string(cluster.nodes.size()),
                             .devices = std::min(left, most),
                             .device = device,
                             .link = known ? known->link : kHostMemory});
  return cluster;
}

}  // namespace trireme
