// Cluster: the machines that a plan is for: nodes, their devices with memory and rates, and the
// links between them. From a YAML file (src/config/read_cluster.h), from the machines that are
// running (src/render), or by name. One CPU machine is a cluster of one node.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace trireme {

// What a device reaches, not what its data sheet says. FLOPs as in parallel/flops.h.
struct Rates {
  double matmul = 0;       // FLOP/s of a matrix product with many rows, in the job's dtype
  double convolution = 0;  // FLOP/s of a 3x3 convolution, as if it were done plainly
  // FLOP/s of attention over many keys with heads of so many channels; between them in a line.
  std::map<int64_t, double> attention = {};
  double copy = 0;            // bytes/s that element-wise work reads and writes
  double host_to_device = 0;  // bytes/s from page-locked memory; 0: the device is the host
  double launch = 0;  // seconds that the host takes to start one piece of work, such as a product
  // Activations [tokens, width] that the element-wise work of a block reads and writes.
  double traffic = 30;
  double half_rows = 0;  // rows of a product at which it reaches half of `matmul`
  double half_keys = 0;  // keys of an attention at which it reaches half of its rate
  double load = 0;       // bytes/s at which weights come from files

  bool operator==(const Rates&) const = default;
};

struct Device {
  std::string name = {};
  int64_t memory_bytes = 0;  // that trireme may use
  Rates rates = {};

  bool on_host() const { return rates.host_to_device == 0; }  // a CPU
  bool operator==(const Device&) const = default;
};

// Between two devices: seconds = latency + bytes / rate.
struct Link {
  double latency = 0;     // seconds, of a message or a collective
  double rate = 0;        // bytes/s in one direction
  double collective = 0;  // bytes/s a rank in sums and gathers; 0: as `rate`
  // Of an all-to-all among so many ranks, where it is not `collective`: links that cross sockets or
  // switches are shared. Bytes/s a rank inside a node, of a node between nodes.
  std::map<int, double> all_to_all = {};
  // The part of a transfer that work hides which goes on meanwhile, 0..1: both want the device.
  double hidden = 1;

  bool operator==(const Link&) const = default;
};

struct ClusterNode {
  std::string name = {};
  int devices = 1;
  Device device = {};
  Link link = {};  // inside the node
};

struct Cluster {
  std::string name = {};
  std::vector<ClusterNode> nodes = {};
  Link between = {};  // nodes; shared by the devices of a node

  int ranks() const;  // one a device, node by node
  // Of rank r of the world.
  const Device& device(int rank) const { return nodes[node_of(rank)].device; }
  int node_of(int rank) const;
  const Link& link(int from, int to) const;
};

// A device that is known by name: h200, h100, a100-80, l40s, l40, 4090, cpu (one thread) ... Rates
// and their sources stand in devices.cpp.
std::optional<Device> device_by_name(const std::string& name);
std::vector<std::string> device_names();
// Of a CPU from one thread to so many: products grow with them, memory does not.
void scale_to_threads(Rates& rates, int threads);
// `devices` of them on nodes of 8 (one, if they are CPUs) with the links that such nodes have.
Cluster cluster_of(const Device& device, int devices);

// What is wrong with a cluster: `place` in it, and `value -> requirement -> likely cause`.
struct Contradiction {
  std::string place;
  std::string message;
};
// No nodes, rates that are not above zero, memory that is none ... Empty if nothing is.
std::vector<Contradiction> contradictions(const Cluster& cluster);

}  // namespace trireme
