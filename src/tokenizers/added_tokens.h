// AddedTokens: the tokens that are cut out of a text before the model sees the rest: special ones
// such as <|endoftext|> and whatever a folder registers. Those marked `normalized` are looked for
// in the normalised text, the others in the text as written. Without tokens a text is one piece.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

struct AddedToken {
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // swallows the white space before it
  bool rstrip = false;       // ... and after it
  bool normalized = false;   // matches the normalised text
  bool special = false;
  bool plain = false;  // the folder gives just its text, no properties

  bool operator==(const AddedToken&) const = default;
};

using Normalize = std::function<std::string(std::string_view)>;

class AddedTokens {
 public:
  // tokens[i] has ids[i]; a later token with the same id replaces an earlier one.
  AddedTokens(const std::vector<AddedToken>& tokens, const std::vector<int64_t>& ids,
              Normalize normalize);

  // Calls on_token(id) and on_text(normalised text) from left to right.
  void cut(std::string_view text, const std::function<void(int64_t)>& on_token,
           const std::function<void(std::string_view)>& on_text) const;

 private:
  struct Entry {
    std::string pattern;
    AddedToken token;
    int64_t id;
  };
  // By first byte; within one, longest first: the leftmost longest match wins.
  using Patterns = std::map<char, std::vector<Entry>>;

  static const Entry* match(const Patterns& patterns, std::string_view text, size_t at);
  static void split(const Patterns& patterns, std::string_view text,
                    const std::function<void(int64_t)>& on_token,
                    const std::function<void(std::string_view)>& on_text);

  Patterns as_written_;
  Patterns normalized_;
  Normalize normalize_;
};

}  // namespace trireme
