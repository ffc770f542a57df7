#include "src/config/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "src/config/csv.h"
#include "src/config/fields.h"
#include "src/config/node_json.h"
#include "src/config/read_sampling.h"
#include "src/config/text.h"
#include "src/config/yaml.h"

namespace trireme {
namespace {

std::string place_of(int64_t row) {
  return fmt::format("rows.{}", row);
}

std::string_view without_line_end(std::string_view line) {
  if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// A line is a row; the last needs no line feed.
DatasetIndex index_lines(std::string_view text) {
  DatasetIndex index;
  for (size_t at = 0; at < text.size();) {
    index.starts.push_back(static_cast<int64_t>(at));
    size_t end = text.find('\n', at);
    at = end == std::string_view::npos ? text.size() : end + 1;
  }
  index.starts.push_back(static_cast<int64_t>(text.size()));
  return index;
}

// Empty lines at the end of a .jsonl file are no rows.
DatasetIndex index_json_lines(std::string_view text) {
  size_t last = text.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos) return index_lines({});
  return index_lines(text.substr(0, last + 1));
}

void check_columns(std::string_view text, const CsvRecord& header, DatasetIndex& index) {
  for (const CsvField& field : header.fields) {
    Mark mark = mark_at(text, field.offset);
    std::string place = "columns." + shorten(field.text, 60);
    if (cell_type(field.text) == CellType::kUnknown) {
      auto meant = nearest(field.text, row_keys());
      std::string hint =
          meant ? "did you mean " + *meant + "?" : "one of " + list_words(row_keys());
      index.problems.push_back({place, "unknown column -> " + hint, mark});
    }
    for (const std::string& column : index.columns) {
      if (column == field.text) {
        index.problems.push_back({place, "a column with the same name -> each column once", mark});
      }
    }
    index.columns.push_back(field.text);
  }
  bool prompt =
      std::find(index.columns.begin(), index.columns.end(), "prompt") != index.columns.end();
  if (!prompt && index.problems.empty()) {
    index.problems.push_back(
        {"columns", "no prompt column -> the first line names the columns, prompt among them",
         Mark{0, 0}});
  }
}

DatasetIndex index_csv(std::string_view text) {
  DatasetIndex index;
  size_t at = 0;
  bool header = true;
  while (at < text.size()) {
    CsvRecord record = read_csv_record(text, at);
    bool bad = !record.problem.empty();
    if (bad)
      index.problems.push_back({header ? "columns" : "rows", record.problem, mark_at(text, at)});
    if (!record.blank && header) check_columns(text, record, index);
    if (!record.blank && !header) index.starts.push_back(static_cast<int64_t>(at));
    header = header && record.blank;
    at = record.end;
    if (bad) break;  // what follows may be cut anywhere
  }
  index.starts.push_back(static_cast<int64_t>(text.size()));
  return index;
}

// Cells have no types: a text is taken as it stands, anything else is read as YAML.
Node cell_node(const std::string& column, const CsvField& field, Mark mark) {
  Node node;
  bool value = cell_type(column) == CellType::kValue;
  bool nested = value && (field.text[0] == '[' || field.text[0] == '{');
  if (nested) {
    ParsedYaml parsed = parse_yaml(field.text);
    if (parsed.problems.empty()) node = std::move(parsed.root);
  }
  if (node.kind == Node::Kind::kNull) {
    node.kind = Node::Kind::kScalar;
    node.text = field.text;
    node.quoted = !value;
  }
  node.mark = mark;
  for (Node& item : node.items) item.mark = mark;
  node.key = column;
  node.key_mark = mark;
  return node;
}

DatasetRow read_csv_row(std::string_view text, size_t start, const DatasetIndex& index, int64_t row,
                        const Sampling& sampling) {
  CsvRecord record = read_csv_record(text, start);
  DatasetRow out;
  if (record.fields.size() != index.columns.size()) {
    out.problems.push_back(
        {place_of(row),
         fmt::format("{} fields -> {}, as there are {} columns -> a comma inside "
                     "a field that is not in quotes",
                     record.fields.size(), index.columns.size(), index.columns.size()),
         {}});
    return out;
  }
  Node map;
  map.kind = Node::Kind::kMap;
  for (size_t i = 0; i < record.fields.size(); ++i) {
    const CsvField& field = record.fields[i];
    const std::string& column = index.columns[i];
    // An empty cell says nothing, but an empty prompt is a prompt.
    if (field.text.empty() && column != "prompt") continue;
    Mark mark{0, static_cast<int>(field.offset - start)};
    map.items.push_back(cell_node(column, field, mark));
  }
  out.row = read_row(map, place_of(row), row, sampling, out.problems);
  return out;
}

DatasetRow read_json_row(std::string_view line, int64_t row, const Sampling& sampling) {
  DatasetRow out;
  ParsedJson parsed = parse_json(line);
  out.problems = std::move(parsed.problems);
  for (Problem& problem : out.problems) problem.place = place_of(row);
  if (!out.problems.empty()) return out;
  if (parsed.root.kind != Node::Kind::kMap) {
    out.problems.push_back(
        {place_of(row),
         describe(parsed.root) + " -> a JSON object, such as {\"prompt\": \"a cat\"}",
         {}});
    return out;
  }
  out.row = read_row(parsed.root, place_of(row), row, sampling, out.problems);
  return out;
}

// The byte column of the key that a place ends with, if the line shows it.
int column_of_key(std::string_view line, const std::string& place) {
  size_t dot = place.rfind('.');
  size_t at = line.find('"' + place.substr(dot + 1) + '"');
  return at == std::string_view::npos ? 0 : static_cast<int>(at);
}

}  // namespace

DatasetKind dataset_kind(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (ending == ".jsonl") return DatasetKind::kJsonLines;
  return ending == ".csv" ? DatasetKind::kCsv : DatasetKind::kText;
}

DatasetIndex index_dataset(DatasetKind kind, std::string_view text) {
  if (kind == DatasetKind::kCsv) return index_csv(text);
  return kind == DatasetKind::kText ? index_lines(text) : index_json_lines(text);
}

namespace {

// In lines a row is a line; a record of a .csv file may take several.
Mark mark_in_row(DatasetKind kind, std::string_view text, size_t start, int64_t row, int column) {
  if (kind == DatasetKind::kCsv) return mark_at(text, start + static_cast<size_t>(column));
  return {static_cast<int>(row), column};
}

}  // namespace

DatasetRow read_dataset_row(DatasetKind kind, std::string_view text, const DatasetIndex& index,
                            int64_t row, const Sampling& sampling) {
  auto start = static_cast<size_t>(index.starts[static_cast<size_t>(row)]);
  auto end = static_cast<size_t>(index.starts[static_cast<size_t>(row) + 1]);
  std::string_view bytes = text.substr(start, end - start);
  std::string_view line = without_line_end(bytes);
  if (const auto bad = find_bad_utf8(bytes)) {
    const auto what = fmt::format("{}, at byte {} -> text in UTF-8 -> saved in another encoding",
                                  bad->what, start + bad->offset);
    const auto mark = mark_in_row(kind, text, start, row, static_cast<int>(bad->offset));
    return {{row, "", "", "", sampling, false}, {{place_of(row), what, mark}}};
  }
  if (kind == DatasetKind::kText) {
    return {{row, std::string(line), "", "", sampling, false}, {}};
  }
  DatasetRow out = kind == DatasetKind::kJsonLines
                       ? read_json_row(line, row, sampling)
                       : read_csv_row(text, start, index, row, sampling);
  if (out.problems.empty()) return out;
  for (Problem& problem : out.problems) {
    int column = problem.mark.line >= 0 ? problem.mark.column : column_of_key(line, problem.place);
    problem.mark = mark_in_row(kind, text, start, row, column);
  }
  return out;
}

}  // namespace trireme
