#include "src/config/source.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <string_view>

#include "src/config/text.h"

namespace trireme {
namespace {

constexpr int kWidest = 100;  // columns of a source line that are shown

std::vector<size_t> line_starts(std::string_view text) {
  std::vector<size_t> starts = {0};
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    starts.push_back(at + 1);
  }
  return starts;
}

std::string_view line_at(std::string_view text, size_t start) {
  std::string_view line = text.substr(start, text.find('\n', start) - start);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// One character as it is shown: bytes that are not UTF-8 as '?', and its width on a screen.
struct Shown {
  std::string text;
  int width = 1;
  size_t bytes = 1;
};

Shown next_character(std::string_view text) {
  utf8proc_int32_t point = 0;
  auto left = static_cast<utf8proc_ssize_t>(std::min<size_t>(text.size(), 4));
  utf8proc_ssize_t length =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), left, &point);
  if (length <= 0) return {"?", 1, 1};
  auto bytes = static_cast<size_t>(length);
  if (point == '\t') return {"\t", 1, bytes};
  if (point < 0x20 || point == 0x7f) return {"?", 1, bytes};
  return {std::string(text.substr(0, bytes)), utf8proc_charwidth(point), bytes};
}

struct Excerpt {
  int column = 0;      // characters before the mark
  std::string line;    // what is shown of it
  std::string spaces;  // as wide as what is shown before the mark
};

Excerpt excerpt(std::string_view line, int byte_column) {
  std::vector<Shown> characters;
  int column = 0;
  for (size_t at = 0; at < line.size();) {
    if (static_cast<int>(at) < byte_column) ++column;
    characters.push_back(next_character(line.substr(at)));
    at += characters.back().bytes;
  }
  int count = static_cast<int>(characters.size());
  int first = count <= kWidest ? 0 : std::clamp(column - kWidest / 2, 0, count - kWidest);
  int last = std::min(count, first + kWidest);
  Excerpt out{column, first > 0 ? "..." : "", first > 0 ? "   " : ""};
  for (int i = first; i < last; ++i) {
    const Shown& shown = characters[static_cast<size_t>(i)];
    out.line += shown.text;
    bool tab = shown.text == "\t";
    if (i < column) out.spaces += tab ? "\t" : std::string(static_cast<size_t>(shown.width), ' ');
  }
  if (last < count) out.line += "...";
  return out;
}

// `sampling.sigmas.3` is inside `sampling.sigmas`, `sampling` and the job itself.
std::string parent(const std::string& place) {
  size_t dot = place.rfind('.');
  return dot == std::string::npos ? "" : place.substr(0, dot);
}

struct Found {
  Mark mark;
  std::string override_text;
};

Found locate(const Source& source, std::string place) {
  while (!place.empty()) {
    auto given = source.overrides.find(place);
    if (given != source.overrides.end()) return {{}, given->second};
    auto written = source.places.find(place);
    if (written != source.places.end()) return {written->second, ""};
    place = parent(place);
  }
  return {source.file.empty() ? Mark{} : Mark{0, 0}, ""};
}

Found find_place(const Source& source, const Problem& problem) {
  if (problem.mark.line >= 0) return {problem.mark, ""};
  return locate(source, problem.place);
}

std::string describe_at(const Source& source, const std::vector<size_t>& starts,
                        const Problem& problem) {
  Found found = find_place(source, problem);
  std::string body = fmt::format("[{}] {}", problem.place, problem.message);
  if (!found.override_text.empty()) return fmt::format("--set {}: {}", found.override_text, body);
  auto line_number = static_cast<size_t>(found.mark.line);
  if (found.mark.line < 0 || line_number >= starts.size()) return body;
  std::string_view line = line_at(source.text, starts[line_number]);
  Excerpt shown = excerpt(line, found.mark.column);
  std::string head =
      fmt::format("{}:{}:{}: {}", source.file, line_number + 1, shown.column + 1, body);
  if (line.empty()) return head;
  return fmt::format("{}\n{}\n{}^", head, shown.line, shown.spaces);
}

}  // namespace

std::string describe(const Source& source, const Problem& problem) {
  return describe_at(source, line_starts(source.text), problem);
}

Error all_problems(Exit exit, const Source& source, std::vector<Problem> problems) {
  for (Problem& problem : problems) problem.mark = find_place(source, problem).mark;
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
  });
  std::vector<size_t> starts = line_starts(source.text);
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += describe_at(source, starts, problem);
  }
  return {exit, text};
}

Error job_error(const Source& source, std::vector<Problem> problems) {
  return all_problems(Exit::kBadJob, source, std::move(problems));
}

}  // namespace trireme
