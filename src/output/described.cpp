#include "src/output/described.h"

#include <fmt/format.h>

#include <utility>

#include "parallel/error.h"
#include "src/output/shard_store.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGone = "-";

fs::path note_path(const fs::path& out, const std::string& name) {
  return out / ".trireme" / "described" / name;
}

std::string note_of(FileSystem& files, const fs::path& out, const std::string& name) {
  const auto path = note_path(out, name);
  return is_there(files, path) ? read_file(files, path) : std::string();
}

void write_note(FileSystem& files, const fs::path& out, const std::string& name,
                const std::string& states) {
  make_folder(files, note_path(out, name).parent_path());
  replace(files, note_path(out, name), states);
}

std::string state_now(FileSystem& files, const fs::path& path) {
  if (!is_there(files, path)) return kGone;
  const auto [sha256, bytes] = sum_of_file(files, path);
  return fmt::format("{} {}", bytes, sha256);
}

// Beside all states in which the file may be now; of one that was never noted, the one it is in.
void announce(FileSystem& files, const fs::path& out, const std::string& name,
              const std::string& state) {
  auto before = note_of(files, out, name);
  if (before.empty()) before = state_now(files, out / name) + "\n";
  if (before != state + "\n") write_note(files, out, name, before + state + "\n");
}

// The file is in this state.
void settle(FileSystem& files, const fs::path& out, const std::string& name,
            const std::string& state) {
  if (note_of(files, out, name) != state + "\n") write_note(files, out, name, state + "\n");
}

DescribedState look(FileSystem& files, const fs::path& out, const std::string& name) {
  auto noted = note_of(files, out, name);
  noted.insert(noted.begin(), '\n');
  if (noted == "\n") return DescribedState::kUnknown;
  const auto now = state_now(files, out / name);
  if (noted.find("\n" + now + "\n") != std::string::npos) return DescribedState::kAsNoted;
  return now == kGone ? DescribedState::kMissing : DescribedState::kDamaged;
}

}  // namespace

DescribedFile::DescribedFile(FileSystem& files, fs::path out, std::string name)
    : files_(files), out_(std::move(out)), name_(std::move(name)), file_(files, out_ / name_) {}

void DescribedFile::write(std::string_view bytes) {
  file_.write(bytes);
  hash_.add(bytes);
  bytes_ += static_cast<std::int64_t>(bytes.size());
}

void DescribedFile::replace() {
  const auto state = fmt::format("{} {}", bytes_, hash_.hex());
  announce(files_, out_, name_, state);
  file_.replace();
  settle(files_, out_, name_, state);
}

void remove_described(FileSystem& files, const fs::path& out, const std::string& name) {
  announce(files, out, name, kGone);
  remove_file(files, out / name);
  sync_folder(files, out);  // else a power cut may bring it back
  settle(files, out, name, kGone);
}

// Twice, as a run may have replaced it between two looks.
DescribedState state_of_described(FileSystem& files, const fs::path& out, const std::string& name) {
  const auto first = look(files, out, name);
  const bool good = first == DescribedState::kUnknown || first == DescribedState::kAsNoted;
  return good ? first : look(files, out, name);
}

}  // namespace trireme
