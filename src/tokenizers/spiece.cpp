#include "src/tokenizers/spiece.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <optional>

#include "parallel/error.h"

namespace trireme {
namespace {

// sentencepiece gives pieces and scores, but neither the normalisation table nor which pieces are
// user-defined. These two are read from the serialised ModelProto: pieces (1) . type (3), and
// normalizer_spec (3) . precompiled_charsmap (2).
constexpr uint64_t kPieces = 1, kPieceType = 3, kUserDefined = 4;
constexpr uint64_t kNormalizerSpec = 3, kPrecompiledCharsmap = 2;

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of a message or string
  size_t end = 0;          // where the next field starts
};

struct Varint {
  uint64_t value;
  size_t end;
};

std::optional<Varint> read_varint(std::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    value |= uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) return Varint{value, at};
  }
  return std::nullopt;
}

std::optional<Field> read_field(std::string_view message, size_t at) {
  const auto key = read_varint(message, at);
  if (!key) return std::nullopt;
  const uint64_t wire = key->value & 7;
  Field field{key->value >> 3, 0, {}, key->end};
  uint64_t length = wire == 1 ? 8 : wire == 5 ? 4 : 0;
  if (wire == 0 || wire == 2) {
    const auto varint = read_varint(message, field.end);
    if (!varint) return std::nullopt;
    field.value = varint->value;
    field.end = varint->end;
    if (wire == 2) length = varint->value;
  }
  if (length > message.size() - field.end) return std::nullopt;
  field.bytes = message.substr(field.end, length);
  field.end += length;
  return field;
}

template <typename Visit>
void for_each_field(std::string_view message, uint64_t number, Visit visit) {
  for (auto field = read_field(message, 0); field; field = read_field(message, field->end))
    if (field->number == number) visit(*field);
}

}  // namespace

SentencePieceFile read_sentencepiece(const std::filesystem::path& file) {
  sentencepiece::SentencePieceProcessor processor;
  const auto status = processor.Load(file.string());
  if (!status.ok())
    throw Error(
        Exit::kBadData,
        fmt::format("[{}] sentencepiece cannot read it -> a sentencepiece model -> a broken "
                    "download or a Git LFS pointer",
                    file.string()));
  SentencePieceFile result;
  const std::string model = processor.serialized_model_proto();
  int id = 0;
  for_each_field(model, kPieces, [&](const Field& piece) {
    bool user_defined = false;
    for_each_field(piece.bytes, kPieceType,
                   [&](const Field& type) { user_defined = type.value == kUserDefined; });
    const std::string& content = processor.IdToPiece(id);
    result.unigram.pieces.emplace_back(content, processor.GetScore(id));
    const bool control = processor.IsControl(id++);
    if (control || user_defined) result.added.push_back({.content = content, .special = control});
  });
  for_each_field(model, kNormalizerSpec, [&](const Field& spec) {
    for_each_field(spec.bytes, kPrecompiledCharsmap,
                   [&](const Field& table) { result.unigram.charsmap = table.bytes; });
  });
  return result;
}

}  // namespace trireme
