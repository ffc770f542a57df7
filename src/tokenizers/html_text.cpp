#include "src/tokenizers/html_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {
namespace {

using icu::UnicodeString;

constexpr std::array<std::string_view, 28> kVoidElements = {
    "area",   "base",  "basefont", "bgsound", "br",     "col",   "command",
    "embed",  "frame", "hr",       "image",   "img",    "input", "isindex",
    "keygen", "link",  "menuitem", "meta",    "nextid", "param", "source",
    "spacer", "track", "wbr",      "",        "",       "",      ""};

// Elements whose text is no part of a page's text.
constexpr std::array<std::string_view, 5> kSilent = {"rp", "rt", "script", "style", "template"};

template <typename Names>
bool contains(const Names& names, const std::string& name) {
  return !name.empty() && std::find(names.begin(), names.end(), name) != names.end();
}

// Where a character next stands. Remembers the last answer, or a text of nothing but "<" would be
// searched to its end for "&" at each of them.
class NextOf {
 public:
  NextOf(char16_t character, const UnicodeString& text) : character_(character), text_(text) {}

  int32_t operator()(int32_t from) {
    const bool known = asked_ >= 0 && from >= asked_ && (found_ < 0 || found_ >= from);
    if (!known) {
      found_ = text_.indexOf(character_, from);
      asked_ = from;
    }
    return found_;
  }

 private:
  char16_t character_;
  const UnicodeString& text_;
  int32_t asked_ = -1, found_ = -1;
};

}  // namespace

// Follows html.parser as BeautifulSoup drives it: one pass that stops where the text might go on,
// then a second from there that takes the rest as it is.
class HtmlText::Parser {
 public:
  Parser(const HtmlText& html, const UnicodeString& markup)
      : html_(html),
        markup_(markup),
        entity_(html.entity_reference_.matcher(markup)),
        number_(html.number_reference_.matcher(markup)),
        start_(html.start_tag_.matcher(markup)),
        name_(html.tag_name_.matcher(markup)),
        attribute_(html.attribute_.matcher(markup)),
        end_(html.end_tag_.matcher(markup)),
        comment_end_(html.comment_end_.matcher(markup)),
        cdata_end_(html.cdata_end_.matcher(markup)),
        ampersand_(u'&', markup),
        less_(u'<', markup),
        greater_(u'>', markup),
        semicolon_(u';', markup),
        last_turn_(last_of(u"'\"/>", markup)) {}

  UnicodeString run() {
    pass(false);
    pass(true);
    return text_;
  }

 private:
  using Matcher = std::unique_ptr<icu::RegexMatcher>;
  static constexpr int32_t kIncomplete = -1;

  static int32_t last_of(std::u16string_view characters, const UnicodeString& text) {
    int32_t last = text.lastIndexOf(char16_t{0});
    for (const auto c : characters) last = std::max(last, text.lastIndexOf(c));
    return last;
  }

  UnicodeString slice(int32_t begin, int32_t end) const {
    return UnicodeString(markup_, begin, end - begin);
  }
  bool starts_with(int32_t at, const char16_t* prefix) const {
    const UnicodeString wanted(prefix);
    return markup_.compare(at, wanted.length(), wanted) == 0;
  }
  bool match_at(const Matcher& matcher, int32_t at) const {
    UErrorCode status = U_ZERO_ERROR;
    matcher->region(at, markup_.length(), status);
    return matcher->lookingAt(status) && U_SUCCESS(status);
  }
  bool find_from(const Matcher& matcher, int32_t at) const {
    UErrorCode status = U_ZERO_ERROR;
    return at <= markup_.length() && matcher->find(at, status) && U_SUCCESS(status);
  }
  static int32_t end_of(const Matcher& matcher, int32_t group = 0) {
    UErrorCode status = U_ZERO_ERROR;
    return matcher->end(group, status);
  }
  UnicodeString group(const Matcher& matcher, int32_t number) const {
    UErrorCode status = U_ZERO_ERROR;
    return matcher->group(number, status);
  }

  void data(const UnicodeString& text) {
    if (silent_ == 0) text_ += text;
  }

  void open_element(const std::string& name) {
    open_.push_back(name);
    if (contains(kSilent, name)) ++silent_;
  }

  void close_element(const std::string& name) {
    if (std::find(open_.begin(), open_.end(), name) == open_.end()) return;
    for (bool found = false; !found;) {
      found = open_.back() == name;
      if (contains(kSilent, open_.back())) --silent_;
      open_.pop_back();
    }
  }

  // An end tag in the text; one that follows a void element was already implied.
  void end_element(const std::string& name) {
    const auto implied = std::find(implied_.begin(), implied_.end(), name);
    if (implied != implied_.end())
      implied_.erase(implied);
    else
      close_element(name);
  }

  // The next `<` or `&`; inside a script or style its end tag. kIncomplete: there is none.
  int32_t next_mark() {
    if (!raw_) {
      const int32_t amp = ampersand_(at_);
      const int32_t less = less_(at_);
      if (amp < 0 || less < 0) return std::max(amp, less);
      return std::min(amp, less);
    }
    for (int32_t at = markup_.indexOf(u"</", 2, at_); at >= 0;
         at = markup_.indexOf(u"</", 2, at + 1))
      if (match_at(end_, at) && to_utf8(group(end_, 1)) == *raw_) return at;
    return kIncomplete;
  }

  void pass(bool last) {
    while (at_ < markup_.length()) {
      int32_t mark = next_mark();
      if (mark < 0 && raw_) return;
      if (mark < 0) mark = markup_.length();
      data(slice(at_, mark));
      at_ = mark;
      if (at_ == markup_.length()) break;
      if (!(markup_[at_] == u'<' ? tag(last) : reference(last))) break;
    }
    if (last && !raw_) {
      data(slice(at_, markup_.length()));
      at_ = markup_.length();
    }
  }

  // Each of these consumes something, or returns false to end the pass.
  bool tag(bool last) {
    int32_t end = kIncomplete;
    const char16_t next = at_ + 1 < markup_.length() ? markup_[at_ + 1] : 0;
    if ((next | 0x20) >= u'a' && (next | 0x20) <= u'z') {
      end = start_tag();
    } else if (next == u'/') {
      end = end_tag();
    } else if (starts_with(at_, u"<!--")) {
      end = find_from(comment_end_, at_ + 4) ? end_of(comment_end_) : kIncomplete;
    } else if (starts_with(at_, u"<![")) {
      end = marked_section();
    } else if (next == u'?' || next == u'!') {
      end = after_greater(at_ + 2);
    } else if (at_ + 1 < markup_.length()) {
      data(u"<");
      end = at_ + 1;
    } else {
      return false;
    }
    if (end < 0) {
      if (!last) return false;
      end = after_greater(at_ + 1);
      if (end < 0) end = less_(at_ + 1);
      if (end < 0) end = at_ + 1;
      data(slice(at_, end));
    }
    at_ = end;
    return true;
  }

  int32_t after_greater(int32_t from) {
    const int32_t at = greater_(from);
    return at < 0 ? kIncomplete : at + 1;
  }

  // Where the start tag at at_ ends, by html.parser's tolerant rules.
  int32_t start_tag_end() {
    if (at_ > last_turn_) return kIncomplete;
    if (!match_at(start_, at_)) return kIncomplete;
    const int32_t end = end_of(start_);
    if (end == markup_.length()) return kIncomplete;
    const char16_t next = markup_[end];
    if (next == u'>') return end + 1;
    if (next == u'/') return starts_with(end, u"/>") ? end + 2 : kIncomplete;
    const bool goes_on = next == u'=' || ((next | 0x20) >= u'a' && (next | 0x20) <= u'z');
    if (goes_on) return kIncomplete;
    return end > at_ ? end : at_ + 1;
  }

  int32_t start_tag() {
    const int32_t end = start_tag_end();
    if (end < 0 || !match_at(name_, at_ + 1)) return end;
    const std::string name = to_utf8(python_lower(group(name_, 1)));
    int32_t at = end_of(name_);
    while (at < end && match_at(attribute_, at)) at = end_of(attribute_);
    const UnicodeString closing = python_strip(slice(std::min(at, end), end));
    if (closing != u">" && closing != u"/>") {
      data(slice(at_, end));
    } else if (contains(kVoidElements, name)) {
      if (closing == u">") implied_.push_back(name);
    } else if (closing == u">") {
      open_element(name);
      if (name == "script" || name == "style") raw_ = name;
    }
    return end;
  }

  int32_t end_tag() {
    const int32_t end = after_greater(at_ + 1);
    if (end < 0) return kIncomplete;
    if (match_at(end_, at_)) {
      end_element(to_utf8(python_lower(group(end_, 1))));
      raw_.reset();
      return end;
    }
    if (!match_at(name_, at_ + 2)) return end;  // "</>", or a comment in disguise
    const int32_t name_end = end_of(name_);
    end_element(to_utf8(python_lower(group(name_, 1))));
    return std::max(after_greater(name_end), at_ + 1);
  }

  int32_t marked_section() {
    if (python_lower(slice(at_ + 3, std::min(at_ + 9, markup_.length()))) != u"cdata[")
      return kIncomplete;
    if (!find_from(cdata_end_, at_ + 9)) return kIncomplete;
    UErrorCode status = U_ZERO_ERROR;
    data(slice(at_ + 9, cdata_end_->start(status)));
    return end_of(cdata_end_);
  }

  bool reference(bool last) {
    if (starts_with(at_, u"&#")) return number_reference();
    if (match_at(entity_, at_)) {
      const UnicodeString name = group(entity_, 1);
      const UnicodeString* known = html_.references_.find(name);
      data(known ? *known : u"&" + name);
      skip_reference(end_of(entity_));
      return true;
    }
    const char16_t next = at_ + 1 < markup_.length() ? markup_[at_ + 1] : 0;
    const bool may_go_on = (next | 0x20) >= u'a' && (next | 0x20) <= u'z';
    if (last && may_go_on && at_ + 2 == markup_.length()) ++at_;  // html.parser loses this "&"
    if (may_go_on || next == 0) return false;
    data(u"&");
    ++at_;
    return true;
  }

  bool number_reference() {
    if (!match_at(number_, at_)) {
      if (semicolon_(at_) >= 0) {
        data(u"&#");
        at_ += 2;
      }
      return false;
    }
    data(html_character(group(number_, 1)));
    skip_reference(end_of(number_));
    return true;
  }

  // A reference's match takes the character after its name; that one stays unless it is `;`.
  void skip_reference(int32_t end) {
    at_ = markup_[end - 1] == u';' ? end : markup_.moveIndex32(end, -1);
  }

  const HtmlText& html_;
  const UnicodeString& markup_;
  Matcher entity_, number_, start_, name_, attribute_, end_, comment_end_, cdata_end_;
  NextOf ampersand_, less_, greater_, semicolon_;
  // Behind the last quote, slash, `>` or NUL a start tag takes all that follows as attributes and
  // has no end. Known without looking, or "<a <a <a" would be read to its end at every "<".
  int32_t last_turn_;
  int32_t at_ = 0;
  std::optional<std::string> raw_;  // inside this script or style, whose text is no mark-up
  std::vector<std::string> open_;
  std::vector<std::string> implied_;
  int silent_ = 0;
  UnicodeString text_;
};

UnicodeString HtmlText::text(const UnicodeString& markup) const {
  if (markup.indexOf(u'<') < 0 && markup.indexOf(u'&') < 0) return markup;
  return Parser(*this, markup).run();
}

}  // namespace trireme
