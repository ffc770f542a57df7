// Tokenizer: text to token ids exactly as transformers 5.23.0 does it, for the two kinds these
// models use (CLIP's byte-level BPE and T5's unigram). A tokenizer owns its vocabulary, never
// changes after loading and may be shared by threads. The empty text is just the special tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace trireme {

struct Tokens {
  std::vector<int64_t> ids;   // [length]
  std::vector<int64_t> mask;  // [length], 1 on text and special tokens, 0 on padding
};

// What stands around the text's own tokens.
struct TokenFrame {
  std::optional<int64_t> begin;  // CLIP's <|startoftext|>
  int64_t end = 0;
  int64_t pad = 0;
  int64_t max_length = 0;  // model_max_length of the folder
};

class Tokenizer {
 public:
  explicit Tokenizer(TokenFrame frame) : frame_(frame) {}
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Unpadded, with the special tokens. Throws Error(kBadData) if `text` is not UTF-8.
  std::vector<int64_t> ids(std::string_view text) const;

  // Truncated to `length` (the end token stays last) and padded to it on the right.
  Tokens encode(std::string_view text, int64_t length) const;

  // The length diffusers pads CLIP's prompts to (77 in released folders); no limit: INT64_MAX.
  int64_t max_length() const { return frame_.max_length; }
  int64_t end_id() const { return frame_.end; }
  int64_t pad_id() const { return frame_.pad; }

 protected:
  // The text's own tokens; `text` is valid UTF-8.
  virtual std::vector<int64_t> text_ids(std::string_view text) const = 0;

 private:
  TokenFrame frame_;
};

// Reads a tokenizer folder: vocab.json + merges.txt, spiece.model, or tokenizer.json, each with the
// small JSON files beside them. Throws Error(kMissingInput) if no vocabulary is there, and
// Error(kBadData) if it is damaged or of another kind.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& folder);

}  // namespace trireme
