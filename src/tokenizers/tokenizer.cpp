#include "src/tokenizers/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/error.h"
#include "src/tokenizers/clip.h"
#include "src/tokenizers/folder.h"
#include "src/tokenizers/t5.h"
#include "src/tokenizers/unicode.h"

namespace trireme {

std::vector<int64_t> Tokenizer::ids(std::string_view text) const {
  require_utf8(text);
  std::vector<int64_t> ids = text_ids(text);
  if (frame_.begin) ids.insert(ids.begin(), *frame_.begin);
  ids.push_back(frame_.end);
  return ids;
}

Tokens Tokenizer::encode(std::string_view text, int64_t length) const {
  const int64_t specials = frame_.begin ? 2 : 1;
  if (length < specials)
    throw Error(Exit::kBadJob, fmt::format("[max_sequence_length] {} -> at least {} -> the special "
                                           "tokens alone need as many",
                                           length, specials));
  Tokens tokens{ids(text), {}};
  if (static_cast<int64_t>(tokens.ids.size()) > length) {
    tokens.ids.resize(static_cast<size_t>(length));
    tokens.ids.back() = frame_.end;
  }
  tokens.mask.assign(tokens.ids.size(), 1);
  tokens.ids.resize(static_cast<size_t>(length), frame_.pad);
  tokens.mask.resize(static_cast<size_t>(length), 0);
  return tokens;
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& folder) {
  const TokenizerFolder files = read_tokenizer_folder(folder);
  if (files.kind == TokenizerKind::kClip) return std::make_shared<ClipTokenizer>(files);
  return std::make_shared<T5Tokenizer>(files);
}

}  // namespace trireme
