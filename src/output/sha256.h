// SHA-256, in hex, of bytes that come in parts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace trireme {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;

  void add(std::string_view bytes);
  std::string hex();  // once, in the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of(std::string_view bytes);

}  // namespace trireme
