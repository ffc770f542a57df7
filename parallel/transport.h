// Transport: what a Group of more than one rank stands on. Each back end is one file in transports/;
// tensors given here are contiguous and on a device that the back end serves. Every wait has a
// deadline; when it passes, or when a rank aborts, calls throw Error (kUnavailable) with rank, peer
// and operation. Bytes and messages are counted by kind.
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace trireme {

// Messages and bytes that a rank has sent, by kind ("all_reduce", "all_gather", "send", ...).
struct Traffic {
  struct Count {
    int64_t messages = 0;
    int64_t bytes = 0;
  };
  std::map<std::string, Count> by_kind;
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Collective. The new transport shares deadline, abort and traffic counter with this one.
  virtual std::shared_ptr<Transport> split(int color, int key) = 0;

  // In place: the sum over ranks, the same bits on every rank. Float32, float64 or int64.
  virtual void all_reduce(at::Tensor& x) = 0;
  // all[r] becomes rank r's tensor; shapes may differ and are right on every rank beforehand.
  // all[rank()] already holds this rank's.
  virtual void all_gather(std::vector<at::Tensor>& all) = 0;
  virtual void broadcast(at::Tensor& x, int root) = 0;
  virtual void send(const at::Tensor& x, int to) = 0;
  virtual void receive(at::Tensor& x, int from) = 0;
  virtual void barrier() = 0;

  virtual void abort(const std::string& reason) = 0;
  virtual const Traffic& traffic() const = 0;
};

struct TransportOptions {
  std::chrono::milliseconds deadline = std::chrono::minutes(10);  // for a single wait
};

}  // namespace trireme
