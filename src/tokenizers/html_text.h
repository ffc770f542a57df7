// HTML to text as BeautifulSoup(..., "html.parser").text gives it. Tags, comments, scripts and
// styles vanish, text stays, malformed mark-up is text. Internal to this folder: speaks ICU.
#pragma once

#include <unicode/unistr.h>

#include "src/tokenizers/html_references.h"
#include "src/tokenizers/python_text.h"

namespace trireme {

class HtmlText {
 public:
  explicit HtmlText(const HtmlReferences& references) : references_(references) {}

  icu::UnicodeString text(const icu::UnicodeString& markup) const;

 private:
  class Parser;

  const HtmlReferences& references_;  // outlives this
  PythonRegex entity_reference_{R"(&([a-zA-Z][-.a-zA-Z0-9]*)[^a-zA-Z0-9])"};
  PythonRegex number_reference_{R"(&#([0-9]+|[xX][0-9a-fA-F]+)[^0-9a-fA-F])"};
  PythonRegex start_tag_{
      R"(<[a-zA-Z][^\t\n\r\f />\x00]*(?:[\s/]*(?:(?<=['"\s/])[^\s/>][^\s/=>]*)"
      R"((?:\s*=+\s*(?:'[^']*'|"[^"]*"|(?!['"])[^>\s]*)\s*)?(?:\s|/(?!>))*)*)?\s*)"};
  PythonRegex tag_name_{R"(([a-zA-Z][^\t\n\r\f />\x00]*)(?:\s|/(?!>))*)"};
  PythonRegex attribute_{
      R"(((?<=['"\s/])[^\s/>][^\s/=>]*)(\s*=+\s*('[^']*'|"[^"]*"|(?!['"])[^>\s]*))?(?:\s|/(?!>))*)"};
  PythonRegex end_tag_{R"(</\s*([a-zA-Z][-.a-zA-Z0-9:_]*)\s*>)"};
  PythonRegex comment_end_{R"(--\s*>)"};
  PythonRegex cdata_end_{R"(\]\s*\]\s*>)"};
};

}  // namespace trireme
