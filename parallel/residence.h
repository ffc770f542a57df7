// Residence: the tensors of a component, which may leave their device and come back. While they are
// away a copy waits in host memory (page-locked where the device is a GPU) and the device's memory
// is free for others; layers keep their tensors and need not know. Weights do not change, so the
// copy is made once. Nothing that was added: every call does nothing.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Event.h>

#include <optional>
#include <vector>

namespace trireme {

class Residence {
 public:
  // The tensor's memory, as long as anybody keeps it: what a layer read and did not keep is
  // forgotten. Tensors that share it leave and come together.
  void add(const at::Tensor& tensor);

  // Nobody may use the tensors from here on, until come().
  void leave();
  // Begins to bring them back; on a GPU the copies run beside what is queued there already.
  void fetch();
  // Whatever is queued from here on finds them.
  void come();

  bool away() const { return away_; }
  int64_t bytes() const;  // that they take on the device when they are there

 private:
  struct Kept {
    c10::weak_intrusive_ptr<c10::StorageImpl> storage;
    c10::Device device;
    at::Tensor waiting = {};  // uint8, on the host, once it left
  };
  void copy_back();

  std::vector<Kept> kept_;
  bool away_ = false, fetched_ = false;
  std::optional<c10::Event> arrived_;  // of what was fetched, on a GPU
};

}  // namespace trireme
