#include "src/report/metrics.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>
#include <vector>

namespace trireme {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

std::string label_value(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\') {
      text += R"(\\)";
    } else if (c == '"') {
      text += R"(\")";
    } else if (c == '\n') {
      text += R"(\n)";
    } else {
      text += c;
    }
  }
  return text;
}

// Collects families of lines, each under its HELP and TYPE. A family without lines is left out.
class Exposition {
 public:
  explicit Exposition(const Labels& of_all) {
    for (const auto& [name, value] : of_all) labels_of_all_ += label(name, value);
  }

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    head_ = fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  }

  template <class Number>
  void line(Number value, const Labels& labels = {}) {
    std::string text = labels_of_all_;
    for (const auto& [key, of] : labels) text += label(key, of);
    text.pop_back();
    text_ += fmt::format("{}{}{{{}}} {}\n", std::exchange(head_, ""), name_, text, value);
  }

  template <class Number>
  void only(std::string_view name, std::string_view type, std::string_view help, Number value) {
    family(name, type, help);
    line(value);
  }

  template <class Number>
  void by(std::string_view key, const std::map<std::string, Number>& values) {
    for (const auto& [of, value] : values) line(value, {{key, of}});
  }

  const std::string& text() const { return text_; }

 private:
  static std::string label(std::string_view name, std::string_view value) {
    return fmt::format("{}=\"{}\",", name, label_value(value));
  }

  std::string labels_of_all_;
  std::string_view name_;
  std::string head_;
  std::string text_;
};

void add_state(Exposition& to, const RankMetrics& of) {
  to.family("trireme_info", "gauge", "What runs: always 1.");
  to.line(1, {{"version", of.version},
              {"host", of.host},
              {"device", of.device},
              {"replica", std::to_string(of.replica)},
              {"fingerprint", of.fingerprint}});
  to.only("trireme_up", "gauge", "1 while the run goes on, 0 once it has ended by itself.",
          of.exit_code ? 0 : 1);
  if (of.exit_code)
    to.only("trireme_exit_code", "gauge", "How the run ended: 0 all done, 85 drained.",
            *of.exit_code);
  to.only("trireme_uptime_seconds", "gauge", "Since the run began, by a steady clock.",
          of.uptime_seconds);
  to.only("trireme_progress_age_seconds", "gauge",
          "Since a batch, a step or a picture was done, by a steady clock.",
          of.since_progress_seconds);
}

void add_work(Exposition& to, const RankMetrics& of) {
  to.only("trireme_job_samples", "gauge", "Samples that the whole job asks for.", of.job_samples);
  to.family("trireme_samples_total", "counter", "Samples that this rank brought to an end.");
  to.line(of.done, {{"status", "done"}});
  to.line(of.failed, {{"status", "failed"}});
  to.line(of.skipped, {{"status", "skipped"}});
  to.only("trireme_batches_total", "counter", "Batches that went through this rank.", of.batches);
  to.only("trireme_steps_total", "counter", "Denoising steps, summed over samples.", of.steps);
  to.family("trireme_seconds_total", "counter", "Time that this rank spent in each stage.");
  to.by("stage", of.stage_seconds);
  to.family("trireme_shards_total", "counter", "Shards that this rank claimed and sealed.");
  to.line(of.shards_claimed, {{"status", "claimed"}});
  to.line(of.shards_sealed, {{"status", "sealed"}});
  to.only("trireme_warnings_total", "counter", "Warnings in this rank's log.", of.warnings);
}

void add_resources(Exposition& to, const RankMetrics& of) {
  to.family("trireme_memory_bytes", "gauge", "Memory that this rank holds, and its peaks.");
  to.by("kind", of.memory_bytes);
  to.family("trireme_sent_bytes_total", "counter", "Bytes given to other ranks.");
  to.by("kind", of.sent_bytes);
  to.only("trireme_written_bytes_total", "counter", "Bytes of pictures written.", of.written_bytes);
  to.only("trireme_waiting_pictures", "gauge", "Pictures that are made and not yet written.",
          of.waiting_pictures);
}

}  // namespace

std::string to_prometheus(const RankMetrics& metrics) {
  Exposition text({{"rank", std::to_string(metrics.rank)}, {"output", metrics.output}});
  add_state(text, metrics);
  add_work(text, metrics);
  add_resources(text, metrics);
  return text.text();
}

MetricsFile::MetricsFile(std::filesystem::path path, TellFailure tell, double seconds_between,
                         Clock now)
    : file_(std::move(path), std::move(tell)),
      seconds_between_(seconds_between),
      now_(std::move(now)) {}

bool MetricsFile::is_due() const {
  return !last_ || now_() - *last_ >= seconds_between_;
}

void MetricsFile::update(const RankMetrics& metrics) {
  last_ = now_();
  file_.replace(to_prometheus(metrics));
}

std::filesystem::path metrics_name(int rank) {
  return fmt::format("metrics/rank-{:05}.prom", rank);
}

}  // namespace trireme
