// What a run did, for OUT/report.json, and the clock that measures its stages. A rank fills in a
// RankReport; rank 0 gathers them (as text, which travels between processes) into a Report. A run
// that made nothing has zero counts and no rate.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace trireme {

enum class Stage { kLoad, kEncode, kDenoise, kDecode, kWrite };
std::string stage_name(Stage stage);  // load, encode, denoise, decode, write

using Clock = std::function<double()>;  // seconds since any fixed moment
double steady_seconds();

// Sums the time that one thread spends in each stage, and the work that it does. What is done
// inside a stage for another one belongs to that.
class StageClock {
 public:
  class Scope {
   public:
    Scope(StageClock& clock, Stage stage)
        : clock_(clock), stage_(stage), begun_(clock.now_()), outer_(clock.innermost_) {
      clock_.left_(outer_ ? std::optional(outer_->stage_) : std::nullopt);
      clock_.innermost_ = this;
    }
    ~Scope() {
      const double passed = clock_.now_() - begun_;
      clock_.seconds_[stage_] += passed - inside_;
      if (outer_) outer_->inside_ += passed;
      clock_.left_(stage_);
      clock_.innermost_ = outer_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    StageClock& clock_;
    Stage stage_;
    double begun_;
    Scope* outer_;
    double inside_ = 0;  // seconds that belong to stages timed meanwhile
  };

  // `left` hears to which stage, if any, all that happened since it heard last belongs.
  using Left = std::function<void(std::optional<Stage>)>;
  explicit StageClock(
      Clock now = steady_seconds, Left left = [](std::optional<Stage>) {})
      : now_(std::move(now)), left_(std::move(left)) {}

  [[nodiscard]] Scope time(Stage stage) { return Scope(*this, stage); }
  double seconds(Stage stage) const;

  void count(Stage stage, std::int64_t flops) { flops_[stage] += flops; }
  std::int64_t flops(Stage stage) const;

 private:
  Clock now_;
  Left left_;
  std::map<Stage, double> seconds_;
  std::map<Stage, std::int64_t> flops_;
  Scope* innermost_ = nullptr;
};

std::string host_name();
std::int64_t host_bytes();       // of this process
std::int64_t peak_host_bytes();  // of this process since it began

// The same fields as `plan --json` predicts, measured.
struct StageReport {
  std::int64_t weights_bytes = 0;      // of the stage's component, as this rank holds it
  std::int64_t activations_bytes = 0;  // most beyond weights and buffers, what waits included
  std::int64_t buffers_bytes = 0;      // most that was under way between ranks
  double seconds = 0;
  std::int64_t flops = 0;  // 2 a multiply-add: matrix products, attention, convolutions
};

struct RankReport {
  int rank = 0;
  std::string host = {};
  std::string device = {};
  std::int64_t peak_bytes = 0;       // of the device; of a CPU rank, of its process
  std::int64_t host_peak_bytes = 0;  // of its process
  std::int64_t program_bytes = 0;    // ... before it had read anything
  std::int64_t load_peak_bytes = 0;  // most beyond the weights while they were read
  std::map<std::string, std::int64_t> sent_bytes = {};  // by kind of communication
  std::map<std::string, StageReport> stages = {};       // encode, denoise, decode
  double load_seconds = 0;
  double write_seconds = 0;
};

// Of one replica: as a schedule without noise predicts it, and as it was.
struct ScheduleReport {
  struct Both {
    double predicted = 0;
    double measured = 0;
  };
  int replica = 0;
  int stages = 0;     // of the transformer's pipeline
  int in_flight = 0;  // batches
  Both seconds = {};
  Both bubble = {};                     // part of the transformer's ranks' time
  std::vector<Both> busy_seconds = {};  // by rank of the replica
};

// What a clock knows of stages, in a rank's report.
void set_stages(RankReport& report, const StageClock& clock);

std::string to_text(const RankReport& report);
RankReport rank_report(const std::string& text);

struct Report {
  std::int64_t done = 0;  // by this run
  std::int64_t failed = 0;
  std::int64_t skipped = 0;  // done by earlier runs
  double total_seconds = 0;
  std::vector<RankReport> ranks = {};
  std::vector<ScheduleReport> schedules = {};
  std::string predicted = "null";  // JSON: what plan said
};

// The memory of every rank and stage as a table.
std::string memory_table(const Report& report);

// report.json. A stage's `seconds` are those of the rank that spent most in it.
std::string to_json(const Report& report);

}  // namespace trireme
