#include "src/output/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>

#include "parallel/error.h"
#include "src/output/commit.h"
#include "src/output/file_error.h"
#include "src/output/writer.h"

namespace trireme {
namespace {

constexpr std::string_view kDone = "done";
constexpr std::string_view kLetGo = "-";

// "000042.000064.3" is the unit "000042.000064" and "3"; names of something else are no units.
std::pair<std::string, std::string> parted(const std::string& name) {
  const auto dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0 || is_hidden_name(name)) return {};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// Of each unit that is not done the claim of the highest generation.
std::map<std::string, std::int64_t> last_claims(const std::vector<std::string>& names) {
  std::map<std::string, std::int64_t> last;
  std::set<std::string> done;
  for (const auto& name : names) {
    const auto [unit, suffix] = parted(name);
    if (suffix == kDone) done.insert(unit);
    if (!is_number(suffix)) continue;
    auto& highest = last.try_emplace(unit, -1).first->second;
    highest = std::max<std::int64_t>(highest, std::stoll(suffix));
  }
  for (const auto& unit : done) last.erase(unit);
  return last;
}

}  // namespace

std::vector<ClaimSeen> claims_in(FileSystem& files, const std::filesystem::path& folder) {
  std::vector<ClaimSeen> claims;
  for (const auto& [unit, generation] : last_claims(names_in(files, folder))) {
    const auto path = folder / fmt::format("{}.{}", unit, generation);
    if (!is_there(files, path)) continue;
    try {
      const auto text = read_file(files, path);
      const auto space = text.find(' ');
      if (text.starts_with(kLetGo) || space == std::string::npos) continue;
      const auto writer = text.substr(0, space);
      claims.push_back(
          {unit, writer, text.substr(space + 1, text.find('\n') - space - 1), life_of(writer)});
    } catch (const Error&) {
      continue;  // gone meanwhile
    }
  }
  return claims;
}

Claims::Claims(FileSystem& files, std::filesystem::path folder, ClaimOptions options)
    : files_(files), folder_(std::move(folder)), options_(std::move(options)) {
  make_folder(files_, folder_);
}

// One that cannot be let go is taken over in time.
Claims::~Claims() {
  try {
    for (const auto& name : held_) write(name, std::string(kLetGo) + "\n");
  } catch (...) {
  }
}

// What cannot be seen may be there: a beat must not end the process that it is of.
bool Claims::is_gone(const std::string& name) {
  return retried([&] { return files_.status(folder_ / name).error; }) == -ENOENT;
}

std::map<std::string, Claims::State> Claims::look() {
  const std::lock_guard lock(mutex_);
  std::map<std::string, State> states;
  generation_.clear();
  for (const auto& name : names_in(files_, folder_)) {
    const auto [unit, suffix] = parted(name);
    if (suffix == kDone) states[unit] = State::kDone;
    if (!is_number(suffix)) continue;
    auto& highest = generation_.try_emplace(unit, -1).first->second;
    highest = std::max<std::int64_t>(highest, std::stoll(suffix));
  }
  for (const auto& [unit, generation] : generation_)
    if (!states.contains(unit))
      states[unit] = may_live(fmt::format("{}.{}", unit, generation)) ? State::kHeld : State::kFree;
  return states;
}

bool Claims::may_live(const std::string& name) {
  if (held_.contains(name)) return true;
  std::string text;
  try {
    text = read_file(files_, folder_ / name);
  } catch (const Error&) {
    return true;  // gone meanwhile, or not to be read: not ours to take now
  }
  if (text.starts_with(kLetGo)) return false;
  // One that is there may be stopped, or hang: only its counter tells that it works.
  if (life_of(std::string_view(text).substr(0, text.find(' '))) == Life::kDead) return false;
  auto& seen = seen_[name];
  if (seen.text != text || seen.since == 0) seen = {text, options_.now()};
  return options_.now() - seen.since < options_.seconds_to_live;
}

// By O_EXCL: of several who create the next generation, one does.
std::optional<std::int64_t> Claims::take(const std::string& unit) {
  const std::lock_guard lock(mutex_);
  const auto before = generation_.find(unit);
  const auto generation = before == generation_.end() ? 0 : before->second + 1;
  const auto name = fmt::format("{}.{}", unit, generation);
  const auto descriptor = retried([&] { return files_.create(folder_ / name); });
  if (descriptor == -EEXIST) return std::nullopt;
  if (descriptor < 0) raise_file_error(folder_ / name, "creating", descriptor);
  const auto text = fmt::format("{} {}\n", options_.writer, counter_);
  retried([&] {
    return files_.write(descriptor, text);
  });  // one that is not there whole is as good as a dead one's
  files_.close(descriptor);
  held_.insert(name);
  generation_[unit] = generation;
  if (generation > 0) try_to_remove(files_, folder_ / fmt::format("{}.{}", unit, generation - 1));
  return generation;
}

void Claims::done(const std::string& unit) {
  const auto name = folder_ / fmt::format("{}.{}", unit, kDone);
  const auto descriptor = retried([&] { return files_.create(name); });
  if (descriptor >= 0) files_.close(descriptor);
  if (descriptor < 0 && descriptor != -EEXIST) raise_file_error(name, "creating", descriptor);
}

void Claims::reopen(const std::string& unit) {
  remove_file(files_, folder_ / fmt::format("{}.{}", unit, kDone));
  const std::lock_guard lock(mutex_);
  std::erase_if(held_, [&](const std::string& name) { return parted(name).first == unit; });
}

void Claims::write(const std::string& name, const std::string& text) {
  const auto hidden = folder_ / fmt::format(".{}.tmp-{}-b", name, options_.writer);
  try_to_remove(files_, hidden);
  const auto descriptor = files_.create(hidden);
  if (descriptor < 0) return;  // a beat that is missed
  const bool whole = files_.write(descriptor, text) == static_cast<std::int64_t>(text.size());
  files_.close(descriptor);
  // A claim that is gone was done or taken over: it stays gone.
  if (!whole || is_gone(name) || files_.rename(hidden, folder_ / name) < 0)
    try_to_remove(files_, hidden);
}

void Claims::beat() {
  const std::lock_guard lock(mutex_);
  ++counter_;
  std::erase_if(held_, [&](const std::string& name) {
    return !is_gone(fmt::format("{}.{}", parted(name).first, kDone)) || is_gone(name);
  });
  for (const auto& name : held_) write(name, fmt::format("{} {}\n", options_.writer, counter_));
}

void Claims::forget(const std::string& prefix) {
  for (const auto& name : names_in(files_, folder_))
    if (name.starts_with(prefix) || name.starts_with("." + prefix))
      try_to_remove(files_, folder_ / name);
}

}  // namespace trireme
