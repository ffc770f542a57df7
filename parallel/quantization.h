// Quantization: how the linear weights of a component are to be held: as they are read, or as codes
// of 8 or 4 bits with scales, which a product turns back into numbers a tile at a time. A value
// that a TensorSource hands to the layers; the default is plain.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace trireme {

struct Quantization {
  enum class Kind {
    kNone,
    kInt8,  // whole numbers of -127 to 127 and the largest magnitude of each row
    kNf4,   // 4-bit NormalFloat (Dettmers et al. 2023) and the largest magnitude of 64 in a row
    kFp8,   // float8_e4m3fn, without scales
  };
  Kind kind = Kind::kNone;
  bool double_quant = true;  // nf4: the scales are codes too, 8 bits each
  // int8: activations are codes as well (LLM.int8(), Dettmers et al. 2022), but for the columns
  // with a magnitude of at least this. None: weights alone.
  std::optional<double> activation_threshold = std::nullopt;

  explicit operator bool() const { return kind != Kind::kNone; }
  bool operator==(const Quantization&) const = default;
};

// A matrix that is codes in its file already, in the layout of bitsandbytes: int8 as "weight"
// beside "SCB", nf4 as "weight" [n / 2, 1] beside "weight.absmax" and, with double quantization,
// "weight.nested_absmax" and "weight.nested_quant_map".
struct StoredCodes {
  Quantization::Kind kind = Quantization::Kind::kInt8;
  std::vector<int64_t> shape;  // of the matrix
  bool double_quant = false;   // nf4
  double nested_offset = 0;    // nf4: what was subtracted from the scales before
};

}  // namespace trireme
