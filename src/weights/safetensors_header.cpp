#include "src/weights/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "parallel/error.h"

namespace trireme {
namespace {

constexpr int64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr size_t kMaxDims = 64;              // ATen's limit

struct TypeRow {
  StoredType type;
  std::string_view name;
  std::string_view dtype;
  int64_t bytes;
};
constexpr std::array<TypeRow, 12> kTypes{{
    {StoredType::kF64, "F64", "float64", 8},
    {StoredType::kF32, "F32", "float32", 4},
    {StoredType::kF16, "F16", "float16", 2},
    {StoredType::kBF16, "BF16", "bfloat16", 2},
    {StoredType::kF8E4M3, "F8_E4M3", "float8_e4m3fn", 1},
    {StoredType::kF8E5M2, "F8_E5M2", "float8_e5m2", 1},
    {StoredType::kI64, "I64", "int64", 8},
    {StoredType::kI32, "I32", "int32", 4},
    {StoredType::kI16, "I16", "int16", 2},
    {StoredType::kI8, "I8", "int8", 1},
    {StoredType::kU8, "U8", "uint8", 1},
    {StoredType::kBool, "BOOL", "bool", 1},
}};

const TypeRow& row_of(StoredType type) {
  return kTypes.at(static_cast<size_t>(type));
}

constexpr std::string_view kDamaged = "the file is damaged or was not written by safetensors";

[[noreturn]] void refuse(const std::string& place, const std::string& value,
                         std::string_view requirement, std::string_view cause = kDamaged) {
  throw Error(Exit::kBadData,
              fmt::format("[safetensors] {}: {} -> {} -> {}", place, value, requirement, cause));
}

std::string incomplete(int64_t have, int64_t need) {
  return fmt::format("perhaps an incomplete download ({} of {} bytes)", have, need);
}

// Names come from the file and may be megabytes of anything.
std::string in_quotes(const std::string& name) {
  return fmt::format("\"{}\"", name.size() <= 100 ? name : name.substr(0, 97) + "...");
}

std::optional<int64_t> product(std::initializer_list<int64_t> first,
                               const std::vector<int64_t>& rest) {
  int64_t out = 1;
  for (int64_t v : first) out *= v;
  for (int64_t v : rest) {
    if (__builtin_mul_overflow(out, v, &out)) return std::nullopt;
  }
  return out;
}

// Reads the header event by event: the tree-building parser would keep the last of two tensors with
// one name, and would build any tree, however deep, before a rule could be checked.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(int64_t data_begin, int64_t file_size, std::string place)
      : data_begin_(data_begin), file_size_(file_size), place_(std::move(place)) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (depth_ == 0) {
      level_ = Level::kTop;
    } else if (depth_ == 1) {
      level_ = tensor_.name == "__metadata__" ? Level::kMetadata : Level::kTensor;
    } else {
      unexpected("an object");
    }
    ++depth_;
    return true;
  }

  bool end_object() override {
    --depth_;
    if (level_ == Level::kTensor) finish_tensor();
    level_ = Level::kTop;
    field_.clear();
    return true;
  }

  bool start_array(std::size_t) override {
    const bool allowed =
        level_ == Level::kTensor && (field_ == "shape" || field_ == "data_offsets");
    if (!allowed || depth_ != 2) unexpected("a list");
    ++depth_;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    --depth_;
    (field_ == "shape" ? shape_ : offsets_) = numbers_;
    return true;
  }

  bool key(string_t& name) override {
    if (level_ == Level::kTop) {
      tensor_ = StoredTensor{};
      tensor_.name = name;
      type_.reset(), shape_.reset(), offsets_.reset();
      if (!names_.insert(name).second) refuse_tensor("occurs twice", "names must be unique");
    } else if (level_ == Level::kMetadata) {
      if (header_.metadata.contains(name)) {
        refuse(place_, fmt::format("__metadata__ names {} twice", in_quotes(name)),
               "keys are unique");
      }
    } else {
      expect_new_field(name);
    }
    field_ = name;
    return true;
  }

  bool string(string_t& text) override {
    if (level_ == Level::kMetadata) {
      header_.metadata[field_] = text;
    } else if (level_ == Level::kTensor && depth_ == 2 && field_ == "dtype") {
      type_ = type_named(text);
    } else {
      unexpected("a text");
    }
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3) unexpected("a number");
    if (value > uint64_t{std::numeric_limits<int64_t>::max()}) out_of_range(std::to_string(value));
    numbers_.push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_integer(number_integer_t value) override {
    if (depth_ != 3) unexpected("a number");
    out_of_range(std::to_string(value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    if (depth_ != 3) unexpected("a number");
    out_of_range(text.substr(0, 40));
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    const std::string_view what = error.what();
    if (what.find("UTF-8") != what.npos) {
      refuse(place_, fmt::format("byte {} of the header is not UTF-8", position),
             "UTF-8 is needed");
    }
    refuse(place_, fmt::format("the header is not JSON at byte {}", position),
           "one JSON object is needed");
  }

 private:
  enum class Level { kTop, kTensor, kMetadata };

  [[noreturn]] void refuse_tensor(const std::string& value, std::string_view requirement,
                                  std::string_view cause = kDamaged) const {
    refuse(place_, fmt::format("tensor {} {}", in_quotes(tensor_.name), value), requirement, cause);
  }

  [[noreturn]] void unexpected(std::string_view what) const {
    if (level_ == Level::kMetadata) {
      refuse(place_, fmt::format("__metadata__ holds {} under {}", what, in_quotes(field_)),
             "it maps texts to texts");
    }
    if (level_ == Level::kTop) {
      refuse(place_, fmt::format("{} is {}", in_quotes(tensor_.name), what),
             "it must be an object with dtype, shape and data_offsets");
    }
    refuse_tensor(fmt::format("has {} in {}", what, in_quotes(field_)),
                  "dtype is a text, shape and data_offsets are lists of whole numbers");
  }

  [[noreturn]] void out_of_range(const std::string& value) const {
    refuse_tensor(fmt::format("has {} in {}", value, field_),
                  "whole numbers from 0 to 9223372036854775807 are needed");
  }

  void expect_new_field(const std::string& name) const {
    const bool again = (name == "dtype" && type_) || (name == "shape" && shape_) ||
                       (name == "data_offsets" && offsets_);
    if (again) refuse_tensor(fmt::format("has {} twice", name), "each field stands once");
    if (name != "dtype" && name != "shape" && name != "data_offsets") {
      refuse_tensor(fmt::format("has the field {}", in_quotes(name)),
                    "dtype, shape and data_offsets are the whole format",
                    "a newer format, whose meaning must not be guessed");
    }
  }

  StoredType type_named(const std::string& text) const {
    for (const auto& row : kTypes) {
      if (row.name == text) return row.type;
    }
    refuse_tensor(fmt::format("has dtype {}", in_quotes(text)),
                  "one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U8, BOOL",
                  "weights quantised for another program");
  }

  void finish_tensor() {
    if (!type_) refuse_tensor("has no dtype", "dtype, shape and data_offsets are needed");
    if (!shape_) refuse_tensor("has no shape", "dtype, shape and data_offsets are needed");
    if (!offsets_) refuse_tensor("has no data_offsets", "dtype, shape and data_offsets are needed");
    tensor_.type = *type_;
    tensor_.shape = *shape_;
    check_shape();
    check_offsets();
    header_.tensors.push_back(std::move(tensor_));
  }

  // Sizes of zero count as one here: strides are computed that way, and must not overflow either.
  void check_shape() const {
    auto sizes = tensor_.shape;
    if (sizes.size() > kMaxDims) {
      refuse_tensor(fmt::format("has {} dimensions", sizes.size()), "at most 64 are possible");
    }
    for (auto& size : sizes) size = std::max<int64_t>(size, 1);
    if (!product({bytes_of(tensor_.type)}, sizes)) {
      refuse_tensor("has a shape whose size overflows", "its bytes must be countable in 63 bits");
    }
  }

  void check_offsets() {
    if (offsets_->size() != 2) {
      refuse_tensor(fmt::format("has {} data_offsets", offsets_->size()), "two are needed");
    }
    const int64_t begin = (*offsets_)[0], end = (*offsets_)[1];
    const int64_t data = file_size_ - data_begin_;
    const auto offsets = fmt::format("has data_offsets [{}, {}]", begin, end);
    if (begin > end) refuse_tensor(offsets, "the first must not be above the second");
    const int64_t bytes = *product({bytes_of(tensor_.type)}, tensor_.shape);
    if (end - begin != bytes) {
      refuse_tensor(fmt::format("{}, {} bytes", offsets, end - begin),
                    fmt::format("its dtype and shape take {} bytes", bytes));
    }
    if (end > data) {
      int64_t need = 0;
      if (__builtin_add_overflow(end, data_begin_, &need)) {
        refuse_tensor(offsets, fmt::format("the file has {} bytes of data", data));
      }
      refuse_tensor(offsets, fmt::format("the file has {} bytes of data", data),
                    incomplete(file_size_, need));
    }
    tensor_.begin = data_begin_ + begin;
    tensor_.end = data_begin_ + end;
  }

  int64_t data_begin_;
  int64_t file_size_;
  std::string place_;
  SafetensorsHeader header_;
  std::unordered_set<std::string> names_;
  Level level_ = Level::kTop;
  int depth_ = 0;
  std::string field_;
  StoredTensor tensor_;
  std::optional<StoredType> type_;
  std::optional<std::vector<int64_t>> shape_;
  std::optional<std::vector<int64_t>> offsets_;
  std::vector<int64_t> numbers_;
};

// Sorted by their bytes, each tensor must begin where the one before ends, and the last one must
// end with the file.
void check_cover(const std::vector<StoredTensor>& tensors, int64_t data_begin, int64_t file_size,
                 const std::string& place) {
  int64_t at = data_begin;
  const StoredTensor* before = nullptr;
  for (const auto& t : tensors) {
    if (t.begin < at) {
      refuse(place,
             fmt::format("tensors {} and {} overlap", in_quotes(before->name), in_quotes(t.name)),
             "each byte belongs to one tensor");
    }
    if (t.begin > at) {
      refuse(
          place,
          fmt::format("{} bytes before tensor {} belong to none", t.begin - at, in_quotes(t.name)),
          "tensors follow each other without holes");
    }
    at = t.end;
    before = &t;
  }
  if (at != file_size) {
    refuse(place, fmt::format("{} bytes after the last tensor belong to none", file_size - at),
           fmt::format("the file must end at byte {}", at),
           "something was appended to it, or its header was edited");
  }
}

}  // namespace

int64_t bytes_of(StoredType type) {
  return row_of(type).bytes;
}
std::string_view name_of(StoredType type) {
  return row_of(type).name;
}
std::string_view dtype_name(StoredType type) {
  return row_of(type).dtype;
}

int64_t safetensors_header_length(std::string_view start, int64_t file_size,
                                  const std::string& place) {
  if (file_size < 8 || start.size() < 8) {
    refuse(place, fmt::format("{} bytes long", file_size),
           "the first 8 bytes give the header's length", incomplete(file_size, 8));
  }
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<uint8_t>(start[i]);
  const auto space = static_cast<uint64_t>(file_size - 8);
  if (length > space || length > uint64_t{kMaxHeader}) {
    if (const auto kind = pickle_kind(start); !kind.empty()) refuse_pickle(place, kind);
  }
  if (length > uint64_t{kMaxHeader}) {
    refuse(place, fmt::format("its header would be {} bytes long", length),
           fmt::format("at most {}", kMaxHeader), "this is not a safetensors file");
  }
  if (length > space) {
    refuse(place, fmt::format("its header is {} bytes long", length),
           fmt::format("the file ends after {} of them", space),
           incomplete(file_size, static_cast<int64_t>(length) + 8));
  }
  return static_cast<int64_t>(length);
}

SafetensorsHeader parse_safetensors_header(std::string_view json, int64_t file_size,
                                           const std::string& place) {
  if (json.empty() || json[0] != '{') {
    refuse(place, json.empty() ? "its header is empty" : "its header does not begin with {",
           "a JSON object is needed", "this is not a safetensors file");
  }
  // The JSON library takes a zero byte for the end of the text, and would not see what follows.
  if (const auto zero = json.find('\0'); zero != json.npos) {
    refuse(place, fmt::format("byte {} of its header is zero", zero + 1),
           "JSON, padded with spaces, is needed");
  }
  const int64_t data_begin = 8 + static_cast<int64_t>(json.size());
  HeaderReader reader(data_begin, file_size, place);
  nlohmann::json::sax_parse(json, &reader);
  auto header = reader.take();
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_cover(header.tensors, data_begin, file_size, place);
  return header;
}

std::string_view pickle_kind(std::string_view start) {
  if (start.starts_with("PK\x03\x04")) return "a zip archive, as torch.save writes";
  const bool protocol = start.size() >= 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5;
  return protocol ? "a pickle" : "";
}

void refuse_pickle(const std::string& place, std::string_view kind) {
  constexpr std::string_view kPipeline =
      "convert it once in Python: CLASS.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER, "
      "safe_serialization=True)";
  // The originals of PixArt are the .pth files that people have.
  constexpr std::string_view kPixArt =
      "convert it once, an original PixArt file with diffusers' "
      "scripts/convert_pixart_sigma_to_diffusers.py --orig_ckpt_path FILE --image_size 1024 "
      "--only_transformer True --dump_path FOLDER, and name FOLDER under "
      "model.components.transformer.path";
  refuse(place, fmt::format("it is {}", kind),
         "pickles can run code when they are loaded, so only .safetensors files are read",
         place.ends_with(".pth") ? kPixArt : kPipeline);
}

}  // namespace trireme
