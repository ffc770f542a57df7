#include "src/tokenizers/clean_caption.h"

#include <unicode/unistr.h>

#include <vector>

#include "src/tokenizers/fix_text.h"
#include "src/tokenizers/html_text.h"
#include "src/tokenizers/python_text.h"
#include "src/tokenizers/unicode.h"

namespace trireme {
namespace {

using icu::UnicodeString;

struct Step {
  PythonRegex pattern;
  std::string_view replacement;
};

UnicodeString run(const std::vector<Step>& steps, UnicodeString text) {
  for (const auto& step : steps) text = step.pattern.sub(step.replacement, text);
  return text;
}

// Between HTML and ftfy. Where a pattern is not diffusers' own it matches the same without trying
// every start in a long run: (?<!\S) before \S+, (?<!\s) before \s+.
std::vector<Step> steps_before_repair() {
  return {
      {PythonRegex(R"(@\w+\b)"), ""},
      {PythonRegex(R"([\u31c0-\u9fff]+)"), ""},  // CJK strokes to unified ideographs, six blocks
      {PythonRegex("[\\u002D\\u058A\\u05BE\\u1400\\u1806\\u2010-\\u2015\\u2E17\\u2E1A\\u2E3A\\u2E3B"
                   "\\u2E40\\u301C\\u3030\\u30A0\\uFE31\\uFE32\\uFE58\\uFE63\\uFF0D]+"),
       "-"},
      {PythonRegex("[`´«»“”¨]"), "\""},
      {PythonRegex("[‘’]"), "'"},
      {PythonRegex("&quot;?"), ""},
      {PythonRegex("&amp"), ""},
      {PythonRegex(R"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})"), " "},
      {PythonRegex(R"(\d:\d\d\s+$)"), ""},
      {PythonRegex(R"(\\n)"), " "},
      {PythonRegex(R"(#\d{1,3}\b)"), ""},
      {PythonRegex(R"(#\d{5,}\b)"), ""},
      {PythonRegex(R"(\b\d{6,}\b)"), ""},
      {PythonRegex(R"((?<!\S)\S+\.(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4))"), ""},
      {PythonRegex(R"(["']{2,})"), "\""},
      {PythonRegex(R"([\.]{2,})"), " "},
      {PythonRegex(R"([#®•©™\&@·º½¾¿¡§~\)\(\]\[\}\{\|\\/\*]+)"), " "},
      {PythonRegex(R"((?<!\s)\s+\.\s+)"), " "},
  };
}

std::vector<Step> steps_after_repair() {
  return {
      {PythonRegex(R"(\b[a-zA-Z]{1,3}\d{3,15}\b)"), ""},
      {PythonRegex(R"(\b[a-zA-Z]+\d+[a-zA-Z]+\b)"), ""},
      {PythonRegex(R"(\b\d+[a-zA-Z]+\d+\b)"), ""},
      {PythonRegex(R"((worldwide\s+)?(free\s+)?shipping)"), ""},
      {PythonRegex(R"((free\s)?download(\sfree)?)"), ""},
      {PythonRegex(R"(\bclick\b\s(?:for|on)\s\w+)"), ""},
      {PythonRegex(R"(\b(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)(\simage[s]?)?)"), ""},
      {PythonRegex(R"(\bpage\s+\d+\b)"), ""},
      {PythonRegex(R"(\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b)"), " "},
      {PythonRegex(R"(\b\d+(?:\.\d*)?[xх×]\d+(?:\.\d*)?\b)"), ""},
      {PythonRegex(R"(\b\s+\:\s+)"), ": "},
      {PythonRegex(R"((\D[,\./])\b)"), "$1 "},
      {PythonRegex(R"(\s+)"), " "},
      {PythonRegex(R"(^["']([\w\W]+)["']$)"), "$1"},
      {PythonRegex(R"(^['_,\-:;])"), ""},
      {PythonRegex(R"(['_,\-:\-\+]$)"), ""},
      {PythonRegex(R"(^\.\S+$)"), ""},
  };
}

// `\b(scheme... | host.tld...)`. A host that cannot end somewhere cannot end if it starts later in
// the same run of host characters either, so each run is tried from its first word boundary only.
struct UrlPattern {
  PythonRegex scheme;
  PythonRegex host{
      R"([a-zA-Z0-9.\-]+[.](?:com|co|ru|net|org|edu|gov|it)[\w/-]*\b/?(?!@))"};

  explicit UrlPattern(std::string_view start)
      : scheme(std::string(R"(\b)").append(start).append(R"((?:/{1,3}|[a-zA-Z0-9%]))")) {}

  UnicodeString remove(const UnicodeString& text) const;
};

bool is_host_char(char16_t c) {
  return (c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z') || (c >= u'0' && c <= u'9') ||
         c == u'.' || c == u'-';
}

bool word_at(const UnicodeString& text, int32_t at) {
  return at >= 0 && at < text.length() && python_word(static_cast<char32_t>(text.char32At(at)));
}

struct Span {
  int32_t begin, end;
};

constexpr Span kNoSpan = {INT32_MAX, INT32_MAX};

// The first host in text[from..), kNoSpan if there is none.
Span find_host(icu::RegexMatcher& host, const UnicodeString& text, int32_t from) {
  UErrorCode status = U_ZERO_ERROR;
  for (int32_t at = from; at < text.length(); ++at) {
    if (!is_host_char(text[at]) || word_at(text, at - 1) == word_at(text, at)) continue;
    host.region(at, text.length(), status);
    if (host.lookingAt(status)) return {at, host.end(status)};
    while (at + 1 < text.length() && is_host_char(text[at + 1])) ++at;
  }
  return kNoSpan;
}

UnicodeString UrlPattern::remove(const UnicodeString& text) const {
  UErrorCode status = U_ZERO_ERROR;
  const auto schemes = scheme.matcher(text);
  const auto hosts = host.matcher(text);
  const auto find_scheme = [&](int32_t from) {
    return schemes->find(from, status) ? Span{schemes->start(status), schemes->end(status)} : kNoSpan;
  };
  UnicodeString result;
  int32_t done = 0;
  Span next_scheme = find_scheme(0);
  Span next_host = find_host(*hosts, text, 0);
  while (next_scheme.begin != kNoSpan.begin || next_host.begin != kNoSpan.begin) {
    const Span url = next_scheme.begin <= next_host.begin ? next_scheme : next_host;
    result.append(text, done, url.begin - done);
    done = url.end;
    if (next_scheme.begin < done) next_scheme = find_scheme(done);
    if (next_host.begin < done) next_host = find_host(*hosts, text, done);
  }
  return result.append(text, done, text.length() - done);
}

}  // namespace

struct CaptionCleaner::Patterns {
  PythonRegex person{"<person>"};
  UrlPattern http{"https?:"};
  UrlPattern www{"www:"};
  HtmlText html;
  std::vector<Step> before = steps_before_repair();
  PythonRegex joint{"[-_]"};
  std::vector<Step> after = steps_after_repair();

  UnicodeString clean(const UnicodeString& caption) const {
    UnicodeString text = from_utf8(unquote_plus(to_utf8(caption)));
    text = person.sub("person", python_lower(python_strip(text)));
    text = html.text(www.remove(http.remove(text)));
    text = run(before, std::move(text));
    if (joint.count(text) > 3) text = joint.sub(" ", text);  // this-is-my-cute-cat
    text = fix_text(html, text);
    text = html.unescape(html.unescape(text));
    return python_strip(run(after, std::move(text)));
  }
};

std::string lower_strip(std::string_view text) {
  require_utf8(text);
  return to_utf8(python_strip(python_lower(from_utf8(text))));
}

CaptionCleaner::CaptionCleaner() : patterns_(std::make_shared<Patterns>()) {}

std::string CaptionCleaner::operator()(std::string_view caption) const {
  require_utf8(caption);
  return to_utf8(patterns_->clean(patterns_->clean(from_utf8(caption))));
}

}  // namespace trireme
