#include "src/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "parallel/error.h"
#include "src/report/html_charts.h"
#include "src/report/html_style.h"
#include "src/report/html_text.h"
#include "src/report/human.h"

namespace trireme {
namespace {

constexpr std::size_t kMostFailures = 200;    // rows
constexpr std::size_t kMostRuns = 50;         // the last ones
constexpr std::size_t kMostRanks = 64;        // rows
constexpr std::size_t kMostCode = 24;         // bytes of a failure's code
constexpr std::size_t kMostText = 600;        // bytes of a reason or a prompt
constexpr std::size_t kMostJson = 20'000;     // bytes
constexpr std::size_t kMostPage = 1'900'000;  // bytes with all pictures

// No script, no request: whatever a prompt says, it is text.
constexpr std::string_view kPolicy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'";

std::string section(std::string_view title, std::string_view body, std::string_view note = "") {
  if (body.empty()) return "";
  const auto after = note.empty() ? "" : fmt::format("<p class=note>{}</p>", note);
  return fmt::format("<section><h2>{}</h2>{}{}</section>\n", title, body, after);
}

struct State {
  std::string_view look;
  std::string words;
};

bool is_complete(const ReportPage& page) {
  return page.total > 0 && page.done + page.failed + page.skipped >= page.total;
}

State state_of(const ReportPage& page) {
  if (is_complete(page))
    return page.failed == 0 ? State{"good", "all done"}
                            : State{"wait", fmt::format("all done, {} failed", page.failed)};
  if (page.timeline.runs.empty()) return {"wait", "not begun"};
  const auto exit = page.timeline.runs.back().exit_code;
  if (!exit) return {"wait", "under way, or broken off"};
  if (*exit == static_cast<int>(Exit::kDrained)) return {"wait", "drained: run again to go on"};
  if (*exit == static_cast<int>(Exit::kDone)) return {"good", "done"};
  return {"bad", fmt::format("ended with exit code {}", *exit)};
}

std::string head(const ReportPage& page) {
  const auto [look, words] = state_of(page);
  std::string about;
  if (!page.model.empty()) about += fmt::format("<bdi>{}</bdi>", escaped(page.model, kMostText));
  if (!page.fingerprint.empty())
    about += fmt::format(" · job {}", escaped(page.fingerprint.substr(0, 12)));
  return fmt::format(
      "<header><h1><bdi>{}</bdi></h1><span class=\"pill {}\">{}</span><p>{}</p></header>\n",
      escaped(page.title, kMostText), look, words, about);
}

std::string tile(std::string_view name, std::string_view value, std::string_view more = "") {
  const auto small = more.empty() ? "" : fmt::format("<small>{}</small>", more);
  return fmt::format("<div><dt>{}</dt><dd>{}{}</dd></div>", name, value, small);
}

// 1234567 as 1 234 567, with spaces that do not break.
std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), "&nbsp;");
  return text;
}

std::string progress_bar(const ReportPage& page) {
  if (page.total <= 0) return "";
  const auto part = [&](std::int64_t count, std::string_view color) {
    if (count <= 0) return std::string();
    const double percent = 100.0 * static_cast<double>(count) / static_cast<double>(page.total);
    return fmt::format("<i style=\"width:{:.3f}%;background:var(--{})\"></i>", percent, color);
  };
  return fmt::format("<div class=bar>{}{}{}</div>", part(page.done, "good"),
                     part(page.failed, "bad"), part(page.skipped, "load"));
}

std::string rate_of(const ReportPage& page) {
  std::int64_t made = 0;
  for (const auto& run : page.timeline.runs) made += run.done;
  if (made == 0 || page.timeline.seconds <= 0) return "";
  return human_rate(static_cast<double>(made) / page.timeline.seconds);
}

std::string progress(const ReportPage& page) {
  std::string tiles;
  const auto of = page.total > 0 ? fmt::format("of {}", grouped(page.total)) : std::string();
  tiles += tile("Done", grouped(page.done), of);
  tiles += tile("Failed", grouped(page.failed));
  tiles += tile("Skipped", grouped(page.skipped), page.skipped > 0 ? "by rule" : "");
  if (const auto rate = rate_of(page); !rate.empty()) {
    const auto space = rate.find(' ');
    tiles += tile("Rate", rate.substr(0, space), rate.substr(space + 1) + ", mean");
  }
  if (page.timeline.seconds > 0)
    tiles += tile("Working time", human_duration(page.timeline.seconds),
                  fmt::format("{} run{}", page.timeline.runs.size(),
                              page.timeline.runs.size() == 1 ? "" : "s"));
  if (page.shards > 0)
    tiles += tile("Sealed", human_bytes(static_cast<double>(page.bytes)),
                  fmt::format("{} shard{}", grouped(page.shards), page.shards == 1 ? "" : "s"));
  return "<section>" + progress_bar(page) + "<dl class=tiles>" + tiles + "</dl></section>\n";
}

std::string row(const std::vector<std::string>& cells, std::string_view tag, std::size_t texts) {
  std::string line;
  for (std::size_t cell = 0; cell < cells.size(); ++cell)
    line += fmt::format("<{0} class={1}>{2}</{0}>", tag,
                        cell < cells.size() - texts ? "number"
                        : cell + 1 < cells.size()   ? "word"
                                                    : "text",
                        cells[cell]);
  return "<tr>" + line + "</tr>\n";
}

// The last `texts` columns are words, the very last one long ones; the others are numbers.
std::string table(const std::vector<std::string>& titles,
                  const std::vector<std::vector<std::string>>& rows, std::size_t texts) {
  if (rows.empty()) return "";
  std::string body;
  for (const auto& cells : rows) body += row(cells, "td", texts);
  return "<div class=wide><table>" + row(titles, "th", texts) + body + "</table></div>";
}

std::string seconds_table(const std::vector<PageRank>& ranks) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& rank : ranks) {
    if (rows.size() == kMostRanks) break;
    std::vector<std::string> cells = {std::to_string(rank.rank)};
    for (const double seconds : rank.seconds) cells.push_back(human_duration(seconds));
    cells.push_back(escaped(rank.host, kMostText) + ", " + escaped(rank.device, kMostText));
    rows.push_back(cells);
  }
  return table({"rank", "load", "encode", "denoise", "decode", "write", "where"}, rows, 1);
}

std::string schedules(const std::vector<PageSchedule>& all) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& of : all)
    rows.push_back({std::to_string(of.replica), std::to_string(of.stages),
                    fmt::format("{:.1f} %", of.planned_bubble * 100),
                    fmt::format("{:.1f} %", of.bubble * 100), ""});
  return table({"replica", "stages", "idle, without noise", "idle, measured", ""}, rows, 1);
}

std::string failures(const ReportPage& page) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& of : page.failures) {
    if (rows.size() == kMostFailures) break;
    rows.push_back({std::to_string(of.index), escaped(of.code, kMostCode),
                    "<bdi>" + escaped(of.reason, kMostText) + "</bdi>"});
  }
  return table({"sample", "code", "reason"}, rows, 2);
}

std::string runs(const Timeline& timeline) {
  std::vector<std::vector<std::string>> rows;
  const auto count = timeline.runs.size();
  for (std::size_t at = count > kMostRuns ? count - kMostRuns : 0; at < count; ++at) {
    const auto& run = timeline.runs[at];
    const auto exit = run.exit_code ? std::to_string(*run.exit_code) : "none";
    rows.push_back({escaped(run.begun.substr(0, 19)), human_duration(run.seconds),
                    std::to_string(run.ranks), grouped(run.done), exit,
                    escaped(run.host, kMostText)});
  }
  return table({"begun, UTC", "lasted", "ranks", "made", "exit code", "host"}, rows, 1);
}

std::string warnings(const std::vector<std::string>& all) {
  std::string items;
  for (const auto& text : all) items += fmt::format("<li>{}</li>", escaped(text, kMostText));
  return items.empty() ? "" : "<ul class=text>" + items + "</ul>";
}

std::string details(std::string_view title, std::string_view json) {
  if (json.empty() || json == "null") return "";
  return fmt::format("<section><details><summary>{}</summary><pre>{}</pre></details></section>\n",
                     title, escaped(json, kMostJson));
}

std::string figure(const PagePicture& picture) {
  const auto prompt = escaped(picture.prompt, kMostText);
  return fmt::format(
      "<figure><img src=\"{}\" alt=\"{}\" width={} height={} loading=lazy>"
      "<figcaption title=\"{}\">{} · <bdi>{}</bdi></figcaption></figure>\n",
      data_uri("image/jpeg", picture.jpeg), prompt, picture.width, picture.height, prompt,
      picture.index, prompt);
}

std::string contact_sheet(const std::vector<PagePicture>& pictures, std::size_t room) {
  std::string sheet;
  for (const auto& picture : pictures) {
    const auto next = figure(picture);
    if (sheet.size() + next.size() > room) break;
    sheet += next;
  }
  return sheet.empty() ? "" : "<div class=sheet>" + sheet + "</div>";
}

std::string body_after_pictures(const ReportPage& page) {
  const auto more_failures =
      page.failures.size() > kMostFailures
          ? fmt::format("The first {} of {}.", kMostFailures, page.failures.size())
          : std::string();
  return section("Pictures over time", rate_chart(page.timeline),
                 "Working time: between runs nothing is drawn. Dashed: a run began.") +
         section("Ranks over time", lanes_chart(page.timeline)) +
         section("Failures", failures(page), more_failures) +
         section("Memory", memory_chart(page.ranks),
                 "Bar: the peak, measured. Mark: the peak that was planned.") +
         section("Seconds by rank, last run", seconds_table(page.ranks)) +
         section("Pipeline", schedules(page.schedules),
                 "Idle: the part of the transformer's ranks' time in which they did not compute.") +
         section("Warnings", warnings(page.warnings)) + section("Runs", runs(page.timeline)) +
         details("Layout", page.layout) + details("Job", page.job);
}

}  // namespace

std::string report_page(const ReportPage& page) {
  const auto before = fmt::format(
      "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">"
      "<meta name=viewport content=\"width=device-width, initial-scale=1\">"
      "<title>{} · trireme</title><style>{}</style></head><body><main>\n{}{}",
      kPolicy, escaped(page.title, kMostText), kPageStyle, head(page), progress(page));
  const auto after = body_after_pictures(page) + "</main></body></html>\n";
  const auto used = std::min(kMostPage, before.size() + after.size());
  return before + section("Samples", contact_sheet(page.pictures, kMostPage - used)) + after;
}

}  // namespace trireme
